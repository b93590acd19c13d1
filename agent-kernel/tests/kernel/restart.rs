//! Listening begins again while processes come and go by the hundred.

use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use hark_kernel::{Data, Feature};

use crate::listener::{Listener, pid, privileged, wait_until};

/// Ends the storm, also where the test fails: else it would go on, and the test with it.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Relaxed);
    }
}

/// Executes programs until it is told to stop.
fn storm(stop: &AtomicBool) {
    while !stop.load(Relaxed) {
        let mut child = Command::new("/bin/true").spawn().expect("true");
        child.wait().expect("end");
    }
}

#[test]
fn what_ran_before_a_restart_under_load_is_known_and_no_news() {
    if !privileged() {
        return;
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let end = End(&stop);
        let storms: Vec<_> = (0..2).map(|_| scope.spawn(|| storm(&stop))).collect();
        let mut old: Vec<Child> = (0..10)
            .map(|_| Command::new("sleep").arg("600").spawn().expect("sleep"))
            .collect();
        let ids: Vec<u32> = old.iter().map(Child::id).collect();
        for _ in 0..3 {
            let listener = Listener::start(&[Feature::Process, Feature::Signal]).expect("as root");
            wait_until("the storm to be heard", || {
                let executed = listener.all(|event| {
                    let is_true =
                        matches!(&event.data, Data::Exec(exec) if exec.path == "/bin/true");
                    is_true.then(|| event.process.as_ref()?.ppid).flatten()
                });
                (executed
                    .iter()
                    .filter(|ppid| **ppid == std::process::id())
                    .count()
                    > 100)
                    .then_some(())
            });
            // Its end is told with what was learned as listening began.
            let mut child = old.pop().expect("one is left");
            child.kill().expect("kill");
            child.wait().expect("end");
            let (event, ()) = listener.wait("its end", |event| {
                (matches!(event.data, Data::Exit(_)) && pid(event) == Some(child.id()))
                    .then_some(())
            });
            let process = event.process.expect("a process");
            assert_eq!(
                (&*process.comm, process.ppid),
                ("sleep", Some(std::process::id()))
            );
            let sleep = std::fs::canonicalize("/bin/sleep").expect("sleep");
            assert_eq!(process.exe.as_deref(), sleep.to_str());
            // What ran before was not told as new.
            let news = listener.all(|event| match event.data {
                Data::Exec(_) => pid(event).filter(|pid| ids.contains(pid)),
                Data::Fork(fork) => ids.contains(&fork.child).then_some(fork.child),
                _ => None,
            });
            assert!(news.is_empty(), "{news:?}");
            let counters = listener.kernel.counters();
            assert_eq!((counters.dropped, counters.malformed), (0, 0));
            let known = listener.kernel.processes();
            for child in &old {
                let process = known.get(child.id()).expect("it runs");
                assert_eq!(process.ppid, Some(std::process::id()));
                assert_eq!(process.exe.as_deref(), sleep.to_str());
            }
        }
        drop(end);
        for mut child in old {
            child.kill().expect("kill");
            child.wait().expect("end");
        }
        for storm in storms {
            storm.join().expect("the storm");
        }
    });
}
