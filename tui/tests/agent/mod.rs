//! A real agent for tests: the binary that `HARK_AGENT_BIN` names, or the one beside the console in
//! the target directory. Where there is none, tests say so and pass: `cargo test --workspace`
//! builds both.
#![allow(dead_code, reason = "not every test file needs all of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const HARK: &str = env!("CARGO_BIN_EXE_hark");
/// How long anything may take before the test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// An agent of our own, with its own directory and socket.
pub(crate) struct Agent {
    pub(crate) process: Child,
    pub(crate) dir: tempfile::TempDir,
}

impl Agent {
    /// None where there is no binary.
    pub(crate) fn start() -> Option<Self> {
        let binary = Self::binary();
        if !binary.exists() {
            eprintln!("skipped: there is no agent at {}", binary.display());
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let process = Self::spawn(&binary, dir.path());
        let agent = Self { process, dir };
        agent.wait();
        Some(agent)
    }

    /// The one that `HARK_AGENT_BIN` names, or the one beside the console.
    pub(crate) fn binary() -> PathBuf {
        let beside = Path::new(HARK).with_file_name("hark-agent");
        std::env::var_os("HARK_AGENT_BIN").map_or(beside, PathBuf::from)
    }

    pub(crate) fn spawn(binary: &Path, dir: &Path) -> Child {
        let config = dir.join("agent.toml");
        let text = format!(
            "data_dir = \"{0}/data\"\n[api]\nsocket = \"{0}/agent.sock\"\nlisten = []\n",
            dir.display()
        );
        std::fs::write(&config, text).expect("a file is written");
        let log = std::fs::File::create(dir.join("agent.log")).expect("a file");
        Command::new(binary)
            .args(["--config".as_ref(), config.as_os_str()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts")
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }

    pub(crate) fn wait(&self) {
        let until = Instant::now() + DEADLINE;
        while !self.hark(&["status", "--json"]).status.success() {
            let log = std::fs::read_to_string(self.dir.path().join("agent.log"));
            assert!(Instant::now() < until, "no agent: {log:?}");
            sleep(Duration::from_millis(100));
        }
    }

    pub(crate) fn hark(&self, args: &[&str]) -> std::process::Output {
        Command::new(HARK)
            .arg("--socket")
            .arg(self.socket())
            .args(args)
            .output()
            .expect("hark runs")
    }

    pub(crate) fn stop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stop();
    }
}
