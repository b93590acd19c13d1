//! A whole agent, with its store and detection, while a thousand programs are executed each second.

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::workload::ticks;
use crate::error::Error;

const RATE: u32 = 1_000;
/// How long, and how long before the agent is measured: it has the host's processes to read first.
const SECONDS: u32 = 30;
const WARM_UP: Duration = Duration::from_secs(5);

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
    let idle = agent.share(|| {
        std::thread::sleep(Duration::from_secs(u64::from(SECONDS)));
        Ok(())
    })?;
    let mut done = 0;
    let start = Instant::now();
    let busy = agent.share(|| {
        while start.elapsed() < Duration::from_secs(u64::from(SECONDS)) {
            // What is due by now; a host that is too slow for the rate says so below.
            if f64::from(done) > start.elapsed().as_secs_f64() * f64::from(RATE) {
                std::thread::sleep(Duration::from_millis(1));
                continue;
            }
            super::workload::Workload::Executions.cause(10)?;
            done += 10;
        }
        Ok(())
    })?;
    let rate = f64::from(done) / start.elapsed().as_secs_f64();
    println!(
        "\nthe agent as a whole: {idle:.2} % of a CPU with nothing to hear, {busy:.2} % at {rate:.0} executions a second"
    );
    Ok(())
}
