//! Builds everything, starts the agent on this host, and opens the console on it.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, geteuid, kill_process};

use crate::error::Error;
use crate::run;

/// Where the agent listens as root, and where `hark` looks for it.
const SYSTEM_SOCKET: &str = "/run/hark/agent.sock";

/// Until then the agent must be ready: it loads kernel programs and opens its store.
const READY: Duration = Duration::from_secs(60);

/// Until then the agent must have ended: longer than its own time for shutting down.
const STOPPED: Duration = Duration::from_secs(20);

/// Build, start the agent on this host, and open the console on it
///
/// An agent that runs already is used as it is. One that was started here keeps its data in
/// target/up/, logs to target/up/agent.log, and ends with the console. Without root the agent runs
/// with what is left, and says what is off.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Build for development: compiles faster, runs slower
    #[arg(long)]
    dev: bool,
    /// Start the agent in the foreground, without the console
    #[arg(long)]
    agent_only: bool,
    /// Further arguments of `hark-agent run`
    #[arg(last = true)]
    further: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let mut cargo = run::cargo(&["build", "--package", "hark-agent", "--package", "hark"]);
    if !args.dev {
        cargo.arg("--release");
    }
    run::run(&mut cargo)?;
    let target = target_dir();
    let programs = target.join(if args.dev { "debug" } else { "release" });
    let state = target.join("up");
    create_dir(&state)?;
    let socket = socket()?;

    let mut agent = Command::new(programs.join("hark-agent"));
    agent
        .arg("run")
        .args(&args.further)
        .env("HARK_DATA_DIR", state.join("data"))
        .env("HARK_API_SOCKET", &socket);
    let is_running = is_ready(&socket);
    if args.agent_only {
        if is_running {
            return Err(Error::Check(format!(
                "an agent listens on {} already",
                socket.display()
            )));
        }
        return run::run(&mut agent);
    }
    let started = if is_running {
        eprintln!("using the agent that listens on {}", socket.display());
        None
    } else {
        Some(Agent::start(agent, &state.join("agent.log"), &socket)?)
    };
    let console = Command::new(programs.join("hark"))
        .env("HARK_SOCKET", &socket)
        .status();
    let console = console.map_err(|source| Error::Start {
        program: "hark".to_owned(),
        source,
    })?;
    if let Some(agent) = started {
        agent.stop()?;
    }
    if console.success() {
        Ok(())
    } else {
        Err(Error::Failed {
            command: "hark".to_owned(),
            status: console,
        })
    }
}

/// Where cargo builds to.
fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| run::root().join("target"), PathBuf::from)
}

fn create_dir(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(Error::file(dir))
}

/// The socket to use: what the environment says, the system's for root, else one of the user.
fn socket() -> Result<PathBuf, Error> {
    if let Some(socket) = std::env::var_os("HARK_SOCKET") {
        return Ok(socket.into());
    }
    if geteuid().is_root() {
        return Ok(SYSTEM_SOCKET.into());
    }
    // Not below target/: the path of a socket has at most 107 bytes.
    let dir = std::env::var_os("XDG_RUNTIME_DIR").map_or_else(
        || PathBuf::from(format!("/tmp/hark-{}", geteuid().as_raw())),
        |dir| PathBuf::from(dir).join("hark"),
    );
    create_dir(&dir)?;
    Ok(dir.join("agent.sock"))
}

/// Whether an agent answers on the socket that it is ready.
fn is_ready(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream
            .write_all(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
        let mut head = [0; 12];
        stream.read_exact(&mut head)?;
        Ok(head.ends_with(b" 200"))
    };
    ask().unwrap_or(false)
}

/// An agent that was started here. It is stopped when dropped, whatever went wrong.
struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts it and waits until it is ready.
    fn start(mut command: Command, log: &Path, socket: &Path) -> Result<Self, Error> {
        let file = File::create(log).map_err(Error::file(log))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(file)
            .spawn()
            .map_err(|source| Error::Start {
                program: "hark-agent".to_owned(),
                source,
            })?;
        let mut agent = Self {
            child,
            log: log.to_owned(),
        };
        let deadline = Instant::now() + READY;
        while !is_ready(socket) {
            let ended = agent.child.try_wait().ok().flatten();
            if let Some(status) = ended {
                return Err(agent.failed(&format!("the agent ended with {status}")));
            }
            if Instant::now() > deadline {
                return Err(agent.failed("the agent did not get ready"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(agent)
    }

    /// An error that shows the end of the agent's log.
    fn failed(&self, what: &str) -> Error {
        let log = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let last = lines[lines.len().saturating_sub(15)..].join("\n  ");
        Error::Check(format!(
            "{what}; the end of {}:\n  {last}",
            self.log.display()
        ))
    }

    /// Asks it to end, and waits until it has: what it took in is on disk then.
    fn stop(mut self) -> Result<(), Error> {
        if self.end() {
            return Ok(());
        }
        Err(self.failed("the agent did not end when asked, and was killed"))
    }

    /// Whether it ended when asked to.
    fn end(&mut self) -> bool {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOPPED;
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        false
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            self.end();
        }
    }
}
