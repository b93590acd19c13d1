use std::process::Command;

use hark_kernel::{Counters, Data, Feature, Kernel, Options};
use rustix::process::{Pid, Signal, kill_process};

use crate::listener::{Listener, options, pid, wait_until};

const STORM: usize = 50_000;

/// Sends a process signals that change nothing.
fn storm() -> u32 {
    let mut child = Command::new("sleep").arg("100").spawn().expect("sleep");
    for _ in 0..STORM {
        kill_process(Pid::from_child(&child), Signal::CONT).expect("kill");
    }
    child.kill().expect("kill");
    child.wait().expect("end");
    child.id()
}

/// Waits until all that was emitted is accounted for: other processes go on meanwhile.
fn settled(kernel: &Kernel) -> Counters {
    wait_until("emitted = received + dropped", || {
        let counters = kernel.counters();
        (counters.emitted == counters.received + counters.dropped).then_some(counters)
    })
}

#[test]
fn nothing_is_lost_in_a_storm() {
    let Some(listener) = Listener::start(&[Feature::Signal]) else {
        return;
    };
    let id = storm();
    let counters = settled(&listener.kernel);
    assert_eq!(
        (counters.dropped, counters.refused, counters.malformed),
        (0, 0, 0),
        "{counters:?}"
    );
    assert!(counters.emitted > STORM as u64);
    let told = listener.all(|event| match &event.data {
        Data::Signal(signal) if pid(event) == Some(id) && signal.signal == 18 => Some(()),
        _ => None,
    });
    assert_eq!(told.len(), STORM);
}

#[test]
fn what_a_small_ring_drops_is_counted() {
    let small = Options {
        ring_bytes: 4096,
        poll_interval: std::time::Duration::from_millis(200),
        ..options(&[Feature::Signal])
    };
    let Some(listener) = Listener::with(&small) else {
        return;
    };
    let id = storm();
    let counters = settled(&listener.kernel);
    assert!(counters.dropped > 0, "{counters:?}");
    let told = listener.all(|event| match &event.data {
        Data::Signal(_) if pid(event) == Some(id) => Some(()),
        _ => None,
    });
    assert!(told.len() < STORM);
    assert!(told.len() as u64 + counters.dropped >= STORM as u64);
}

#[test]
fn what_the_sink_leaves_is_counted() {
    if !crate::listener::privileged() {
        return;
    }
    // Takes one of each batch.
    let kernel = Kernel::start(&options(&[Feature::Signal]), |batch| {
        batch.pop();
    })
    .expect("start");
    storm();
    let counters = settled(&kernel);
    assert_eq!(counters.dropped, 0);
    assert!(
        counters.refused > 0 && counters.refused < counters.received,
        "{counters:?}"
    );
}
