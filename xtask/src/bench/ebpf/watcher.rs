//! Those who listen: hark's own kernel side, and peers on the same tracepoint.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hark_kernel::{Data, Feature, Kernel, KernelEvent, Options};

use super::peers;
use super::workload::{Workload, process_time, ticks};
use crate::error::Error;

/// Who listens.
pub(super) enum Watcher {
    Nobody,
    Hark(Box<Hark>),
    Peer(Peer),
}

/// hark, as the agent runs it, up to the point where it hands events on.
pub(super) struct Hark {
    name: &'static str,
    /// Whether it tells these events one by one.
    tells: bool,
    kernel: Kernel,
    heard: Arc<AtomicU64>,
}

/// Another program, whose lines are counted.
pub(super) struct Peer {
    name: &'static str,
    tells: bool,
    child: Child,
    heard: Arc<AtomicU64>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Everybody who can listen to this, one at a time: each starts as it is asked for.
pub(super) fn all(workload: Workload) -> impl Iterator<Item = Result<Watcher, Error>> {
    let hark = peers::of_hark(workload)
        .iter()
        .map(move |(name, features)| Hark::start(name, features, workload, false));
    let peers = peers::others(workload)
        .into_iter()
        .filter_map(|peer| Peer::start(&peer).map(|peer| Ok(Watcher::Peer(peer))));
    hark.map(|hark| Ok(Watcher::Hark(Box::new(hark?))))
        .chain(peers)
}

impl Hark {
    fn start(
        name: &'static str,
        features: &[Feature],
        workload: Workload,
        statistics: bool,
    ) -> Result<Self, Error> {
        let heard = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&heard);
        let own = std::process::id();
        let options = Options {
            features: features.to_vec(),
            statistics,
            ..Options::default()
        };
        let kernel = Kernel::start(&options, move |batch| {
            let ours = batch.drain(..).filter(|event| is_ours(event, own)).count();
            count.fetch_add(ours as u64, Relaxed);
        })
        .map_err(|error| Error::Check(error.to_string()))?;
        let tells = workload.is_told();
        Ok(Self {
            name,
            tells,
            kernel,
            heard,
        })
    }
}

/// Whether a workload of this process caused the event, as the lines that are counted of peers.
fn is_ours(event: &KernelEvent, own: u32) -> bool {
    let process = event.process.as_ref();
    match &event.data {
        Data::Signal(signal) => {
            signal.signal == 18 && signal.sender.as_ref().is_some_and(|s| s.pid == own)
        }
        Data::TcpConnect(_) => process.is_some_and(|p| p.pid == own),
        Data::Exec(_) => process.is_some_and(|p| p.ppid == Some(own)),
        Data::FileAccess(_) => process.is_some_and(|p| p.pid == own),
        _ => false,
    }
}

impl Peer {
    fn start(peer: &peers::Peer) -> Option<Self> {
        let peers::Peer {
            name,
            command,
            marker,
            tells,
        } = *peer;
        let mut child = Command::new("stdbuf")
            .arg("-oL")
            .args(command)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .ok()?;
        let heard = Arc::new(AtomicU64::new(0));
        // perf trace writes to its standard error.
        let pipes: [Option<Box<dyn std::io::Read + Send>>; 2] = [
            child.stdout.take().map(|pipe| Box::new(pipe) as _),
            child.stderr.take().map(|pipe| Box::new(pipe) as _),
        ];
        for pipe in pipes.into_iter().flatten() {
            let count = Arc::clone(&heard);
            std::thread::spawn(move || {
                for line in BufReader::new(pipe).lines().map_while(Result::ok) {
                    if line.contains(marker) {
                        count.fetch_add(1, Relaxed);
                    }
                }
            });
        }
        Some(Self {
            name,
            tells,
            child,
            heard,
        })
    }
}

impl Watcher {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Hark(hark) => hark.name,
            Self::Peer(peer) => peer.name,
        }
    }

    /// Whether it tells each event, so that what it hears can be counted.
    pub(super) fn tells(&self) -> bool {
        match self {
            Self::Nobody => false,
            Self::Hark(hark) => hark.tells,
            Self::Peer(peer) => peer.tells,
        }
    }

    fn heard(&self) -> u64 {
        match self {
            Self::Nobody => 0,
            Self::Hark(hark) => hark.heard.load(Relaxed),
            Self::Peer(peer) => peer.heard.load(Relaxed),
        }
    }

    /// Causes events until one is heard. Answers why none is, where it cannot listen.
    pub(super) fn wait_until_ready(&mut self, workload: Workload) -> Result<Option<String>, Error> {
        let start = Instant::now();
        while self.heard() == 0 && !matches!(self, Self::Hark(hark) if !hark.tells) {
            if let Self::Peer(peer) = self
                && let Ok(Some(status)) = peer.child.try_wait()
            {
                return Ok(Some(format!("it ended with {status}")));
            }
            if start.elapsed() > Duration::from_secs(20) {
                return Ok(Some("it hears nothing".to_owned()));
            }
            workload.cause(1)?;
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(None)
    }

    /// How many events it has heard, once no more come.
    pub(super) fn settled(&self) -> u64 {
        let mut last = self.heard();
        loop {
            std::thread::sleep(Duration::from_millis(300));
            let now = self.heard();
            if now == last {
                return now;
            }
            last = now;
        }
    }

    /// CPU time that it has used.
    pub(super) fn cpu_time(&self) -> Duration {
        match self {
            Self::Nobody => Duration::ZERO,
            Self::Hark(_) => process_time(),
            Self::Peer(peer) => {
                let stat = std::fs::read_to_string(format!("/proc/{}/stat", peer.child.id()));
                ticks(&stat.unwrap_or_default(), 11)
            }
        }
    }
}

/// What each of hark's programs takes, as the kernel counts it: in a pass of its own, for counting
/// costs, too.
pub(super) fn report_programs(events: usize) -> Result<(), Error> {
    let hark = Hark::start("hark", Feature::ALL, Workload::Signals, true)?;
    for workload in Workload::ALL {
        workload.cause(workload.count(events))?;
    }
    println!("\nhark's programs, as the kernel counts them (BPF statistics)\n");
    println!("| program | hook | runs | a run |\n|---|---|---:|---:|");
    for program in hark
        .kernel
        .features()
        .into_iter()
        .flat_map(|feature| feature.programs)
    {
        if let (Some(runs), Some(nanos)) = (program.runs, program.nanos) {
            println!(
                "| {} | {} | {runs} | {:.0} ns |",
                program.name,
                program.hook,
                nanos as f64 / runs.max(1) as f64
            );
        }
    }
    let counters = hark.kernel.counters();
    println!(
        "\n{} records emitted, {} dropped, {} runs skipped",
        counters.emitted, counters.dropped, counters.missed
    );
    Ok(())
}
