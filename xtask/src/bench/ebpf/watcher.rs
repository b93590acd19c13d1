//! Those who listen: hark's own kernel side, and peers on the same tracepoint.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use hark_kernel::{Data, Feature, Kernel, KernelEvent, Options};

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
    kernel: Kernel,
    heard: Arc<AtomicU64>,
}

/// Another program, whose lines are counted.
pub(super) struct Peer {
    name: &'static str,
    child: Child,
    heard: Arc<AtomicU64>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const fn feature(workload: Workload) -> Feature {
    match workload {
        Workload::Signals => Feature::Signal,
        Workload::Connections => Feature::Tcp,
        Workload::Executions => Feature::Process,
    }
}

/// Name, program and arguments of the peers of a workload, and what their lines have in them that
/// tell of an event.
fn peers(workload: Workload) -> [(&'static str, &'static [&'static str], &'static str); 3] {
    match workload {
        Workload::Signals => [
            (
                "bpftrace 'printf' on signal_generate",
                &[
                    "bpftrace",
                    "-e",
                    "tracepoint:signal:signal_generate { printf(\"%d %s %d %d %d\\n\", pid, comm, \
                     args->sig, args->pid, args->result) }",
                ],
                " 18 ",
            ),
            ("sigsnoop (libbpf-tools)", &["sigsnoop", "-s", "18"], " 18 "),
            (
                "perf trace -e signal:signal_generate",
                &["perf", "trace", "-a", "-e", "signal:signal_generate"],
                "sig: 18",
            ),
        ],
        Workload::Connections => [
            (
                "bpftrace 'printf' on inet_sock_set_state",
                &[
                    "bpftrace",
                    "-e",
                    "tracepoint:sock:inet_sock_set_state /args->oldstate == 2 && args->newstate == 1/ \
                     { printf(\"%d %s %d %d up\\n\", pid, comm, args->sport, args->dport) }",
                ],
                " up",
            ),
            (
                "tcpstates (libbpf-tools)",
                &["tcpstates"],
                "SYN_SENT    -> ESTABLISHED",
            ),
            (
                "perf trace -e sock:inet_sock_set_state",
                &["perf", "trace", "-a", "-e", "sock:inet_sock_set_state"],
                "oldstate: 2, newstate: 1,",
            ),
        ],
        Workload::Executions => [
            (
                "bpftrace 'printf' on sched_process_exec",
                &[
                    "bpftrace",
                    "-e",
                    "tracepoint:sched:sched_process_exec { printf(\"%d %s %s\\n\", pid, comm, \
                     str(args->filename)) }",
                ],
                "/bin/true",
            ),
            ("execsnoop (libbpf-tools)", &["execsnoop"], "/bin/true"),
            (
                "perf trace -e sched:sched_process_exec",
                &["perf", "trace", "-a", "-e", "sched:sched_process_exec"],
                "/bin/true",
            ),
        ],
    }
}

/// Everybody who can listen to this, one at a time: each starts as it is asked for.
pub(super) fn all(workload: Workload) -> Result<impl Iterator<Item = Watcher>, Error> {
    let hark = Watcher::Hark(Box::new(Hark::start(&[feature(workload)], false)?));
    let peers = peers(workload)
        .into_iter()
        .filter_map(|(name, command, marker)| {
            Peer::start(name, command, marker).map(Watcher::Peer)
        });
    Ok(std::iter::once(hark).chain(peers))
}

impl Hark {
    fn start(features: &[Feature], statistics: bool) -> Result<Self, Error> {
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
        Ok(Self { kernel, heard })
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
        _ => false,
    }
}

impl Peer {
    fn start(name: &'static str, command: &[&str], marker: &'static str) -> Option<Self> {
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
        Some(Self { name, child, heard })
    }
}

impl Watcher {
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Hark(_) => "hark",
            Self::Peer(peer) => peer.name,
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
        while self.heard() == 0 {
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
    let hark = Hark::start(Feature::ALL, true)?;
    for workload in Workload::ALL {
        workload.cause((events / workload.weight()).max(1))?;
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
