//! A whole agent, with its store and detection, while a thousand programs are executed each second.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::workload::{Workload, ticks};
use crate::error::Error;

const RATE: u32 = 1_000;
/// How long a run takes.
const RUN: Duration = Duration::from_secs(20);
/// Before the agent is measured: it has the host and its processes to learn first.
const WARM_UP: Duration = Duration::from_secs(30);
/// Runs with nothing to hear, and as many under load; medians are told.
const RUNS: usize = 3;

struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Agent {
    /// With the configuration by default, but for its places.
    fn start(program: &Path, place: &Path) -> Result<Self, Error> {
        let config = place.join("agent.toml");
        let data = place.join("data");
        let socket = place.join("agent.sock");
        let text = format!(
            "data_dir = \"{}\"\n[api]\nlisten = []\nsocket = \"{}\"\n",
            data.display(),
            socket.display()
        );
        std::fs::write(&config, text).map_err(Error::file(&config))?;
        let child = Command::new(program)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|source| Error::Start {
                program: program.display().to_string(),
                source,
            })?;
        let start = Instant::now();
        while !socket.exists() {
            if start.elapsed() > Duration::from_secs(30) {
                return Err(Error::Check("the agent does not start".to_owned()));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        std::thread::sleep(WARM_UP);
        Ok(Self(child))
    }

    fn cpu_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.0.id()));
        ticks(&stat.unwrap_or_default(), 11)
    }

    /// CPU time over a while, in percent of one CPU.
    fn share(&self, mut work: impl FnMut() -> Result<(), Error>) -> Result<f64, Error> {
        let (start, before) = (Instant::now(), self.cpu_time());
        work()?;
        let used = self.cpu_time().saturating_sub(before);
        Ok(100.0 * used.as_secs_f64() / start.elapsed().as_secs_f64())
    }
}

pub(super) fn measure(program: &Path) -> Result<(), Error> {
    let place = tempfile::tempdir().map_err(Error::file(Path::new("/tmp")))?;
    let agent = Agent::start(program, place.path())?;
    let (mut idle, mut busy, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RUNS {
        idle.push(agent.share(|| {
            std::thread::sleep(RUN);
            Ok(())
        })?);
        busy.push(agent.share(|| {
            rates.push(execute()?);
            Ok(())
        })?);
    }
    println!(
        "\nthe agent as a whole: {:.2} % of a CPU with nothing to hear, {:.2} % at {:.0} executions a second",
        median(idle),
        median(busy),
        median(rates)
    );
    Ok(())
}

/// Executes programs for a run; answers how many a second.
fn execute() -> Result<f64, Error> {
    let start = Instant::now();
    let mut done = 0;
    while start.elapsed() < RUN {
        if f64::from(done) > start.elapsed().as_secs_f64() * f64::from(RATE) {
            std::thread::sleep(Duration::from_millis(1));
            continue;
        }
        Workload::Executions.cause(10)?;
        done += 10;
    }
    Ok(f64::from(done) / start.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
