//! A disk that refuses: the kernel answers the agent's own calls with errors.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use crate::harness::{Agent, Place, wait_for};
use crate::load::Load;

/// Lets calls of a running agent fail, until it is dropped.
struct Injection(Child);

impl Injection {
    /// `None`, with a reason on standard error, where this machine cannot do that.
    fn start(agent: &Agent, inject: &str) -> Option<Self> {
        let strace = Command::new("strace")
            .args(["-f", "-e", &format!("inject={inject}")])
            .args(["-e", "trace=fsync,fdatasync,pwrite64", "-p"])
            .arg(agent.pid().to_string())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn();
        let mut strace = match strace {
            Ok(strace) => strace,
            Err(error) => {
                eprintln!("needs strace ({error}): not tested");
                return None;
            }
        };
        let mut lines = BufReader::new(strace.stderr.take().expect("piped")).lines();
        let first = lines.next().and_then(Result::ok).unwrap_or_default();
        if !first.contains("attached") {
            eprintln!("strace cannot attach ({first}): not tested");
            let _ = strace.wait();
            return None;
        }
        // It must not wait for a reader of what it tells.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Some(Self(strace))
    }
}

impl Drop for Injection {
    fn drop(&mut self) {
        // On this signal it lets go of the agent, which goes on.
        let pid = rustix::process::Pid::from_child(&self.0);
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        let _ = self.0.wait();
    }
}

fn health(agent: &Agent) -> String {
    agent.get("/status").json()["health"].to_string()
}

#[test]
fn errors_of_the_disk_are_told_and_recovered_from_and_lose_nothing() {
    let place = Place::new();
    let agent = place.start();
    let load = Load::default();
    std::thread::scope(|scope| {
        let _end = load.stop_at_end();
        load.start(scope, &agent.socket, 2, 2);
        for (inject, error) in [
            ("fsync,fdatasync:error=EIO", "Input/output error"),
            ("fsync,fdatasync:error=ENOSPC", "No space left"),
            ("pwrite64:error=EIO", "Input/output error"),
            ("pwrite64:error=ENOSPC", "No space left"),
        ] {
            let Some(injection) = Injection::start(&agent, inject) else {
                return;
            };
            let refused = load.refused();
            wait_for("requests to be refused", || {
                (load.refused() > refused + 3).then_some(())
            });
            wait_for("that to be told", || {
                let health = health(&agent);
                (health.contains("failing") && health.contains(error)).then_some(())
            });
            agent.get("/readyz").problem(503, "not-ready");
            assert_eq!(
                agent.get("/events").status,
                200,
                "what is there can be read"
            );
            drop(injection);
            let before = load.acknowledged();
            wait_for("the store to work again", || {
                (load.acknowledged() > before + 50).then_some(())
            });
            wait_for("that to be told", || {
                (agent.get("/readyz").status == 200).then_some(())
            });
            assert!(!health(&agent).contains("failing"));
        }
        // Now and then one call of a thread fails, also of those that bring it into order again.
        for inject in [
            "fsync,fdatasync:error=EIO:when=5+5",
            "fsync,fdatasync:error=EIO:when=3+41",
            "pwrite64:error=ENOSPC:when=7+211",
        ] {
            let Some(_injection) = Injection::start(&agent, inject) else {
                return;
            };
            let (refused, before) = (load.refused(), load.acknowledged());
            wait_for("some to be refused and some not", || {
                (load.refused() > refused + 3 && load.acknowledged() > before + 100).then_some(())
            });
        }
    });
    println!("{}", load.verify(&agent));
    // And the same is on the disk.
    agent.kill();
    let agent = place.start();
    load.verify(&agent);
}
