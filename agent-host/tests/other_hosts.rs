//! Readings of hosts that are not as they should be, as trees of files.

use std::fs;
use std::path::Path;
use std::time::Duration;

use hark_host::{Collector, Error, Options};

const STAT: &str = "cpu  10 0 10 70 10 0 0 0 0 0\ncpu0 10 0 10 70 10 0 0 0 0 0\nctxt 5\n";

fn options(root: &Path) -> Options {
    Options {
        proc: root.join("proc"),
        sys: root.join("sys"),
        cgroup: root.join("cgroup"),
        filesystem_interval: Duration::ZERO,
        ..Options::default()
    }
}

fn write(root: &Path, path: &str, text: &str) {
    let path = root.join(path);
    fs::create_dir_all(path.parent().expect("a parent")).expect("mkdir");
    fs::write(path, text).expect("write");
}

#[test]
fn a_host_without_proc_is_an_error_that_says_so() {
    let root = tempfile::tempdir().expect("tempdir");
    let error = Collector::new(options(root.path()))
        .collect()
        .expect_err("no /proc");
    assert!(matches!(error, Error::NoProc { .. }));
    assert!(error.to_string().contains("proc/stat"), "{error}");
}

#[test]
fn what_a_host_does_not_tell_is_absent() {
    let root = tempfile::tempdir().expect("tempdir");
    write(root.path(), "proc/stat", STAT);
    let mut collector = Collector::new(options(root.path()));
    let reading = collector.collect().expect("a reading");
    assert_eq!(reading.vitals.cpus.len(), 1);
    assert_eq!(reading.vitals.pressure, None);
    assert!(reading.vitals.disks.is_empty() && reading.vitals.processes.is_empty());
    let missing = [
        "node_memory",
        "node_disk",
        "node_network",
        "node_pressure",
        "hark_cgroup",
    ];
    for metric in &reading.metrics {
        assert!(
            !missing.iter().any(|m| metric.key.name().starts_with(m)),
            "{}",
            metric.key
        );
    }

    // What appears later is read from then on, and what vanishes is gone again.
    write(
        root.path(),
        "proc/pressure/cpu",
        "some avg10=1.00 avg60=0 avg300=0 total=5\n",
    );
    let stat = "77 (svc) R 1 1 1 0 -1 0 0 0 0 0 5 5 0 0 20 0 2 0 100 0 3";
    write(root.path(), "proc/77/stat", stat);
    write(root.path(), "proc/77/status", "Uid:\t5\t5\t5\t5\n");
    let until = std::time::Instant::now() + Duration::from_secs(10);
    let reading = loop {
        let reading = collector.collect().expect("a reading");
        if !reading.vitals.processes.is_empty() {
            break reading;
        }
        assert!(
            std::time::Instant::now() < until,
            "the process never showed"
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(reading.vitals.pressure.is_some());
    let process = &reading.vitals.processes[0];
    assert_eq!(
        (process.pid, process.uid, process.comm.as_str()),
        (77, 5, "svc")
    );
    // Its `io` is not readable: that is unknown, not zero.
    assert_eq!(process.write_bytes, None);

    fs::remove_dir_all(root.path().join("proc/pressure")).expect("rm");
    fs::write(root.path().join("proc/stat"), "").expect("write");
    let reading = collector.collect().expect("an empty reading is a reading");
    assert!(reading.vitals.cpus.is_empty());
}

#[test]
fn a_host_larger_than_the_bounds_is_cut_and_the_cut_is_told() {
    let root = tempfile::tempdir().expect("tempdir");
    let lines =
        |count, line: fn(i32) -> String| (0..count).map(line).collect::<Vec<_>>().join("\n");
    let stat = lines(10, |i| format!("cpu{i} 1 1 1 1 1 1 1 1 1 1"));
    write(root.path(), "proc/stat", &stat);
    let dev = lines(20, |i| {
        format!("veth{i}: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16")
    });
    write(root.path(), "proc/net/dev", &dev);
    write(root.path(), "cgroup/cgroup.controllers", "");
    for group in 0..20 {
        write(root.path(), &format!("cgroup/g{group}/pids.current"), "1\n");
    }
    let bounds = Options {
        max_cpus: 4,
        max_devices: 5,
        max_cgroups: 6,
        ..options(root.path())
    };
    let mut collector = Collector::new(bounds);
    let reading = collector.collect().expect("a reading");
    let vitals = &reading.vitals;
    assert_eq!(
        (
            vitals.cpus.len(),
            vitals.interfaces.len(),
            vitals.cgroups.len()
        ),
        (4, 5, 6)
    );
    for (what, count) in [("cpu", 6.0), ("interface", 15.0), ("cgroup", 14.0)] {
        let key = format!(r#"hark_host_omitted{{what="{what}"}}"#);
        let metric = reading.metrics.iter().find(|m| m.key.as_str() == key);
        assert_eq!(metric.map(|m| m.value), Some(count), "{what}");
    }
}
