//! What an engine makes of a host's day: facts, levels, new lines, bursts, silences, metrics.

use hark_api::{
    Event, EventId, Fields, Kind, Level, Process, ReasonCode, SeriesKey, Source, Tier, Timestamp,
    Verdict,
};
use hark_detect::{Change, Config, Engine};

const SECOND: i64 = 1_000_000_000;

fn at(secs: f64) -> Timestamp {
    Timestamp::from_secs_f64(1_750_000_000.0 + secs)
}

fn event(secs: f64, source: Source, kind: Kind, message: &str) -> Event {
    Event {
        id: EventId((secs * 10.0) as u64 + 1),
        time: at(secs),
        received: at(secs),
        source,
        kind,
        level: Level::Info,
        message: message.to_owned(),
        template: None,
        service: None,
        host: None,
        process: None,
        fields: Fields::new(),
        trace: None,
        verdict: Verdict::default(),
    }
}

fn log(secs: f64, service: &str, level: Level, message: &str) -> Event {
    Event {
        service: Some(service.to_owned()),
        level,
        ..event(secs, Source::Log, Kind::Log, message)
    }
}

fn process(pid: u32, comm: &str) -> Box<Process> {
    Box::new(Process {
        pid,
        ppid: Some(1),
        comm: comm.to_owned(),
        ..Process::default()
    })
}

/// An hour of a quiet service: three kinds of lines at uneven intervals.
fn quiet_hour(engine: &mut Engine) {
    for i in 0..3600_u32 {
        let t = f64::from(i);
        let noise = i.wrapping_mul(2_654_435_761) >> 20;
        if noise % 3 == 0 {
            engine.event(&mut log(
                t,
                "web",
                Level::Info,
                &format!("GET /item took {noise} ms"),
            ));
        }
        if noise % 50 == 7 {
            let line = format!("flushed cache of {noise} entries");
            engine.event(&mut log(t, "web", Level::Info, &line));
        }
        engine.tick(at(t));
    }
}

#[test]
fn an_oom_kill_is_critical_at_once_and_names_its_victim() {
    let mut engine = Engine::new(Config::default());
    let mut kill = event(
        1.0,
        Source::Kernel,
        Kind::OomKill,
        "postgres was OOM-killed",
    );
    kill.process = Some(process(42, "postgres"));
    let finding = engine.event(&mut kill).expect("a finding");
    assert_eq!(kill.verdict.tier, Tier::Critical);
    assert_eq!(kill.verdict.reasons[0].code, ReasonCode::Fact);
    assert_eq!(finding.event, Some(kill.id));
    let changes = engine.take_changes();
    let [Change::Opened(incident)] = &changes[..] else {
        panic!("one incident: {changes:?}")
    };
    assert_eq!(incident.suspects[0].name, "postgres");
    assert_eq!(incident.title, "postgres was OOM-killed");
}

#[test]
fn a_process_is_more_suspect_than_the_group_that_it_shares() {
    let mut engine = Engine::new(Config::default());
    let within = |pid, comm: &str| {
        let mut process = process(pid, comm);
        process.cgroup = Some("/shop".to_owned());
        process
    };
    for i in 0..12 {
        let name = format!("worker-{i}");
        let mut crash = event(
            f64::from(i),
            Source::Kernel,
            Kind::OomKill,
            &format!("{name} was OOM-killed"),
        );
        crash.process = Some(within(100 + i, &name));
        engine.event(&mut crash);
    }
    let changes = engine.take_changes();
    let incident = changes.last().expect("an incident").incident();
    assert_eq!(incident.findings, 12);
    assert_eq!(incident.suspects[0].kind, "process", "{incident:?}");
}

#[test]
fn what_follows_a_kill_joins_its_incident_and_it_ends() {
    let mut engine = Engine::new(Config::default());
    let mut kill = event(
        1.0,
        Source::Kernel,
        Kind::OomKill,
        "postgres was OOM-killed",
    );
    kill.process = Some(process(42, "postgres"));
    engine.event(&mut kill);
    engine.event(&mut log(
        5.0,
        "postgres",
        Level::Error,
        "the database is starting up",
    ));
    engine.event(&mut log(5.0, "web", Level::Info, "all is well"));
    engine.tick(at(1000.0));
    let changes = engine.take_changes();
    let Some(Change::Closed(incident)) = changes.last() else {
        panic!("closed: {changes:?}")
    };
    assert_eq!(
        incident.title,
        "postgres was OOM-killed; with 1 unusual log line"
    );
    assert_eq!(incident.findings, 2);
    assert_eq!(incident.end, Some(at(5.0)));
    assert_eq!(engine.incidents().count(), 0);
}

#[test]
fn the_level_informs_the_tier_while_nothing_is_learned() {
    let mut engine = Engine::new(Config::default());
    for (level, tier, text) in [
        (Level::Info, Tier::Normal, "listening"),
        (Level::Warning, Tier::Normal, "disk nearly full"),
        (Level::Error, Tier::Notice, "upstream timed out twice"),
        (
            Level::Critical,
            Tier::Warning,
            "no replica is left to read from",
        ),
        (Level::Fatal, Tier::High, "giving up"),
    ] {
        let mut line = log(1.0, "web", level, text);
        engine.event(&mut line);
        assert_eq!(line.verdict.tier, tier, "{level}");
        assert!(line.template.is_some());
        assert!(
            line.verdict
                .reasons
                .iter()
                .any(|r| r.code == ReasonCode::Learning)
        );
    }
}

#[test]
fn an_error_that_is_sent_every_minute_is_no_news() {
    let mut engine = Engine::new(Config::default());
    let mut last = Tier::Critical;
    for i in 0..200 {
        let mut line = log(
            f64::from(i) * 60.0,
            "web",
            Level::Error,
            "upstream timed out",
        );
        engine.event(&mut line);
        last = line.verdict.tier;
    }
    assert_eq!(last, Tier::Normal);
}

#[test]
fn a_new_error_after_a_quiet_hour_is_a_warning() {
    let mut engine = Engine::new(Config::default());
    quiet_hour(&mut engine);
    assert!(
        engine.take_changes().is_empty(),
        "a quiet hour has no incident"
    );
    let mut line = log(
        3601.0,
        "web",
        Level::Error,
        "cannot open index: file is damaged",
    );
    engine.event(&mut line);
    assert_eq!(line.verdict.tier, Tier::Warning, "{:?}", line.verdict);
    assert!(
        line.verdict
            .reasons
            .iter()
            .any(|r| r.code == ReasonCode::New)
    );
}

#[test]
fn a_burst_of_known_lines_is_found() {
    let mut engine = Engine::new(Config::default());
    quiet_hour(&mut engine);
    let mut worst = Tier::Normal;
    for i in 0..400 {
        let t = 3601.0 + f64::from(i) * 0.01;
        let mut line = log(t, "web", Level::Info, "flushed cache of 9 entries");
        engine.event(&mut line);
        worst = worst.max(line.verdict.tier);
    }
    assert!(worst >= Tier::High, "{worst}");
}

#[test]
fn a_job_that_stops_is_missed_within_two_beats() {
    let mut engine = Engine::new(Config::default());
    for i in 0..3600 {
        if i % 60 == 0 {
            engine.event(&mut log(f64::from(i), "cron", Level::Info, "backup done"));
        }
        assert!(engine.tick(at(f64::from(i))).is_empty(), "second {i}");
    }
    let (when, finding) = (3600..3800)
        .find_map(|i| Some((i, engine.tick(at(f64::from(i))).pop()?)))
        .expect("missed");
    assert!(when <= 3540 + 120, "found at {when}");
    assert_eq!(finding.verdict.reasons[0].code, ReasonCode::Silence);
    assert_eq!(finding.subject.service.as_deref(), Some("cron"));
    assert!(finding.verdict.tier >= Tier::Warning);
}

#[test]
fn a_failing_disk_is_a_fact() {
    let mut engine = Engine::new(Config::default());
    let mut error = event(1.0, Source::Kernel, Kind::BlockError, "sda failed to read");
    error.fields.set("device", "sda");
    let finding = engine.event(&mut error).expect("a finding");
    assert_eq!(error.verdict.tier, Tier::Critical);
    assert_eq!(finding.subject.device.as_deref(), Some("sda"));
}

#[test]
fn a_crash_loop_is_a_fact() {
    let mut engine = Engine::new(Config::default());
    let mut tiers = Vec::new();
    for i in 0..3 {
        let mut exit = event(f64::from(i) * 2.0, Source::Kernel, Kind::Exit, "api ended");
        exit.process = Some(process(100 + i, "api"));
        exit.fields.set("signal", 11);
        engine.event(&mut exit);
        tiers.push(exit.verdict.tier);
    }
    assert_eq!(tiers, [Tier::Normal, Tier::Normal, Tier::Critical]);
}

#[test]
fn a_parent_that_never_started_this_child_is_new_once_learned() {
    let mut engine = Engine::new(Config::default());
    let exec = |t: f64, parent: &str, child: &str| {
        let mut e = event(t, Source::Kernel, Kind::Exec, "exec");
        e.process = Some(process(7, child));
        e.fields.set("parent_comm", parent);
        e
    };
    for i in 0..5 * 1440 {
        engine.event(&mut exec(f64::from(i) * 60.0, "cron", "backup"));
    }
    let mut odd = exec(5.0 * 86_400.0, "nginx", "sh");
    engine.event(&mut odd);
    assert!(odd.verdict.tier >= Tier::Notice, "{:?}", odd.verdict);
    assert!(
        odd.verdict.reasons[0]
            .text
            .contains("nginx never started sh")
    );
}

#[test]
fn a_metric_that_jumps_is_found_and_a_checkpoint_continues() {
    let key = SeriesKey::new("node_load1");
    let other = SeriesKey::with_labels("node_disk_io_now", &[("device", "sda")]);
    let mut engine = Engine::new(Config::default());
    let noise = |i: i64| {
        (
            (i * 7919 % 1009) as f64 / 1009.0,
            (i * 104_729 % 997) as f64 / 997.0,
        )
    };
    let sample = |i: i64| {
        let (a, b) = noise(i);
        [(key.clone(), 1.0 + 0.1 * a), (other.clone(), 3.0 + b)]
    };
    let time = |i: i64| Timestamp::from_nanos(1_750_000_000 * SECOND + i * SECOND);
    for i in 0..7000 {
        engine.samples(time(i), &sample(i));
    }
    engine.take_changes();
    let bytes = engine.checkpoint().expect("serialises");
    let mut twin = Engine::restore(&Config::default(), &bytes).expect("reads back");
    for i in 7000..7100 {
        assert_eq!(
            engine.samples(time(i), &sample(i)),
            twin.samples(time(i), &sample(i))
        );
    }
    let mut jump = sample(7100);
    jump[1].1 = 90.0;
    let found = engine.samples(time(7100), &jump);
    let message = |f: &hark_detect::Finding| f.message.starts_with("node_disk_io_now");
    let finding = found
        .iter()
        .find(|f| message(f))
        .expect("the series itself");
    assert!(finding.verdict.tier >= Tier::Warning, "{finding:?}");
    assert_eq!(finding.subject.device.as_deref(), Some("sda"));
    assert!(finding.message.contains("is 90"), "{}", finding.message);
    assert_eq!(found, twin.samples(time(7100), &jump));
}

/// Feeds so many seconds of metrics with a little noise; `change` alters what it likes.
fn metrics(
    engine: &mut Engine,
    seconds: std::ops::Range<u32>,
    keys: &[SeriesKey],
    change: impl Fn(u32, usize) -> f64,
) {
    for i in seconds {
        let noise = |k: usize| {
            let mut mixed = u64::from(i).wrapping_mul(31).wrapping_add(k as u64 + 1);
            mixed = mixed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            mixed = (mixed ^ (mixed >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
            (mixed >> 40) as f64 / (1_u64 << 24) as f64
        };
        let samples: Vec<(SeriesKey, f64)> = keys
            .iter()
            .enumerate()
            .map(|(k, key)| (key.clone(), 10.0 + noise(k) + change(i, k)))
            .collect();
        engine.samples(at(f64::from(i)), &samples);
        engine.tick(at(f64::from(i)));
    }
}

#[test]
fn a_kill_that_follows_a_metric_leads_the_incident() {
    let mut engine = Engine::new(Config::default());
    let keys = ["node_memory_PageTables_bytes", "node_load1"].map(SeriesKey::new);
    metrics(&mut engine, 0..7000, &keys, |_, _| 0.0);
    engine.take_changes();
    metrics(&mut engine, 7000..7003, &keys, |_, k| [900.0, 0.0][k]);
    let opened = engine.incidents().next().expect("the metric opened one");
    assert!(opened.title.starts_with("node_memory_PageTables_bytes"));
    let mut kill = event(
        7004.0,
        Source::Kernel,
        Kind::OomKill,
        "postgres was OOM-killed",
    );
    kill.process = Some(process(42, "postgres"));
    engine.event(&mut kill);
    let [incident] = &engine.incidents().collect::<Vec<_>>()[..] else {
        panic!("one incident")
    };
    assert!(
        incident.title.starts_with("postgres was OOM-killed"),
        "{}",
        incident.title
    );
    assert_eq!(incident.tier, Tier::Critical);
    assert_eq!(incident.suspects[0].name, "postgres");
}

#[test]
fn the_group_whose_own_metric_is_unusual_too_is_behind_the_hosts() {
    let mut engine = Engine::new(Config::default());
    let group = |name| SeriesKey::with_labels("hark_cgroup_memory_bytes", &[("cgroup", name)]);
    let keys = [
        SeriesKey::new("node_memory_MemAvailable_bytes"),
        group("/system.slice/web.service"),
        group("/system.slice/cache.service"),
        group("/system.slice"),
    ];
    metrics(&mut engine, 0..7000, &keys, |_, _| 0.0);
    engine.take_changes();
    metrics(&mut engine, 7000..7003, &keys, |_, k| {
        [-500.0, 0.0, 500.0, 500.0][k]
    });
    let incident = engine.incidents().next().expect("an incident");
    assert_eq!(
        incident.suspects[0].name, "/system.slice/cache.service",
        "{incident:?}"
    );
}

#[test]
fn services_that_share_one_group_are_several_things() {
    let mut engine = Engine::new(Config::default());
    let say = |engine: &mut Engine, secs: f64, service: &str, level, text: &str| {
        let mut line = log(secs, service, level, text);
        let mut sender = process(900, "logger");
        sender.cgroup = Some("/all".to_owned());
        line.process = Some(sender);
        engine.event(&mut line);
    };
    for (i, service) in ["web", "mail", "cron"].iter().cycle().take(300).enumerate() {
        say(&mut engine, i as f64, service, Level::Info, "all is well");
    }
    say(&mut engine, 301.0, "web", Level::Fatal, "out of workers");
    say(
        &mut engine,
        303.0,
        "mail",
        Level::Fatal,
        "the queue is lost",
    );
    assert_eq!(engine.incidents().count(), 2);
}

#[test]
fn what_nobody_was_named_for_is_claimed_by_who_is_told_of_next() {
    let mut engine = Engine::new(Config::default());
    engine.event(&mut event(
        0.0,
        Source::Kernel,
        Kind::TcpConnect,
        "connected",
    ));
    for i in 0..1000 {
        let secs = 3600.0 + f64::from(i) / 100.0;
        engine.event(&mut event(
            secs,
            Source::Kernel,
            Kind::TcpReset,
            "reset sent",
        ));
        let mut failed = event(secs, Source::Kernel, Kind::TcpConnect, "refused");
        failed.process = Some(process(700, "client"));
        failed.fields.set("outcome", "failed");
        engine.event(&mut failed);
    }
    let [incident] = &engine.incidents().collect::<Vec<_>>()[..] else {
        panic!("one incident")
    };
    assert_eq!(incident.suspects[0].name, "client");
    assert!(incident.title.contains("client"), "{}", incident.title);
}

#[test]
fn what_a_young_agent_sees_of_metrics_is_no_warning_but_for_a_lost_rhythm() {
    let mut engine = Engine::new(Config::default());
    let keys = ["node_load1", "node_memory_Shmem_bytes"].map(SeriesKey::new);
    let wave = |i: u32, half: u32| f64::from(i / half % 2) * 50.0;
    metrics(&mut engine, 0..1000, &keys, |i, k| [0.0, wave(i, 10)][k]);
    metrics(&mut engine, 1000..1003, &keys, |i, k| {
        [900.0, wave(i, 10)][k]
    });
    assert_eq!(engine.incidents().count(), 0);
    metrics(&mut engine, 1003..1100, &keys, |i, k| [0.0, wave(i, 10)][k]);
    assert_eq!(engine.incidents().count(), 0);
    metrics(&mut engine, 1100..1115, &keys, |i, k| [0.0, wave(i, 4)][k]);
    let incident = engine.incidents().next().expect("an incident");
    assert!(incident.title.contains("no longer follows its period"));
}

#[test]
fn damaged_and_foreign_checkpoints_are_refused() {
    let config = Config::default();
    assert!(Engine::restore(&config, &[]).is_err());
    assert!(Engine::restore(&config, &[99, 1, 2]).is_err());
    let bytes = Engine::new(config.clone())
        .checkpoint()
        .expect("serialises");
    let mut flipped = bytes.clone();
    flipped[bytes.len() / 2] ^= 4;
    assert!(Engine::restore(&config, &flipped).is_err());
    assert!(Engine::restore(&config, &bytes[..bytes.len() / 2]).is_err());
    let other = Config {
        max_series: 7,
        ..config
    };
    assert!(Engine::restore(&other, &bytes).is_err());
}

#[test]
fn a_host_that_was_off_for_days_keeps_what_it_learned() {
    let mut engine = Engine::new(Config::default());
    let key = SeriesKey::new("load");
    let gone = SeriesKey::new("gone");
    for i in 0..600_u32 {
        let value = f64::from(i.wrapping_mul(2_654_435_761) >> 22);
        engine.samples(
            at(f64::from(i)),
            &[(key.clone(), value), (gone.clone(), 1.0)],
        );
    }
    let weekend = 3.0 * 86_400.0;
    engine.tick(at(weekend));
    let known = |engine: &Engine, key| {
        engine
            .bands()
            .any(|(k, bands)| k == key && !bands.is_empty())
    };
    assert!(known(&engine, &key) && known(&engine, &gone));
    // What does not come any more, while others do, is forgotten.
    engine.samples(at(weekend + 1.0), &[(key.clone(), 500.0)]);
    engine.tick(at(weekend + 120.0));
    assert!(known(&engine, &key) && !known(&engine, &gone));
}

#[test]
fn a_storm_that_names_nobody_is_one_incident() {
    let mut engine = Engine::new(Config::default());
    // The kernel's own resets belong to no process: one in five minutes for a day, then a storm.
    let usual = (0..288_u32).map(|i| f64::from(i) * 300.0);
    let storm = (0..2000_u32).map(|i| 86_400.0 + f64::from(i) / 100.0);
    for t in usual.chain(storm) {
        engine.event(&mut event(t, Source::Kernel, Kind::TcpReset, "reset sent"));
    }
    let opened: Vec<String> = engine
        .take_changes()
        .into_iter()
        .filter(|change| matches!(change, Change::Opened(_)))
        .map(|change| change.incident().title.clone())
        .collect();
    assert_eq!(opened.len(), 1, "{opened:?}");
}
