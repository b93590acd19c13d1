//! What a host may deny to an agent.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use aya::programs::loaded_programs;
use hark_kernel::{Kernel, Options};
use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::hearing::until;

/// Another instance runs already.
pub(crate) const BESIDE: &str = "--beside";
/// Another instance ran and was killed before.
const KILLED: &str = "--killed";
/// This is the instance that is to be killed.
pub(crate) const HOLD: &str = "--hold";
/// No locked memory, which is what BPF maps are charged to before Linux 5.11, and no right to more.
const MEMLOCK: &str = "--memlock";
/// Root, but only with the capabilities that `hark-agent doctor` asks for.
const CAPABILITIES: &str = "--capabilities";
/// An ordinary user.
const USER: &str = "--user";

/// The user id that is nobody's, and the group id.
const NOBODY: u32 = 65_534;

/// Causes a fault for this process, from here on.
pub(crate) fn cause(fault: &str) -> Result<(), String> {
    match fault {
        MEMLOCK => {
            let none = Rlimit {
                current: Some(0),
                maximum: Some(0),
            };
            setrlimit(Resource::Memlock, none).map_err(|error| format!("setrlimit: {error}"))?;
            keep(CapabilitySet::all() - CapabilitySet::SYS_RESOURCE)
        }
        KILLED => start_and_kill(),
        CAPABILITIES => {
            // As `LimitMEMLOCK=infinity` in a unit.
            let unlimited = Rlimit {
                current: None,
                maximum: None,
            };
            setrlimit(Resource::Memlock, unlimited)
                .map_err(|error| format!("setrlimit: {error}"))?;
            keep(
                CapabilitySet::BPF
                    | CapabilitySet::PERFMON
                    | CapabilitySet::DAC_READ_SEARCH
                    | CapabilitySet::SYS_PTRACE,
            )
        }
        USER if rustix::process::getuid().is_root() => {
            let args = std::env::args_os().skip(1);
            let error = Command::new("/bin/guest")
                .args(args)
                .uid(NOBODY)
                .gid(NOBODY)
                .exec();
            Err(format!("/bin/guest as another user: {error}"))
        }
        // The first is the caller's; the second is this user already.
        BESIDE | USER => Ok(()),
        _ => Err(format!("no such fault: {fault}")),
    }
}

/// Whether the fault takes rights away that this program needs to cause some of the checks.
pub(crate) fn takes_rights(fault: &str) -> bool {
    matches!(fault, MEMLOCK | CAPABILITIES | USER)
}

/// Starts an instance, kills it as nothing can prevent, and waits until its programs have gone.
fn start_and_kill() -> Result<(), String> {
    let programs = || loaded_programs().count();
    let before = programs();
    let mut child = Command::new("/bin/guest")
        .arg(HOLD)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("another instance: {error}"))?;
    let mut line = String::new();
    let said = child.stdout.take().map(BufReader::new);
    let ready = said.is_some_and(|mut said| said.read_line(&mut line).is_ok_and(|n| n > 0));
    let during = programs();
    let _ = child.kill();
    let _ = child.wait();
    if !ready || during <= before {
        return Err("the instance that was to be killed loaded no programs".to_owned());
    }
    // Fewer, where the kernel was still about to free those of an earlier one.
    until(|| (programs() <= before).then_some(()))
        .ok_or_else(|| "the programs of the killed instance are still loaded".to_owned())
}

/// Listens until it is killed.
pub(crate) fn hold(options: &Options) -> Result<(), String> {
    let _kernel = Kernel::start(options, Vec::clear).map_err(|error| error.to_string())?;
    println!("ready");
    loop {
        std::thread::park();
    }
}

/// Gives up all capabilities but these.
fn keep(wanted: CapabilitySet) -> Result<(), String> {
    let has = rustix::thread::capabilities(None).map_err(|error| format!("capget: {error}"))?;
    let left = has.permitted & wanted;
    let sets = CapabilitySets {
        effective: left,
        permitted: left,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(|error| format!("capset: {error}"))
}
