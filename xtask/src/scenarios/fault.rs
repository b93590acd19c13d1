//! The faults: scripts under `scenarios/`, and what must come of each.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::error::Error;
use crate::run;

/// A fault that is caused for real.
pub(super) struct Fault {
    /// Its script's name.
    pub(super) name: &'static str,
    /// What happens.
    pub(super) what: &'static str,
    /// How it is caused.
    pub(super) cause: Cause,
    /// Whose names are right for the culprit, and right in a control group's name.
    pub(super) culprits: &'static [&'static str],
    /// The kind of the event with which it ends by itself: it is watched until then.
    pub(super) ends: Option<&'static str>,
    /// Whether it needs the kernel's events.
    pub(super) kernel: bool,
    /// Whether the short form, on whatever machine, must find it.
    pub(super) must: bool,
}

/// How a fault is caused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cause {
    /// Its script runs.
    Run,
    /// Its script with the argument `usual` has run all the time; now it runs without.
    Also,
    /// Its script has run all the time, and now ends.
    Stop,
    /// Its script has run all the time, and now gets a signal that tells it to do otherwise.
    Change,
}

/// All, those that shake the host most last.
pub(super) const FAULTS: [Fault; 10] = [
    Fault {
        name: "new-error",
        what: "an error line never seen",
        cause: Cause::Also,
        culprits: &["mill"],
        ends: None,
        kernel: false,
        must: true,
    },
    Fault {
        name: "log-burst",
        what: "a log burst",
        cause: Cause::Also,
        culprits: &["shop"],
        ends: None,
        kernel: false,
        must: true,
    },
    Fault {
        name: "stopped-beat",
        what: "a regular job that stops",
        cause: Cause::Stop,
        culprits: &["beat"],
        ends: None,
        kernel: false,
        must: true,
    },
    Fault {
        name: "changed-rhythm",
        what: "a metric's rhythm that changes",
        cause: Cause::Change,
        culprits: &["changed-rhythm"],
        ends: None,
        kernel: false,
        must: false,
    },
    Fault {
        name: "refused-connect",
        what: "refused connections",
        cause: Cause::Run,
        culprits: &["refused-connect"],
        ends: None,
        kernel: true,
        must: true,
    },
    Fault {
        name: "crash-loop",
        what: "a crash loop",
        cause: Cause::Run,
        culprits: &["crash-loop"],
        ends: None,
        kernel: true,
        must: true,
    },
    Fault {
        name: "fork-storm",
        what: "a fork storm",
        cause: Cause::Run,
        culprits: &["fork-storm"],
        ends: None,
        kernel: true,
        must: true,
    },
    Fault {
        name: "memory-leak",
        what: "a memory leak into an OOM kill",
        cause: Cause::Run,
        culprits: &["memory-leak"],
        ends: Some("oom_kill"),
        kernel: true,
        must: true,
    },
    Fault {
        name: "disk-hog",
        what: "a disk hog",
        cause: Cause::Run,
        culprits: &["disk-hog", "dd"],
        ends: None,
        kernel: false,
        must: false,
    },
    Fault {
        name: "cpu-hog",
        what: "a CPU hog",
        cause: Cause::Run,
        culprits: &["cpu-hog"],
        ends: None,
        kernel: false,
        must: false,
    },
];

/// Where scripts run.
pub(super) struct Place {
    /// The client's program.
    pub(super) hark: PathBuf,
    /// The agent's socket.
    pub(super) socket: PathBuf,
    /// A directory of this run.
    pub(super) dir: PathBuf,
    /// Seconds between two beats of the job that stops.
    pub(super) beat: u64,
}

impl Place {
    /// Starts a fault's script, in a process group of its own.
    pub(super) fn start(&self, fault: &Fault, arguments: &[&str]) -> Result<Running, Error> {
        let script = scripts().join(fault.name);
        let said = self.dir.join(format!("{}.log", fault.name));
        let said = File::create(&said).map_err(Error::file(&said))?;
        let child = Command::new(&script)
            .args(arguments)
            .env("HARK", &self.hark)
            .env("HARK_SOCKET", &self.socket)
            .env("HARK_BEAT", self.beat.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .process_group(0)
            .spawn()
            .map_err(|source| Error::Start {
                program: script.display().to_string(),
                source,
            })?;
        Ok(Running { child })
    }

    /// Starts what must have run all the time before.
    pub(super) fn prepare(&self, fault: &Fault) -> Result<Option<Running>, Error> {
        match fault.cause {
            Cause::Run => Ok(None),
            Cause::Also => self.start(fault, &["usual"]).map(Some),
            Cause::Stop | Cause::Change => self.start(fault, &[]).map(Some),
        }
    }

    /// Causes it; gives what runs for it now.
    pub(super) fn cause(
        &self,
        fault: &Fault,
        prepared: &mut Option<Running>,
    ) -> Result<Option<Running>, Error> {
        match fault.cause {
            Cause::Run | Cause::Also => self.start(fault, &[]).map(Some),
            Cause::Stop => {
                prepared.take();
                Ok(None)
            }
            Cause::Change => {
                let running = prepared.take();
                if let Some(pid) = running.as_ref().and_then(Running::pid) {
                    // To the script alone: what it started would die of it.
                    let _ = kill_process(pid, Signal::USR1);
                }
                Ok(running)
            }
        }
    }
}

impl Fault {
    /// Whether a suspect of this name is the right one: a process, a service, its unit or its
    /// control group.
    pub(super) fn is_culprit(&self, name: &str) -> bool {
        let name = name.strip_prefix("/hark.slice/").unwrap_or(name);
        let name = name.strip_suffix(".service").unwrap_or(name);
        self.culprits.contains(&name)
    }
}

fn scripts() -> PathBuf {
    run::root().join("scenarios")
}

/// A script that runs; its whole process group ends when it is dropped.
pub(super) struct Running {
    child: Child,
}

impl Running {
    fn pid(&self) -> Option<Pid> {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw)
    }

    fn signal(&self, signal: Signal) {
        if let Some(pid) = self.pid() {
            let _ = kill_process_group(pid, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Time to clean up, and then the end of all that is left.
        self.signal(Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(3);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.signal(Signal::KILL);
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fault_has_a_script_whose_name_the_kernel_keeps_whole() {
        for fault in &FAULTS {
            assert!(scripts().join(fault.name).exists(), "{}", fault.name);
            assert!(fault.name.len() <= 15, "{}", fault.name);
        }
    }
}
