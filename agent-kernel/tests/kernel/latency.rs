use std::io::Write as _;

use hark_kernel::{Feature, Histogram};

use crate::listener::{Listener, wait_until};

fn assert_sound(histogram: &Histogram) {
    let buckets = &histogram.buckets;
    assert!(
        buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1),
        "{buckets:?}"
    );
    assert_eq!(buckets.last(), Some(&(f64::INFINITY, histogram.count)));
    assert!(histogram.sum > 0.0 && histogram.sum.is_finite());
}

#[test]
fn writes_to_a_disk_are_counted() {
    let Some(listener) = Listener::start(&[Feature::BlockLatency]) else {
        return;
    };
    let mut file = tempfile::tempfile_in(env!("CARGO_TARGET_TMPDIR")).expect("file");
    let found = wait_until("a write", || {
        file.write_all(&[7; 8192]).expect("write");
        file.sync_all().expect("sync");
        let tables = listener.kernel.latency();
        assert_eq!(tables.runqueue, None);
        tables
            .block
            .into_iter()
            .find(|block| block.operation == "write")
    });
    assert_sound(&found.histogram);
    let device = std::path::Path::new("/sys/class/block").join(&found.device);
    assert!(device.exists(), "{}", found.device);
}

#[test]
fn waits_for_a_cpu_are_counted() {
    let Some(listener) = Listener::start(&[Feature::RunqueueLatency]) else {
        return;
    };
    let before = listener
        .kernel
        .latency()
        .runqueue
        .expect("a histogram")
        .count;
    let after = wait_until("a wait", || {
        std::thread::yield_now();
        listener
            .kernel
            .latency()
            .runqueue
            .filter(|h| h.count > before + 10)
    });
    assert_sound(&after);
    assert!(listener.kernel.latency().block.is_empty());
}
