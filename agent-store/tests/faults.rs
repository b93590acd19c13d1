//! The store against a real kernel: killed, out of space, its file changed behind its back.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use hark_api::{Event, EventId, Fields, Kind, Level, Source, Timestamp, Verdict};
use hark_store::{EventQuery, Options, Order, Store};

fn event(id: u64) -> Event {
    let time = Timestamp::from_nanos(1_800_000_000_000_000_000 + id as i64 * 1_000_000);
    Event {
        id: EventId(id),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Info,
        message: format!(
            "request {} took {}us by user {}",
            id,
            id * 7919 % 100_003,
            id % 31
        ),
        template: Some((id % 5) as u32),
        service: Some("web".to_owned()),
        host: None,
        process: None,
        fields: Fields::from_iter([("status", 200 + id % 7)]),
        trace: None,
        verdict: Verdict::default(),
    }
}

/// For ages: retention is not what is tested here.
fn options() -> Options {
    Options {
        max_age: Duration::from_secs(100 * 365 * 86_400),
        ..Options::default()
    }
}

/// All events after an id, in order of id.
fn events_after(store: &Store, id: u64) -> Vec<Event> {
    let mut all = Vec::new();
    let mut query = EventQuery {
        order: Order::Arrival,
        after: Some(format!("0.{id}").parse().expect("a cursor")),
        limit: 10_000,
        ..EventQuery::default()
    };
    loop {
        let page = store.events(&query).expect("read");
        all.extend(page.events);
        match page.next {
            Some(next) => query.after = Some(next),
            None => return all,
        }
    }
}

const CHILD: &str = "HARK_STORE_TEST_CHILD";

/// Not a test of its own: what the test below starts, and kills. Commits, and says what it has.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(dir) = std::env::var_os(CHILD) else {
        return;
    };
    let store = Store::open(Path::new(&dir), options()).expect("opened");
    let mut out = std::io::stdout().lock();
    let mut size = 1;
    loop {
        let first = store.next_event_id().0;
        let batch: Vec<_> = (first..first + size).map(event).collect();
        store.commit(&batch).expect("committed");
        // To the pipe at once: what the parent reads was acknowledged.
        writeln!(out, "acknowledged {}", first + size - 1).expect("told");
        out.flush().expect("told");
        size = size % 97 + 8;
    }
}

/// kill -9 at random moments, again and again on one store; `HARK_KILL_ROUNDS` rounds, 8 without.
#[test]
fn what_was_acknowledged_survives_kill_9() {
    let rounds: u64 = std::env::var("HARK_KILL_ROUNDS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(8);
    let dir = tempfile::tempdir().expect("a directory");
    let (mut acknowledged, mut verified, mut most_extra) = (0, 0, 0);
    for round in 0..rounds {
        let mut child = Command::new(std::env::current_exe().expect("this program"))
            .args([
                "--exact",
                "child_that_commits_until_it_is_killed",
                "--nocapture",
            ])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a child");
        let mut out = BufReader::new(child.stdout.take().expect("its output"));
        // At a moment that differs: after so many acknowledgements and so many microseconds.
        let wanted = 3 + round * 37 % 150;
        let mut line = String::new();
        let mut heard = 0;
        while heard < wanted {
            line.clear();
            assert!(
                out.read_line(&mut line).expect("a line") > 0,
                "the child ended by itself"
            );
            heard += u64::from(take_acknowledged(&line, &mut acknowledged));
        }
        std::thread::sleep(Duration::from_micros(round * 613 % 5_000));
        child.kill().expect("killed");
        child.wait().expect("ended");
        for line in out.lines() {
            take_acknowledged(&line.expect("a line"), &mut acknowledged);
        }

        let store = Store::open(dir.path(), options()).expect("opens after kill -9");
        let found = events_after(&store, verified);
        for (i, found) in found.iter().enumerate() {
            assert_eq!(*found, event(verified + 1 + i as u64), "round {round}");
        }
        let last = verified + found.len() as u64;
        assert!(
            last >= acknowledged,
            "round {round}: lost {}",
            acknowledged - last
        );
        assert_eq!(store.next_event_id(), EventId(last + 1));
        assert_eq!(store.status().events, last);
        most_extra = most_extra.max(last - acknowledged);
        // What was written and not acknowledged stays, and counts from now on.
        (verified, acknowledged) = (last, last);
        store.close().expect("closed");
    }
    println!(
        "{rounds} rounds, {verified} events acknowledged, 0 lost, at most {most_extra} unheard"
    );
}

fn take_acknowledged(line: &str, acknowledged: &mut u64) -> bool {
    // The test harness writes lines of its own; a line cut by the kill was not told.
    let Some((_, id)) = line.split_once("acknowledged ") else {
        return false;
    };
    match id.trim().parse() {
        Ok(id) if id > *acknowledged => {
            *acknowledged = id;
            true
        }
        _ => false,
    }
}

/// A small file system of its own; unmounted at the end.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where this process may not mount.
    fn mount(dir: &Path, size: &str) -> Option<Self> {
        let options = format!("size={size}");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(dir)
            .stderr(Stdio::null())
            .status();
        mounted
            .is_ok_and(|status| status.success())
            .then(|| Self(dir.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_an_error_and_freed_space_ends_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let Some(_disk) = SmallDisk::mount(dir.path(), "16m") else {
        eprintln!("skipped: mounting a file system needs root");
        return;
    };
    let filler = dir.path().join("filler");
    std::fs::write(&filler, vec![1; 9 << 20]).expect("written");
    let store = Store::open(&dir.path().join("store"), options()).expect("opened");
    let mut last = 0;
    let mut commit = |store: &Store| {
        let batch: Vec<_> = (last + 1..=last + 500).map(event).collect();
        store.commit(&batch).map(|()| last += 500)
    };
    let deadline = Instant::now() + Duration::from_secs(60);
    let error = loop {
        assert!(Instant::now() < deadline, "the disk never filled up");
        if let Err(error) = commit(&store) {
            break error;
        }
    };
    assert!(
        error.to_string().contains("No space left") || error.is_full(),
        "{error}"
    );
    let status = store.status();
    let (_, noted) = status.last_error.expect("the error is told");
    assert!(!noted.is_empty());
    // What is there can be read all the while.
    assert!(
        store
            .events(&EventQuery::default())
            .expect("read")
            .events
            .len()
            == 100
    );

    std::fs::remove_file(&filler).expect("removed");
    for _ in 0..20 {
        commit(&store).expect("there is space again");
    }
    let check = |store: &Store| {
        let found = events_after(store, 0);
        for (i, found) in found.iter().enumerate() {
            assert_eq!(*found, event(1 + i as u64));
        }
        assert_eq!(found.len() as u64, last);
    };
    check(&store);
    store.close().expect("closed");
    let store = Store::open(&dir.path().join("store"), options()).expect("opened");
    check(&store);
}

/// Bits of the file flip while the store is closed. Whatever is then found is as it was written;
/// what is missing is reported, by opening, reading or checking; nothing panics out of a call.
#[test]
fn flipped_bits_are_noticed_and_never_answered() {
    let dir = tempfile::tempdir().expect("a directory");
    let whole = dir.path().join("whole");
    let store = Store::open(&whole, options()).expect("opened");
    for first in (1..=20_000).step_by(1000) {
        let batch: Vec<_> = (first..first + 1000).map(event).collect();
        store.commit(&batch).expect("committed");
    }
    store.maintain(event(1).time).expect("maintained");
    store.close().expect("closed");

    let bytes = std::fs::read(whole.join("main.redb")).expect("read");
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut reported = 0;
    for round in 0..40 {
        let hurt = dir.path().join("hurt");
        let _ = std::fs::remove_dir_all(&hurt);
        std::fs::create_dir_all(hurt.join("log")).expect("made");
        for file in std::fs::read_dir(whole.join("log")).expect("read") {
            let name = file.expect("read").file_name();
            std::fs::copy(whole.join("log").join(&name), hurt.join("log").join(&name))
                .expect("copied");
        }
        let mut bytes = bytes.clone();
        for _ in 0..3 {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let at = (state % bytes.len() as u64) as usize;
            bytes[at] ^= 1 << (state >> 60 & 7);
        }
        std::fs::write(hurt.join("main.redb"), bytes).expect("written");
        let Ok(store) = Store::open(&hurt, options()) else {
            reported += 1;
            continue;
        };
        let mut query = EventQuery {
            order: Order::Arrival,
            limit: 10_000,
            ..EventQuery::default()
        };
        let mut found = BTreeMap::new();
        let mut refused = false;
        loop {
            if let Ok(page) = store.events(&query) {
                found.extend(page.events.into_iter().map(|event| (event.id.0, event)));
                match page.next {
                    Some(next) => query.after = Some(next),
                    None => break,
                }
            } else {
                refused = true;
                break;
            }
        }
        for (id, found) in &found {
            assert_eq!(*found, event(*id), "round {round}");
        }
        if found.len() < 20_000 {
            let damaged = store.status().damaged_blocks > 0;
            let checked = store.check().map_or(true, |check| !check.is_clean());
            assert!(
                refused || damaged || checked,
                "round {round}: {} of 20000",
                found.len()
            );
            reported += 1;
        }
    }
    assert!(reported > 0, "no flip hit anything");
}
