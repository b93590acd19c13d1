//! The collector of vital signs: what one reading of this host costs.

use std::time::Duration;

use hark_host::{Collector, Options};

use crate::error::Error;

/// The collector of vital signs: CPU time of one reading of this host
///
/// Reads the host again and again, and prints the CPU time of the readings. Child processes that
/// only sleep make up the number of processes asked for.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Readings to measure
    #[arg(long, default_value_t = 50)]
    readings: usize,
    /// Bring the host to at least this many processes
    #[arg(long, default_value_t = 150)]
    processes: usize,
    /// The pause between readings, in milliseconds
    #[arg(long, default_value_t = 200)]
    pause: u64,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let failed = |error: hark_host::Error| Error::Check(error.to_string());
    let mut collector = Collector::new(Options::default());
    let first = collector.collect().map_err(failed)?;
    let here = first.vitals.tasks.processes as usize;
    let _sleepers = Sleepers::new(args.processes.saturating_sub(here))?;
    let mut cpu = Vec::with_capacity(args.readings);
    let mut reading = first;
    for _ in 0..args.readings.max(1) {
        std::thread::sleep(Duration::from_millis(args.pause));
        let before = thread_time();
        reading = collector.collect().map_err(failed)?;
        cpu.push(thread_time().saturating_sub(before));
    }
    cpu.sort_unstable();
    let at = |share: f64| cpu[((cpu.len() - 1) as f64 * share) as usize].as_secs_f64() * 1e6;
    let vitals = &reading.vitals;
    println!(
        "host: {} processes, {} threads, {} CPUs, {} disks, {} file systems, {} interfaces, {} control groups",
        vitals.tasks.processes,
        vitals.tasks.threads,
        vitals.cpus.len(),
        vitals.disks.len(),
        vitals.filesystems.len(),
        vitals.interfaces.len(),
        vitals.cgroups.len(),
    );
    println!("series: {}", reading.metrics.len());
    println!(
        "CPU time of a reading, of {}: minimum {:.0} µs, median {:.0} µs, 99th percentile {:.0} µs",
        cpu.len(),
        at(0.0),
        at(0.5),
        at(0.99),
    );
    println!(
        "at one reading a second: {:.2} % of one CPU (median)",
        at(0.5) / 1e4
    );
    Ok(())
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Processes that only sleep, ended when dropped.
struct Sleepers(Vec<std::process::Child>);

impl Sleepers {
    fn new(count: usize) -> Result<Self, Error> {
        let mut sleepers = Self(Vec::with_capacity(count));
        for _ in 0..count {
            let child = std::process::Command::new("sleep").arg("3600").spawn();
            sleepers.0.push(child.map_err(|source| Error::Start {
                program: "sleep".to_owned(),
                source,
            })?);
        }
        Ok(sleepers)
    }
}

impl Drop for Sleepers {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
