//! The store on storage that fails: that forgets what was not synced, at every write of a script,
//! and that refuses writes and fsyncs: one, at every one of them, or every few fsyncs of the log.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use hark_api::{Event, EventId, Fields, Kind, Level, SeriesKey, Source, Timestamp, Verdict};
use redb::{Database, StorageBackend};

use crate::files::DbFile;
use crate::lock::Lock;
use crate::log::{Medium, Place};
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

impl Disk {
    fn write(&mut self, at: u64, write: Option<&[u8]>) {
        apply(&mut self.now, at, write);
        self.since.push((at, write.map(<[u8]>::to_vec)));
    }

    fn sync(&mut self) {
        for (at, write) in std::mem::take(&mut self.since) {
            apply(&mut self.synced, at, write.as_deref());
        }
    }
}

/// All files' disks, with a count of all that was asked of them.
#[derive(Debug, Default)]
struct Machine {
    main: Disk,
    log: BTreeMap<u32, Disk>,
    asked: u64,
    /// From this operation on nothing works: the power is gone.
    dies_at: Option<u64>,
    /// This one operation fails.
    fails_at: Option<u64>,
    /// One in so many syncs of the log fails, at random from this state.
    fails: Option<(u64, u64)>,
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

    fn ask_sync(&mut self) -> io::Result<()> {
        self.ask()?;
        if let Some((of, state)) = &mut self.fails
            && random(state).is_multiple_of(*of)
        {
            return Err(io::Error::other("the disk does not sync"));
        }
        Ok(())
    }

    /// The power comes back: of what was not synced, `kept` decides what is there.
    fn reboot(&mut self, mut kept: impl FnMut() -> bool) {
        self.dies_at = None;
        for disk in self.log.values_mut().chain([&mut self.main]) {
            for (at, write) in std::mem::take(&mut disk.since) {
                if kept() {
                    apply(&mut disk.synced, at, write.as_deref());
                }
            }
            disk.now.clone_from(&disk.synced);
        }
    }
}

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;

/// The next number of a sequence that looks like chance: xorshift.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
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

/// The machine as redb sees it.
#[derive(Clone, Debug)]
struct Backend(Arc<Mutex<Machine>>);

impl Backend {
    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().expect("a machine")
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        Ok(self.machine().main.now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let machine = self.machine();
        let bytes = &machine.main.now;
        let bytes = bytes.get(offset as usize..offset as usize + out.len());
        out.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut machine = self.machine();
        machine.ask()?;
        machine.main.write(len, None);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut machine = self.machine();
        machine.ask()?;
        machine.main.sync();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut machine = self.machine();
        machine.ask()?;
        machine.main.write(offset, Some(data));
        Ok(())
    }
}

/// The machine as the log sees it.
impl Place for Backend {
    fn list(&self) -> io::Result<Vec<u32>> {
        Ok(self.machine().log.keys().copied().collect())
    }

    fn open(&self, number: u32) -> io::Result<Box<dyn Medium>> {
        let machine = Arc::clone(&self.0);
        Ok(Box::new(Opened { machine, number }))
    }

    fn create(&self, number: u32, len: u64) -> io::Result<Box<dyn Medium>> {
        {
            let mut machine = self.machine();
            machine.ask_sync()?;
            let disk = machine.log.entry(number).or_default();
            disk.write(len, None);
            disk.sync();
            // It has its name, but for how long?
            machine.ask_sync()?;
        }
        Place::open(self, number)
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        let mut machine = self.machine();
        machine.ask_sync()?;
        machine.log.remove(&number);
        Ok(())
    }

    fn set_aside(&self, number: u32) -> io::Result<()> {
        panic!("file {number} is taken for damaged");
    }
}

/// A file of the log.
#[derive(Debug)]
struct Opened {
    machine: Arc<Mutex<Machine>>,
    number: u32,
}

impl Opened {
    fn with<T>(
        &self,
        ask: impl FnOnce(&mut Machine) -> io::Result<()>,
        call: impl FnOnce(&mut Disk) -> T,
    ) -> io::Result<T> {
        let mut machine = self.machine.lock().expect("a machine");
        ask(&mut machine)?;
        let disk = machine.log.get_mut(&self.number);
        Ok(call(disk.ok_or(io::ErrorKind::NotFound)?))
    }
}

impl Medium for Opened {
    fn len(&self) -> io::Result<u64> {
        self.with(|_| Ok(()), |disk| disk.now.len() as u64)
    }

    fn read(&self, len: u64) -> io::Result<Vec<u8>> {
        let read = |disk: &mut Disk| disk.now[..disk.now.len().min(len as usize)].to_vec();
        self.with(|_| Ok(()), read)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let write = |disk: &mut Disk| {
            assert!(
                at as usize + bytes.len() <= disk.now.len(),
                "beyond the file"
            );
            // Each sector reaches the disk, or does not, by itself.
            for (i, sector) in bytes.chunks(SECTOR).enumerate() {
                disk.write(at + (i * SECTOR) as u64, Some(sector));
            }
        };
        self.with(Machine::ask, write)
    }

    fn sync(&self) -> io::Result<()> {
        self.with(Machine::ask_sync, Disk::sync)
    }
}

/// What a disk writes whole or not at all.
const SECTOR: usize = 512;
/// Files of the log take a few commits of the script, so that they are used again.
const LOG_FILE: u64 = 32 << 10;

/// A machine whose disk has a database, still empty: how that is made is tested elsewhere.
fn machine(arm: impl FnOnce(&mut Machine)) -> Arc<Mutex<Machine>> {
    let machine: Arc<Mutex<Machine>> = Arc::default();
    let made = Database::builder()
        .create_with_backend(Backend(Arc::clone(&machine)))
        .and_then(Database::close);
    made.expect("a database");
    {
        let mut machine = machine.lock().expect("a machine");
        machine.reboot(|| true);
        machine.asked = 0;
        arm(&mut machine);
    }
    machine
}

fn open(machine: &Arc<Mutex<Machine>>, dir: &Path) -> Result<Store, Error> {
    let backend = Backend(Arc::clone(machine));
    let log = Arc::new(backend.clone());
    let main = DbFile::new(Arc::new(move || {
        Database::builder()
            .set_cache_size(1 << 20)
            .create_with_backend(backend.clone())
            .map_err(Error::db("opening the database"))
    }))?;
    let lock = Lock::take(dir)?;
    Store::open_with(dir, lock, main, log, LOG_FILE, Options::default())
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

/// Commits, seals, expires, keeps models and series; repeats what fails at most so many times.
fn script(store: &Store, retries: usize, done: &mut Acknowledged) {
    let retry = retries > 0;
    let again = |call: &mut dyn FnMut() -> Result<(), Error>| {
        let mut result = call();
        for _ in 0..retries {
            if result.is_ok() {
                break;
            }
            result = call();
        }
        result
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
                    assert!(!retry, "the last try failed: {error}");
                    return;
                }
            }
        }
        if round % 2 == 0 && again(&mut || store.0.seal(true).map(drop)).is_err() {
            assert!(!retry, "sealing failed each time");
            return;
        }
        done.model_tried = round as u8;
        match again(&mut || store.put_checkpoint("model", &[round as u8; 5000])) {
            Ok(()) => done.model = Some(round as u8),
            Err(error) => {
                assert!(!retry, "the last try failed: {error}");
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
    script(&store, 0, &mut done);
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
    let mut state = SEED;
    for at in places(operations) {
        for fate in 0..3 {
            let machine = machine(|machine| machine.dies_at = Some(at));
            let mut done = Acknowledged::default();
            if let Ok(store) = open(&machine, dir.path()) {
                script(&store, 0, &mut done);
                store.0.sealing.stop();
            }
            machine.lock().expect("a machine").reboot(|| {
                let drawn = random(&mut state);
                match fate {
                    0 => false,
                    1 => true,
                    _ => drawn & 1 == 0,
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
        script(&store, 1, &mut done);
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

/// Syncs of the log go on to fail, one in a few: every commit is acknowledged after a few tries,
/// and nothing is lost.
#[test]
fn a_log_whose_syncs_fail_again_and_again_is_worked_with() {
    for of in [3, 4, 5, 7] {
        let dir = tempfile::tempdir().expect("a directory");
        let machine = machine(|_| {});
        let store = open(&machine, dir.path()).expect("opened");
        machine.lock().expect("a machine").fails = Some((of, SEED));
        let mut done = Acknowledged::default();
        script(&store, 100, &mut done);
        assert_eq!(done.last, 63);
        verify(&store, &done);
        store.0.sealing.stop();
        drop(store);
        // The power goes, with what was not synced.
        {
            let mut machine = machine.lock().expect("a machine");
            machine.fails = None;
            machine.reboot(|| false);
        }
        let store = open(&machine, dir.path()).expect("opened");
        verify(&store, &done);
        store.0.sealing.stop();
    }
}
