//! The store on storage that fails: that forgets what was not synced, at every write of a script,
//! and that refuses one write or fsync, at every one of them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex};

use hark_api::{Event, EventId, Fields, Kind, Level, SeriesKey, Source, Timestamp, Verdict};
use redb::{Database, StorageBackend};

use crate::files::Open;
use crate::lock::Lock;
use crate::{Error, EventQuery, Options, Order, Reply, Store};

/// A disk: what is on it for good, and what was written since the last sync.
#[derive(Debug, Default)]
struct Disk {
    /// As those see it who use it.
    now: Vec<u8>,
    /// As it was at the last sync.
    synced: Vec<u8>,
    /// What was done to it since: a write, or a new length.
    since: Vec<(u64, Option<Vec<u8>>)>,
}

/// Both files' disks, with a count of all that was asked of them.
#[derive(Debug, Default)]
struct Machine {
    disks: [Disk; 2],
    asked: u64,
    /// From this operation on nothing works: the power is gone.
    dies_at: Option<u64>,
    /// This one operation fails.
    fails_at: Option<u64>,
}

impl Machine {
    /// Counts an operation that changes a disk; fails if it is to.
    fn ask(&mut self) -> io::Result<()> {
        self.asked += 1;
        if self.dies_at.is_some_and(|at| self.asked >= at) || self.fails_at == Some(self.asked) {
            return Err(io::Error::other("the disk does not answer"));
        }
        Ok(())
    }

    /// The power comes back: of what was not synced, `kept` decides what is there.
    fn reboot(&mut self, mut kept: impl FnMut() -> bool) {
        self.dies_at = None;
        for disk in &mut self.disks {
            for (at, write) in std::mem::take(&mut disk.since) {
                if kept() {
                    apply(&mut disk.synced, at, write.as_deref());
                }
            }
            disk.now.clone_from(&disk.synced);
        }
    }
}

fn apply(bytes: &mut Vec<u8>, at: u64, write: Option<&[u8]>) {
    let at = at as usize;
    match write {
        None => bytes.resize(at, 0),
        Some(write) => {
            if bytes.len() < at + write.len() {
                bytes.resize(at + write.len(), 0);
            }
            bytes[at..at + write.len()].copy_from_slice(write);
        }
    }
}

#[derive(Clone, Debug)]
struct Backend {
    machine: Arc<Mutex<Machine>>,
    disk: usize,
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.machine.lock().expect("a machine").disks[self.disk]
            .now
            .len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let machine = self.machine.lock().expect("a machine");
        let bytes = &machine.disks[self.disk].now;
        let bytes = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut machine = self.machine.lock().expect("a machine");
        machine.ask()?;
        let disk = &mut machine.disks[self.disk];
        apply(&mut disk.now, len, None);
        disk.since.push((len, None));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut machine = self.machine.lock().expect("a machine");
        machine.ask()?;
        let disk = &mut machine.disks[self.disk];
        for (at, write) in std::mem::take(&mut disk.since) {
            apply(&mut disk.synced, at, write.as_deref());
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut machine = self.machine.lock().expect("a machine");
        machine.ask()?;
        let disk = &mut machine.disks[self.disk];
        apply(&mut disk.now, offset, Some(data));
        disk.since.push((offset, Some(data.to_vec())));
        Ok(())
    }
}

/// A machine whose disks have databases, still empty: how those are made is tested elsewhere.
fn machine(arm: impl FnOnce(&mut Machine)) -> Arc<Mutex<Machine>> {
    let machine: Arc<Mutex<Machine>> = Arc::default();
    for disk in 0..2 {
        let backend = Backend {
            machine: Arc::clone(&machine),
            disk,
        };
        let made = Database::builder()
            .create_with_backend(backend)
            .and_then(Database::close);
        made.expect("a database");
    }
    {
        let mut machine = machine.lock().expect("a machine");
        machine.reboot(|| true);
        machine.asked = 0;
        arm(&mut machine);
    }
    machine
}

fn open(machine: &Arc<Mutex<Machine>>, dir: &Path) -> Result<Store, Error> {
    let file = |disk| -> Open {
        let backend = Backend {
            machine: Arc::clone(machine),
            disk,
        };
        Arc::new(move || {
            Database::builder()
                .set_cache_size(1 << 20)
                .create_with_backend(backend.clone())
                .map_err(Error::db("opening the database"))
        })
    };
    Store::open_with(dir, Lock::take(dir)?, file(0), file(1), Options::default())
}

fn event(id: u64) -> Event {
    let time = Timestamp::from_nanos(id as i64 * 1_000_000_000);
    Event {
        id: EventId(id),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Info,
        message: format!("event {id}"),
        template: None,
        service: None,
        host: None,
        process: None,
        fields: Fields::new(),
        trace: None,
        verdict: Verdict::default(),
    }
}

/// The reply that goes with the commit whose last event this is.
fn reply(last: u64) -> Reply {
    Reply {
        key: last.to_string(),
        time: event(last).time,
        body: vec![last as u8; 100],
    }
}

/// What was acknowledged of the script.
#[derive(Debug, Default)]
struct Acknowledged {
    last: u64,
    tried: u64,
    /// The last events of the commits that were acknowledged.
    commits: Vec<u64>,
    /// Everything up to here was removed by retention, or was about to be.
    expired: u64,
    model: Option<u8>,
    model_tried: u8,
}

/// Commits, seals, expires, keeps models and series; goes on after errors where `retry`.
fn script(store: &Store, retry: bool, done: &mut Acknowledged) {
    let again = |call: &mut dyn FnMut() -> Result<(), Error>| {
        let first = call();
        if retry && first.is_err() {
            call()
        } else {
            first
        }
    };
    for round in 1..=6u64 {
        for _ in 0..3 {
            let batch: Vec<_> = (1..=round).map(|i| event(done.last + i)).collect();
            done.tried = done.last + round;
            let reply = reply(done.tried);
            let mut commit = || {
                let result = store.commit_with(&batch, std::slice::from_ref(&reply));
                if result.is_err()
                    && let Ok(found) = store.reply(&reply.key)
                {
                    assert_eq!(found, None, "a reply to what was not acknowledged");
                }
                result
            };
            match again(&mut commit) {
                Ok(()) => {
                    done.last = done.tried;
                    done.commits.push(done.last);
                }
                Err(error) => {
                    assert!(!retry, "the second try failed: {error}");
                    return;
                }
            }
        }
        if round % 2 == 0 && again(&mut || store.0.seal(true).map(drop)).is_err() {
            assert!(!retry, "sealing failed twice");
            return;
        }
        done.model_tried = round as u8;
        match again(&mut || store.put_checkpoint("model", &[round as u8; 5000])) {
            Ok(()) => done.model = Some(round as u8),
            Err(error) => {
                assert!(!retry, "the second try failed: {error}");
                return;
            }
        }
        let time = Timestamp::from_nanos(round as i64 * 100_000_000_000);
        let _ = store.append_samples(time, &[(SeriesKey::new("x"), round as f64)]);
        if round == 4 {
            // All that is sealed is older than this.
            done.expired = done.last;
            let now = Timestamp::from_nanos(400 * 86_400 * 1_000_000_000);
            let _ = store.maintain(now);
        }
    }
}

/// Everything acknowledged is there, once and as it was, and nothing else but what was tried.
fn verify(store: &Store, done: &Acknowledged) {
    let query = EventQuery {
        order: Order::Arrival,
        limit: 10_000,
        ..EventQuery::default()
    };
    let page = store.events(&query).expect("read");
    let found: BTreeMap<u64, &Event> = page.events.iter().map(|e| (e.id.0, e)).collect();
    assert_eq!(found.len(), page.events.len(), "an event is there twice");
    for id in done.expired + 1..=done.last {
        assert_eq!(found.get(&id), Some(&&event(id)), "acknowledged: {done:?}");
    }
    for (id, found) in &found {
        assert!(*id <= done.tried);
        assert_eq!(**found, event(*id));
    }
    // What was tried and not acknowledged is there whole or not at all.
    let unacknowledged = found.range(done.last + 1..).count() as u64;
    assert!(unacknowledged == 0 || unacknowledged == done.tried - done.last);
    for last in done.commits.iter().filter(|last| **last > done.expired) {
        assert_eq!(
            store.reply(&last.to_string()).expect("read"),
            Some(reply(*last))
        );
    }
    if done.tried > done.last {
        let reply = store.reply(&done.tried.to_string()).expect("read");
        assert_eq!(reply.is_some(), unacknowledged > 0, "both or neither");
    }
    assert!(store.next_event_id().0 > done.last);
    assert!(store.next_event_id().0 <= done.tried + 1);
    let model = store
        .get_checkpoint("model")
        .expect("read")
        .map(|model| model[0]);
    assert!(
        model == done.model || model == Some(done.model_tried),
        "{model:?}: {done:?}"
    );
    assert_eq!(store.status().damaged_blocks, 0);
}

/// How many operations the whole script asks for.
fn operations() -> u64 {
    let (machine, dir) = (machine(|_| {}), tempfile::tempdir().expect("a directory"));
    let store = open(&machine, dir.path()).expect("opened");
    let mut done = Acknowledged::default();
    script(&store, false, &mut done);
    verify(&store, &done);
    drop(store);
    let asked = machine.lock().expect("a machine").asked;
    assert!(asked > 100, "the script asked only for {asked} operations");
    asked
}

/// At which operations to fail: at every seventh, which differ from run to run, or, with
/// `HARK_FAULTS=all`, at every one.
fn places(operations: u64) -> impl Iterator<Item = u64> {
    let all = std::env::var_os("HARK_FAULTS").is_some_and(|what| what == "all");
    let step = if all { 1 } else { 7 };
    let first = 1 + u64::from(std::process::id()) % step;
    (first..=operations).step_by(step as usize)
}

/// The power goes at every operation of the script, and of the writes that were not synced none,
/// all, or some are on the disk. In every case all that was acknowledged is there.
#[test]
fn what_was_acknowledged_survives_a_power_cut_at_every_write() {
    let operations = operations();
    let dir = tempfile::tempdir().expect("a directory");
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    for at in places(operations) {
        for fate in 0..3 {
            let machine = machine(|machine| machine.dies_at = Some(at));
            let mut done = Acknowledged::default();
            if let Ok(store) = open(&machine, dir.path()) {
                script(&store, false, &mut done);
                store.0.sealing.stop();
            }
            machine.lock().expect("a machine").reboot(|| {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                match fate {
                    0 => false,
                    1 => true,
                    _ => random & 1 == 0,
                }
            });
            let store = match open(&machine, dir.path()) {
                Ok(store) => store,
                Err(error) => panic!("cut at {at} of {operations}, fate {fate}: {error}"),
            };
            verify(&store, &done);
            // And it goes on from there.
            let next = store.next_event_id().0;
            store.commit(&[event(next)]).expect("committed");
            store.0.sealing.stop();
        }
    }
}

/// One write or fsync fails, at every one of the script; the call that it fails is repeated and
/// succeeds, and nothing is lost or doubled.
#[test]
fn a_failed_write_or_fsync_is_recovered_from_without_a_restart() {
    let operations = operations();
    let dir = tempfile::tempdir().expect("a directory");
    for at in places(operations) {
        let machine = machine(|machine| machine.fails_at = Some(at));
        // Opening itself may be what fails.
        let store = match open(&machine, dir.path()) {
            Ok(store) => store,
            Err(_) => open(&machine, dir.path()).expect("opened"),
        };
        let mut done = Acknowledged::default();
        script(&store, true, &mut done);
        verify(&store, &done);
        assert_eq!(done.last, 63);
        store.0.sealing.stop();
        drop(store);
        machine.lock().expect("a machine").fails_at = None;
        let store = open(&machine, dir.path()).expect("opened");
        verify(&store, &done);
        store.0.sealing.stop();
    }
}
