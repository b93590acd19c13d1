//! Listening begins again while processes come and go by the hundred.

use std::process::{Child, Command};

use hark_kernel::{Data, Feature};

use crate::listener::{Listener, pid, privileged, wait_until};

/// A shell that executes programs until it is dropped. A process of its own: the ends of its
/// children are not ours to hear of, and signals interrupt the kernel's check of programs.
struct Storm(Child);

impl Storm {
    fn new() -> Self {
        let mut shell = Command::new("sh");
        shell.args(["-c", "while :; do /bin/true; done"]);
        Self(shell.spawn().expect("sh"))
    }
}

impl Drop for Storm {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn what_ran_before_a_restart_under_load_is_known_and_no_news() {
    if !privileged() {
        return;
    }
    let storms = [Storm::new(), Storm::new()];
    let by: Vec<u32> = storms.iter().map(|storm| storm.0.id()).collect();
    let mut old: Vec<Child> = (0..10)
        .map(|_| Command::new("sleep").arg("600").spawn().expect("sleep"))
        .collect();
    let ids: Vec<u32> = old.iter().map(Child::id).collect();
    for _ in 0..3 {
        let listener = Listener::start(&[Feature::Process, Feature::Signal]).expect("as root");
        wait_until("the storm to be heard", || {
            let executed = listener.all(|event| {
                let is_true = matches!(&event.data, Data::Exec(exec) if exec.path == "/bin/true");
                is_true.then(|| event.process.as_ref()?.ppid).flatten()
            });
            let heard = executed.iter().filter(|ppid| by.contains(ppid));
            (heard.count() > 100).then_some(())
        });
        // Its end is told with what was learned as listening began.
        let mut child = old.pop().expect("one is left");
        child.kill().expect("kill");
        child.wait().expect("end");
        let (event, ()) = listener.wait("its end", |event| {
            (matches!(event.data, Data::Exit(_)) && pid(event) == Some(child.id())).then_some(())
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
    for mut child in old {
        child.kill().expect("kill");
        child.wait().expect("end");
    }
}
