//! A real agent for tests: the binary that `HARK_AGENT_BIN` names, or the one beside the console in
//! the target directory. Where there is none, tests say so and pass: `cargo test --workspace`
//! builds both.
#![allow(dead_code, reason = "not every test file needs all of it")]

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

pub(crate) const HARK: &str = env!("CARGO_BIN_EXE_hark");
/// How long anything may take before the test gives up.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// An agent of our own, with its own directory and socket.
pub(crate) struct Agent {
    process: Child,
    pub(crate) dir: tempfile::TempDir,
    /// Its port on loopback, where it has one.
    pub(crate) port: Option<u16>,
}

impl Agent {
    /// One on a socket alone; none where there is no binary.
    pub(crate) fn start() -> Option<Self> {
        Self::start_as(None, true)
    }

    /// One on a port of loopback too, that hears the kernel or does not.
    pub(crate) fn start_on_a_port(hears_kernel: bool) -> Option<Self> {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("its address").port();
        drop(free);
        Self::start_as(Some(port), hears_kernel)
    }

    fn start_as(port: Option<u16>, hears_kernel: bool) -> Option<Self> {
        let binary = Self::binary();
        if !binary.exists() {
            eprintln!("skipped: there is no agent at {}", binary.display());
            return None;
        }
        let dir = tempfile::tempdir().expect("a directory");
        let listen = port.map_or(String::new(), |port| format!("\"127.0.0.1:{port}\""));
        let text = format!(
            "data_dir = \"{0}/data\"\n\
             [api]\nsocket = \"{0}/agent.sock\"\nlisten = [{listen}]\n\
             [kernel]\nenabled = {hears_kernel}\n",
            dir.path().display()
        );
        std::fs::write(dir.path().join("agent.toml"), text).expect("a file is written");
        let process = Self::spawn(dir.path());
        let agent = Self { process, dir, port };
        agent.wait();
        Some(agent)
    }

    fn binary() -> PathBuf {
        let beside = Path::new(HARK).with_file_name("hark-agent");
        std::env::var_os("HARK_AGENT_BIN").map_or(beside, PathBuf::from)
    }

    fn spawn(dir: &Path) -> Child {
        let log = std::fs::File::create(dir.join("agent.log")).expect("a file");
        Command::new(Self::binary())
            .arg("--config")
            .arg(dir.join("agent.toml"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("the agent starts")
    }

    /// Starts it again after [`Self::stop`], on what it stored.
    pub(crate) fn restart(&mut self) {
        self.process = Self::spawn(self.dir.path());
        self.wait();
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("agent.sock")
    }

    /// A file with a token that may read.
    pub(crate) fn token(&self) -> PathBuf {
        let made = Command::new(Self::binary())
            .arg("--config")
            .arg(self.dir.path().join("agent.toml"))
            .args(["token", "add", "--name", "console", "--scope", "read"])
            .output()
            .expect("the agent makes tokens");
        assert!(made.status.success(), "{made:?}");
        let path = self.dir.path().join("token");
        std::fs::write(&path, made.stdout).expect("a file is written");
        path
    }

    fn wait(&self) {
        let until = Instant::now() + DEADLINE;
        while !self.hark(&["status", "--json"]).status.success() {
            let log = std::fs::read_to_string(self.dir.path().join("agent.log"));
            assert!(Instant::now() < until, "no agent: {log:?}");
            sleep(Duration::from_millis(100));
        }
    }

    /// Whether one of its kernel features is on.
    pub(crate) fn has(&self, feature: &str) -> bool {
        let status = self.hark(&["status", "--json"]).stdout;
        let status: serde_json::Value = serde_json::from_slice(&status).expect("JSON");
        let features = status["features"].as_array().expect("a list");
        let mut features = features.iter();
        features.any(|f| f["name"] == feature && f["state"]["is"] == "on")
    }

    pub(crate) fn hark(&self, args: &[&str]) -> std::process::Output {
        Command::new(HARK)
            .arg("--socket")
            .arg(self.socket())
            .args(args)
            .output()
            .expect("hark runs")
    }

    /// Kills it, as a crash would.
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

/// Has a program crash again and again, as one that a supervisor restarts does.
pub(crate) fn crash_loop() {
    for _ in 0..4 {
        let status = Command::new("sh").args(["-c", "kill -SEGV $$"]).status();
        status.expect("sh runs");
    }
}
