//! Sends a signal to a process of this host.

use std::fs;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

/// Signals that can be sent, the gentlest first, and what they do.
pub(crate) const SIGNALS: [(&str, Signal, &str); 6] = [
    ("SIGTERM", Signal::TERM, "asks it to end"),
    ("SIGINT", Signal::INT, "as Ctrl-C does"),
    ("SIGHUP", Signal::HUP, "many read their settings again"),
    ("SIGSTOP", Signal::STOP, "halts it"),
    ("SIGCONT", Signal::CONT, "lets it go on"),
    (
        "SIGKILL",
        Signal::KILL,
        "ends it at once; it cannot save anything",
    ),
];

/// A process that a signal is meant for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) pid: u32,
    /// Its name, safe to show.
    pub(crate) comm: String,
    /// When it started, in seconds since boot: tells it from another with the same number.
    pub(crate) started: f64,
}

/// Sends it; says why it was not.
pub(crate) fn send(target: &Target, signal: Signal) -> Result<(), String> {
    let gone = || format!("there is no process {} any more", target.pid);
    let pid = i32::try_from(target.pid).ok().and_then(Pid::from_raw);
    let pid = pid.ok_or_else(gone)?;
    let explain = |errno: Errno| match errno {
        Errno::SRCH => gone(),
        Errno::PERM => "not permitted: it is another user's; run hark as root".to_owned(),
        other => other.to_string(),
    };
    // The handle is of one process, so that its number cannot come to mean another in between.
    let handle = pidfd_open(pid, PidfdFlags::empty()).map_err(explain)?;
    let started = started(target.pid).ok_or_else(gone)?;
    if (started - target.started).abs() > 1.0 {
        return Err(format!(
            "process {} here is not the one that the agent sees: they run in different containers, \
             or it ended",
            target.pid
        ));
    }
    pidfd_send_signal(handle, signal).map_err(explain)
}

/// When a process started, in seconds since boot.
fn started(pid: u32) -> Option<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // A name can have spaces and parentheses in it; what follows the last one cannot.
    let (_, fields) = stat.rsplit_once(')')?;
    let ticks: f64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Some(ticks / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt as _;
    use std::process::Command;

    use super::*;

    #[test]
    fn only_the_process_that_was_meant_gets_it() {
        let mut child = Command::new("sleep").arg("600").spawn().expect("runs");
        let mut target = Target {
            pid: child.id(),
            comm: "sleep".into(),
            started: started(child.id()).expect("it runs") + 500.0,
        };
        let refused = send(&target, Signal::TERM).expect_err("another is meant");
        assert!(refused.contains("not the one"), "{refused}");
        assert!(child.try_wait().expect("asked").is_none(), "it got it");
        target.started -= 500.0;
        assert_eq!(send(&target, Signal::TERM), Ok(()));
        let status = child.wait().expect("it ends");
        assert_eq!(status.signal(), Some(Signal::TERM.as_raw()));
        let refused = send(&target, Signal::TERM).expect_err("it is gone");
        assert!(refused.contains("no process"), "{refused}");
    }
}
