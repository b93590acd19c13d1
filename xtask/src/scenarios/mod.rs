//! Causes faults on this host while an agent watches, and sees what it makes of them.
//!
//! The scripts that cause them are in `scenarios/`; `fault.rs` lists them, `watch.rs` asks the
//! agent, `report.rs` prints.

mod fault;
mod report;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::Duration;

use crate::agent::Agent;
use crate::error::Error;
use crate::run;
use fault::{Cause, FAULTS, Fault, Place, Running};
use report::Row;

/// Cause faults on this host, and see whether hark finds them
///
/// Starts an agent of its own with a directory of its own, lets it learn, causes each fault under
/// scenarios/, and prints what the agent made of it. Fails where a fault is missed that must be
/// found. Some faults need root, and the agent the kernel's events.
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Learn for 100 seconds only, take as a warning what comes once in half an hour, and cause only
    /// faults that are found on whatever host: shows that they are found, not how rare they are
    #[arg(long)]
    short: bool,
    /// Only faults of this name; may be repeated
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Minutes to learn before the first fault, 45 by default
    #[arg(long, value_name = "MINUTES", conflicts_with = "short")]
    learn: Option<u64>,
    /// Minutes to watch the quiet host afterwards
    #[arg(long, value_name = "MINUTES", default_value_t = 0)]
    soak: u64,
    /// Build for development: compiles faster, runs slower
    #[arg(long)]
    dev: bool,
    /// Keep the agent's directory, and say where it is
    #[arg(long)]
    keep: bool,
    /// List the faults; cause none
    #[arg(long)]
    list: bool,
}

/// How long things take.
struct Times {
    learn: Duration,
    /// Until then a fault must be found; a beat that stops has longer.
    limit: Duration,
    /// Then it goes on, so that all that it causes is seen.
    further: Duration,
    /// Pause after a fault, so that the next is not taken for its consequence.
    pause: Duration,
    beat: u64,
}

impl Times {
    fn of(args: &Args) -> Self {
        let seconds = Duration::from_secs;
        if args.short {
            Self {
                learn: seconds(100),
                limit: seconds(20),
                further: seconds(1),
                pause: seconds(1),
                beat: 3,
            }
        } else {
            Self {
                learn: seconds(60 * args.learn.unwrap_or(45)),
                limit: seconds(30),
                further: seconds(8),
                pause: seconds(45),
                beat: 60,
            }
        }
    }
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let faults: Vec<&Fault> = FAULTS
        .iter()
        .filter(|f| match args.only.as_slice() {
            [] => f.must || !args.short,
            only => only.iter().any(|name| name == f.name),
        })
        .collect();
    if faults.is_empty() {
        let names: Vec<_> = FAULTS.iter().map(|f| f.name).collect();
        let known = names.join(", ");
        return Err(Error::Check(format!("no such fault; there are {known}")));
    }
    if args.list {
        for fault in faults {
            println!("{:16} {}", fault.name, fault.what);
        }
        return Ok(());
    }
    let programs = build(args.dev)?;
    let dir = tempfile::tempdir().map_err(Error::file(Path::new("a directory")))?;
    let dir = if args.keep {
        let path = dir.keep();
        eprintln!("the agent keeps its things in {}", path.display());
        Directory::Kept(path)
    } else {
        Directory::Temporary(dir)
    };
    let times = Times::of(args);
    let place = Place {
        hark: programs.join("hark"),
        socket: dir.path().join("agent.sock"),
        dir: dir.path().to_owned(),
        beat: times.beat,
    };
    let mut agent = Command::new(programs.join("hark-agent"));
    agent
        .args(["run", "--listen", "127.0.0.1:0"])
        .arg("--data-dir")
        .arg(dir.path().join("data"))
        .arg("--socket")
        .arg(&place.socket);
    if args.short {
        agent.args(["--set", "detect.learn=60s"]);
        // Once in half an hour is then a warning, not once in a week.
        agent.args(["--set", "detect.sensitivity=336"]);
    }
    let agent = Agent::start(agent, &dir.path().join("agent.log"), &place.socket)?;
    let rows = observe(&place, &faults, &times)?;
    println!("{}", report::table(&rows));
    if args.soak > 0 {
        soak(&place, args.soak)?;
    }
    agent.stop()?;
    let wrong = report::wrong(&rows, args.short);
    if wrong.is_empty() {
        Ok(())
    } else {
        Err(Error::Check(wrong.join("\n")))
    }
}

enum Directory {
    Temporary(tempfile::TempDir),
    Kept(PathBuf),
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Temporary(dir) => dir.path(),
            Self::Kept(path) => path,
        }
    }
}

fn build(dev: bool) -> Result<PathBuf, Error> {
    let mut cargo = run::cargo(&["build", "--package", "hark-agent", "--package", "hark"]);
    if !dev {
        cargo.arg("--release");
    }
    run::run(&mut cargo)?;
    let profile = if dev { "debug" } else { "release" };
    Ok(run::target_dir().join(profile))
}

/// Lets the agent learn, and causes one fault after the other.
fn observe(place: &Place, faults: &[&Fault], times: &Times) -> Result<Vec<Row>, Error> {
    let kernel = watch::hears_the_kernel(&place.socket);
    let root = rustix::process::geteuid().is_root();
    let mut prepared: Vec<Option<Running>> = Vec::new();
    for fault in faults {
        let possible = root || fault.cause != Cause::Change;
        let running = if possible {
            place.prepare(fault)?
        } else {
            None
        };
        prepared.push(running);
    }
    eprintln!("learning for {} s", times.learn.as_secs());
    sleep(times.learn);
    let mut rows = Vec::new();
    for (fault, running) in faults.iter().zip(&mut prepared) {
        if fault.kernel && !kernel || fault.cause == Cause::Change && running.is_none() {
            eprintln!("{}: skipped, for want of privileges", fault.name);
            rows.push(Row::skipped(fault));
            continue;
        }
        let limit = match fault.cause {
            Cause::Stop => Duration::from_secs(2 * times.beat + 10),
            // Two of the periods that are lost.
            Cause::Change => times.limit.max(Duration::from_secs(45)),
            Cause::Run | Cause::Also => times.limit,
        };
        let onset = watch::now();
        let caused = place.cause(fault, running)?;
        let outcome = watch::watch(&place.socket, fault, onset, limit, times.further);
        let row = Row::new(fault, outcome);
        eprintln!("{row}");
        drop(caused);
        rows.push(row);
        sleep(times.pause);
    }
    Ok(rows)
}

/// Watches the host on which nothing is caused any more.
fn soak(place: &Place, minutes: u64) -> Result<(), Error> {
    // What is still open belongs to the faults.
    sleep(Duration::from_secs(300));
    let since = watch::now();
    sleep(Duration::from_secs(60 * minutes));
    let opened = watch::opened(&place.socket, since)?;
    println!("{}", report::soak(&opened, minutes));
    Ok(())
}
