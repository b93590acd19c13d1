//! Agents that chores start.

use std::fs::{self, File};
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::error::Error;

/// Until then the agent must be ready: it loads kernel programs and opens its store.
const READY: Duration = Duration::from_secs(60);

/// Until then the agent must have ended: longer than its own time for shutting down.
const STOPPED: Duration = Duration::from_secs(20);

/// What the agent answers to a GET, parsed; none where it does not answer with JSON.
pub(crate) fn get(socket: &Path, path: &str) -> Option<Value> {
    let mut stream = UnixStream::connect(socket).ok()?;
    stream
        .set_read_timeout(Some(Duration::from_secs(10)))
        .ok()?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let body = answer.windows(4).position(|w| w == b"\r\n\r\n")? + 4;
    serde_json::from_slice(answer.get(body..)?).ok()
}

/// Whether an agent answers on the socket that it is ready.
pub(crate) fn is_ready(socket: &Path) -> bool {
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
pub(crate) struct Agent {
    child: Child,
    log: PathBuf,
}

impl Agent {
    /// Starts it and waits until it is ready.
    pub(crate) fn start(mut command: Command, log: &Path, socket: &Path) -> Result<Self, Error> {
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
    pub(crate) fn stop(mut self) -> Result<(), Error> {
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
