//! A made-up host: its vital signs, its agent's state, and several of them.

use hark_api::{
    EventId, Feature, FeatureState, Health, IngestStatus, ProgramCost, SelfUse, SourceStatus,
    Status, StoreStatus, Vitals, vitals,
};

use super::{NOON, incidents};
use crate::console::state::hosts::{Hosts, Told};

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
                name: "syscall_error".to_owned(),
                ..on(
                    "syscall_error",
                    "system calls that fail, by command, call and error",
                    "tp_btf sys_exit",
                )
            },
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
