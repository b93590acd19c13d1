//! Builds everything, starts the agent on this host, and opens the console on it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::geteuid;

use crate::agent::{Agent, is_ready};
use crate::error::Error;
use crate::run;

/// Where the agent listens as root, and where `hark` looks for it.
const SYSTEM_SOCKET: &str = "/run/hark/agent.sock";

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
    let target = run::target_dir();
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
