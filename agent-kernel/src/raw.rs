//! Receipt alone, for measurements: records are taken out of the ring buffer and not looked into.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::Duration;

use aya::maps::{MapData, RingBuf};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::loader::{self, Loaded, take_map};
use crate::reader::{Counts, sum};
use crate::{Error, Options};

/// Listens like [`crate::Kernel`], and throws away what it hears.
pub struct RawReceipt {
    loaded: Loaded,
    counts: Option<Counts>,
    received: Arc<AtomicU64>,
    stop: Option<OwnedFd>,
    reader: Option<JoinHandle<()>>,
}

impl RawReceipt {
    /// Loads the kernel programs, attaches those that work here, and reads what they tell from a thread
    /// of its own.
    ///
    /// # Errors
    /// If the object cannot be read, or the thread not be started.
    pub fn start(options: &Options) -> Result<Self, Error> {
        let mut loaded = loader::load(options, true)?;
        let received = Arc::new(AtomicU64::new(0));
        let maps = loaded.ebpf.as_mut().and_then(|ebpf| {
            let counts: Counts = take_map(ebpf, "COUNTS")?;
            Some((counts, take_map::<RingBuf<MapData>>(ebpf, "EVENTS")?))
        });
        let mut new = Self {
            loaded,
            counts: None,
            received: Arc::clone(&received),
            stop: None,
            reader: None,
        };
        if let Some((counts, ring)) = maps {
            let (stop_here, stop_there) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
                .map_err(|error| Error::Thread(error.into()))?;
            let interval = options.poll_interval;
            new.counts = Some(counts);
            new.stop = Some(stop_there);
            new.reader = Some(
                std::thread::Builder::new()
                    .name("kernel-records".to_owned())
                    .spawn(move || read(ring, &received, interval, &stop_here))
                    .map_err(Error::Thread)?,
            );
        }
        Ok(new)
    }

    /// Records that the programs had to tell, those of them that found no room, and those received.
    pub fn counts(&self) -> (u64, u64, u64) {
        let received = self.received.load(Relaxed);
        let (emitted, dropped) = self.counts.as_ref().map_or((0, 0), sum);
        (emitted, dropped, received)
    }
}

impl Drop for RawReceipt {
    fn drop(&mut self) {
        self.loaded.ebpf = None;
        self.stop = None;
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
    }
}

impl std::fmt::Debug for RawReceipt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RawReceipt")
            .field("counts", &self.counts())
            .finish_non_exhaustive()
    }
}

fn read(mut ring: RingBuf<MapData>, received: &AtomicU64, interval: Duration, stop: &OwnedFd) {
    let interval = Timespec {
        tv_sec: interval.as_secs() as i64,
        tv_nsec: i64::from(interval.subsec_nanos()),
    };
    loop {
        let stopping = {
            let fd = ring.as_fd();
            let mut fds = [
                PollFd::new(stop, PollFlags::IN),
                PollFd::new(&fd, PollFlags::IN),
            ];
            let _ = poll(&mut fds, Some(&interval));
            !fds[0].revents().is_empty()
        };
        let mut count = 0;
        while let Some(record) = ring.next() {
            // As a reader must, at the least.
            std::hint::black_box(record.first());
            count += 1;
        }
        received.fetch_add(count, Relaxed);
        if stopping {
            return;
        }
    }
}
