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

/// What an agent answers on its socket: status and body.
fn ask(socket: &Path, path: &str) -> std::io::Result<(u16, Vec<u8>)> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let no_http = || std::io::Error::other("the answer is no HTTP");
    let text = String::from_utf8_lossy(answer.get(..12).unwrap_or_default());
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok());
    let head = answer.windows(4).position(|w| w == b"\r\n\r\n");
    let (status, head) = status.zip(head).ok_or_else(no_http)?;
    Ok((status, answer.split_off(head + 4)))
}

/// Asks an agent for JSON. An answer other than 200 is an error with what it says.
pub(crate) fn get(socket: &Path, path: &str) -> Result<Value, Error> {
    let failed = |why: String| Error::Check(format!("GET {path}: {why}"));
    let (status, body) = ask(socket, path).map_err(|error| failed(error.to_string()))?;
    if status != 200 {
        let said = String::from_utf8_lossy(&body);
        return Err(failed(format!("{status}: {said}")));
    }
    serde_json::from_slice(&body).map_err(|error| failed(error.to_string()))
}

/// Whether an agent answers on the socket that it is ready.
pub(crate) fn is_ready(socket: &Path) -> bool {
    ask(socket, "/readyz").is_ok_and(|(status, _)| status == 200)
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
