//! The servers under test: started, watched, stopped.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::usage;
use crate::bench::load;
use crate::run as command;

/// A server under test. Dropping it ends it.
pub(crate) struct Server {
    pub(super) name: &'static str,
    pub(super) child: Child,
    pub(super) address: SocketAddr,
    pub(super) data: PathBuf,
    /// Whether the data go with the server.
    pub(super) scratch: bool,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.end("-TERM");
        if self.scratch {
            let _ = fs::remove_dir_all(&self.data);
        }
    }
}

impl Server {
    /// Sends a signal and waits for the end; after ten seconds, kills.
    pub(crate) fn end(&mut self, signal: &str) -> Result<(), String> {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return Ok(());
        }
        let _ = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline && matches!(self.child.try_wait(), Ok(None)) {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        self.child.wait().map(|_| ()).map_err(|e| e.to_string())
    }

    /// CPU seconds that the server and its children used so far.
    pub(super) fn cpu(&self) -> f64 {
        usage::process_tree(self.child.id())
            .into_iter()
            .map(usage::cpu_of)
            .sum()
    }

    /// Largest resident set so far, in bytes, children added up.
    pub(super) fn peak_rss(&self) -> u64 {
        usage::process_tree(self.child.id())
            .into_iter()
            .map(usage::peak_rss_of)
            .sum()
    }

    /// Bytes on disk below the data directory.
    pub(super) fn disk(&self) -> u64 {
        usage::disk_below(&self.data)
    }
}

pub(crate) fn build_agent(root: &Path) -> Result<PathBuf, String> {
    command::run(&mut command::cargo(&[
        "build",
        "--release",
        "--package",
        "hark-agent",
    ]))
    .map_err(|e| e.to_string())?;
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or(root.join("target"), PathBuf::from);
    Ok(target.join("release/hark-agent"))
}

/// Starts the agent on an empty data directory and waits until it listens.
pub(super) fn start_agent(binary: &Path) -> Result<Server, String> {
    let mut server = spawn_agent(binary, scratch("agent")?, free_address()?)?;
    server.scratch = true;
    ready(server, Some("/readyz"))
}

/// Starts the agent on a data directory that stays; does not wait.
pub(crate) fn spawn_agent(
    binary: &Path,
    data: PathBuf,
    address: SocketAddr,
) -> Result<Server, String> {
    let child = Command::new(binary)
        .arg("run")
        .arg("--data-dir")
        .arg(&data)
        .arg("--socket")
        .arg(data.join("agent.sock"))
        .args(["--listen", &address.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("{}: {e}", binary.display()))?;
    Ok(Server {
        name: "hark",
        child,
        address,
        data,
        scratch: false,
    })
}

/// Waits until a server listens and, where `path` is given, answers a GET of it: a socket may
/// be bound long before anybody serves it, and what waits in between is no matter of the load.
pub(crate) fn ready(mut server: Server, path: Option<&str>) -> Result<Server, String> {
    let deadline = Instant::now() + Duration::from_secs(30);
    while Instant::now() < deadline {
        let answers = match path {
            Some(path) => load::get(server.address, path).is_ok_and(|(status, _)| status < 500),
            None => TcpStream::connect(server.address).is_ok(),
        };
        if answers {
            return Ok(server);
        }
        if let Ok(Some(status)) = server.child.try_wait() {
            return Err(format!("{} ended at once: {status}", server.name));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Err(format!("{} does not answer", server.name))
}

pub(crate) fn scratch(name: &str) -> Result<PathBuf, String> {
    let path = std::env::temp_dir().join(format!("hark-bench-{name}-{}", std::process::id()));
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    Ok(path)
}

pub(crate) fn free_address() -> Result<SocketAddr, String> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .and_then(|l| l.local_addr())
        .map_err(|e| e.to_string())
}
