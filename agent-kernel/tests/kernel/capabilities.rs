use std::process::Command;

use hark_kernel::{Data, Feature, Kernel};
use rustix::thread::{CapabilitySet, CapabilitySets, capabilities, set_capabilities};

use crate::listener::{options, pid, privileged, wait_until};

fn drop_all_capabilities() {
    let nothing = CapabilitySets {
        effective: CapabilitySet::empty(),
        permitted: CapabilitySet::empty(),
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, nothing).expect("capset");
}

#[test]
fn what_is_loaded_works_on_when_capabilities_are_dropped() {
    if !privileged() {
        return;
    }
    // Capabilities are of threads: this test's thread, and the one that calls the sink.
    std::thread::spawn(|| {
        let (to_test, events) = std::sync::mpsc::channel();
        let mut first = true;
        let kernel = Kernel::start(&options(Feature::ALL), move |batch| {
            if std::mem::take(&mut first) {
                drop_all_capabilities();
            }
            for event in batch.drain(..) {
                let _ = to_test.send(event);
            }
        })
        .expect("start");
        drop_all_capabilities();
        let left = capabilities(None).expect("capget");
        assert!(left.effective.is_empty() && left.permitted.is_empty());
        for _ in 0..2 {
            let mut child = Command::new("/bin/true").spawn().expect("true");
            child.wait().expect("end");
            wait_until("its end", || {
                events
                    .try_iter()
                    .any(|e| matches!(e.data, Data::Exit(_)) && pid(&e) == Some(child.id()))
                    .then_some(())
            });
        }
        assert!(kernel.counters().emitted > 0);
        assert!(kernel.latency().runqueue.expect("a histogram").count > 0);
        let features = kernel.features();
        assert!(
            features
                .iter()
                .any(|f| f.name == "process" && f.programs.len() >= 3)
        );
    })
    .join()
    .expect("all works on");
}
