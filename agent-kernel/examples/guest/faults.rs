//! What a host may deny to an agent.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Resource, Rlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

/// Another instance runs already.
pub(crate) const BESIDE: &str = "--beside";
/// No locked memory, which is what BPF maps are charged to before Linux 5.11, and no right to more.
const MEMLOCK: &str = "--memlock";
/// Root, but only with `CAP_BPF`, `CAP_PERFMON` and `CAP_SYS_PTRACE`.
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
        CAPABILITIES => {
            // As `LimitMEMLOCK=infinity` in a unit.
            let unlimited = Rlimit {
                current: None,
                maximum: None,
            };
            setrlimit(Resource::Memlock, unlimited)
                .map_err(|error| format!("setrlimit: {error}"))?;
            keep(CapabilitySet::BPF | CapabilitySet::PERFMON | CapabilitySet::SYS_PTRACE)
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
