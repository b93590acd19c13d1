//! Readings of the very host that the tests run on.

use std::collections::{HashMap, HashSet};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hark_api::MetricType;
use hark_host::{Collector, Options, Reading};

/// A child process that is ended when dropped.
struct Running(Child);

impl Running {
    fn shell(script: &str) -> Self {
        let child = Command::new("sh")
            .args(["-c", script])
            .stderr(Stdio::null())
            .spawn();
        Self(child.expect("sh runs"))
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads until the condition holds, for at most half a minute.
fn read_until(what: &str, mut holds: impl FnMut(&Reading) -> bool) {
    let mut collector = Collector::new(Options {
        max_processes: 10_000,
        ..Options::default()
    });
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let reading = collector.collect().expect("a reading");
        if holds(&reading) {
            return;
        }
        assert!(
            Instant::now() < deadline,
            "never saw {what}; last: {:#?}",
            reading.vitals
        );
        std::thread::sleep(Duration::from_millis(200));
    }
}

#[test]
fn a_spinning_process_is_seen_to_spin() {
    let child = Running::shell("while :; do :; done");
    // A busy host gives it less than a whole CPU.
    read_until("the child at work", |reading| {
        let seen = reading
            .vitals
            .processes
            .iter()
            .find(|p| p.pid == child.pid());
        seen.is_some_and(|p| {
            assert!((p.comm == "sh" || p.comm == "dash") && p.ppid == std::process::id());
            assert!(p.threads == 1 && p.rss > 0 && p.cpu < 1.5, "{p:?}");
            p.cpu > 0.2 && reading.vitals.cpu.busy() > 0.1
        })
    });
}

#[test]
fn a_writing_process_is_seen_to_write() {
    // Not in memory, where nothing is ever written to storage.
    let dir = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let file = dir.path().join("written");
    let child = Running::shell(&format!(
        "while :; do head -c 1000000 /dev/zero > '{}'; sleep 0.05; done",
        file.display()
    ));
    read_until("a child's writes", |reading| {
        reading
            .vitals
            .processes
            .iter()
            .filter(|p| p.ppid == child.pid() || p.pid == child.pid())
            .any(|p| p.write_bytes.is_some_and(|rate| rate > 1000.0))
    });
}

#[test]
fn connections_are_counted() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    read_until("new connections", |reading| {
        drop((TcpStream::connect(address), listener.accept()));
        reading.vitals.tcp.active_opens > 0.0
            && reading.vitals.tcp.passive_opens > 0.0
            && reading
                .vitals
                .interfaces
                .iter()
                .any(|i| i.device == "lo" && i.rx_packets > 0.0)
    });
}

/// A control group of our own, in v2 or in v1's tree of the cpuacct controller.
struct Group(PathBuf);

impl Group {
    /// A group that counts CPU time, where this user may make one.
    fn new(name: &str) -> Option<Self> {
        let name = format!("hark-test-{name}-{}", std::process::id());
        let v2 = |dir: &&Path| dir.join("cgroup.controllers").exists();
        let root = Path::new("/sys/fs/cgroup");
        let unified = root.join("unified");
        let tree = [root, &unified].into_iter().find(v2).map(Path::to_owned);
        let path = tree.unwrap_or_else(|| root.join("cpuacct")).join(name);
        std::fs::create_dir(&path).ok().map(|()| Self(path))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that was just killed may still be on its way out of the group.
        for _ in 0..100 {
            if std::fs::remove_dir(&self.0).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

#[test]
fn a_control_group_is_seen_with_what_it_uses() {
    let Some(group) = Group::new("use") else {
        eprintln!("skipped: this user may make no control groups");
        return;
    };
    let child = Running::shell("while :; do :; done");
    std::fs::write(group.0.join("cgroup.procs"), child.pid().to_string()).expect("joins");
    let name = group
        .0
        .file_name()
        .expect("a name")
        .to_string_lossy()
        .into_owned();
    read_until("the group at work", |reading| {
        let found = reading
            .vitals
            .cgroups
            .iter()
            .find(|g| g.path.ends_with(&name));
        let key = format!(r#"hark_cgroup_cpu_seconds_total{{cgroup="/{name}"}}"#);
        found.is_some_and(|g| g.cpu.is_some_and(|cpu| cpu > 0.1))
            && reading
                .metrics
                .iter()
                .any(|m| m.key.as_str() == key && m.value > 0.0)
    });
    drop(child);
}

#[test]
fn shares_and_rates_hold_together() {
    let mut collector = Collector::new(Options::default());
    let first = collector.collect().expect("a reading");
    assert!(
        first.metrics.iter().all(|m| m.rate.is_none()),
        "rates need two readings"
    );
    // The kernel counts CPU time in hundredths of a second.
    let deadline = Instant::now() + Duration::from_secs(30);
    let reading = loop {
        std::thread::sleep(Duration::from_millis(100));
        let reading = collector.collect().expect("a reading");
        if reading.vitals.cpu.idle > 0.0 || reading.vitals.cpu.busy() > 0.0 {
            break reading;
        }
        assert!(Instant::now() < deadline);
    };
    let vitals = &reading.vitals;
    let cpu = vitals.cpu;
    assert!(
        (cpu.busy() + cpu.idle + cpu.iowait - 1.0).abs() < 1e-6,
        "{cpu:?}"
    );
    assert!(!vitals.cpus.is_empty() && vitals.uptime > 0.0);
    assert!(vitals.memory.total > vitals.memory.available && vitals.memory.available > 0);
    assert!(vitals.tasks.processes > 0 && vitals.tasks.threads >= vitals.tasks.processes);
    assert!(vitals.tasks.switches > 0.0 && vitals.tasks.running > 0);
    assert!(vitals.processes.len() <= 50 && vitals.processes.is_sorted_by(|a, b| a.cpu >= b.cpu));

    for name in [
        "node_cpu_seconds_total",
        "node_memory_MemAvailable_bytes",
        "node_load1",
        "node_context_switches_total",
        "node_forks_total",
        "node_procs_running",
        "node_vmstat_pgfault",
        "node_network_receive_bytes_total",
        "node_netstat_Tcp_ActiveOpens",
        "hark_host_omitted",
    ] {
        assert!(
            reading.metrics.iter().any(|m| m.key.name() == name),
            "{name} is missing"
        );
    }
}

#[test]
fn metrics_are_fit_for_prometheus() {
    let mut collector = Collector::new(Options::default());
    for _ in 0..2 {
        let reading = collector.collect().expect("a reading");
        let mut keys = HashSet::new();
        let mut families: HashMap<String, (MetricType, &str)> = HashMap::new();
        let mut last = String::new();
        for metric in &reading.metrics {
            assert!(keys.insert(metric.key.clone()), "{} twice", metric.key);
            assert!(
                metric.value.is_finite() && metric.rate.is_none_or(|r| r >= 0.0),
                "{metric:?}"
            );
            let name = metric.key.name().to_owned();
            let valid = |c: char| c.is_ascii_alphanumeric() || c == '_';
            assert!(name.chars().all(valid), "{name}");
            if name != last {
                let family = (metric.kind, metric.help);
                let before = families.insert(name.clone(), family);
                assert!(before.is_none(), "the series of {name} are apart");
            }
            assert_eq!(families[&name], (metric.kind, metric.help));
            last = name;
        }
    }
}

#[test]
fn the_collector_knows_its_own_use() {
    let mut collector = Collector::new(Options::default());
    collector.collect().expect("a reading");
    let usage = collector.self_use();
    assert!(usage.rss > 0 && usage.threads > 0 && usage.open_fds > 0);
}

#[test]
fn the_dashboard_asks_for_what_there_is() {
    let dashboard = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../deploy/grafana-dashboard.json"
    );
    let dashboard = std::fs::read_to_string(dashboard).expect("the dashboard");
    // In the first version each controller has a tree of its own: that of the CPU may be without
    // groups while that of memory has some.
    let group = Group::new("dashboard");
    let reading = Collector::new(Options::default())
        .collect()
        .expect("a reading");
    let told: HashSet<&str> = reading.metrics.iter().map(|m| m.key.name()).collect();
    // `node_disk` of `node_disk_read_bytes_total`: a host may lack a whole subject, such as disks.
    let subject = |name: &str| name.split('_').take(2).collect::<Vec<_>>().join("_");
    let subjects: HashSet<String> = told.iter().map(|name| subject(name)).collect();
    let asked: HashSet<&str> = dashboard
        .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("node_") || word.starts_with("hark_"))
        .collect();
    assert!(asked.len() > 20, "{asked:?}");
    for name in asked {
        // Only groups that have a limit are throttled or not.
        let optional = name.starts_with("hark_cgroup_throttled")
            || group.is_none() && name.starts_with("hark_cgroup_");
        let lacking = optional || !subjects.contains(&subject(name));
        assert!(lacking || told.contains(name), "{name} is in no reading");
    }
}
