//! What an engine makes of what the kernel tells: storms, crash loops, facts, and who is who.

use hark_api::{Event, EventId, Fields, Kind, Level, Process, Source, Tier, Timestamp, Verdict};
use hark_detect::{Change, Config, Engine};

fn event(secs: f64, kind: Kind, pid: u32, comm: &str) -> Event {
    let time = Timestamp::from_secs_f64(1_750_000_000.0 + secs);
    Event {
        id: EventId((secs * 1000.0) as u64 + 1),
        time,
        received: time,
        source: Source::Kernel,
        kind,
        level: Level::Info,
        message: format!("{comm} {kind}"),
        template: None,
        service: None,
        host: None,
        process: Some(Box::new(Process {
            pid,
            ppid: Some(500),
            comm: comm.to_owned(),
            ..Process::default()
        })),
        fields: Fields::new(),
        trace: None,
        verdict: Verdict::default(),
    }
}

fn exit(secs: f64, pid: u32, comm: &str, code: u64) -> Event {
    let mut event = event(secs, Kind::Exit, pid, comm);
    event.fields.set("code", code);
    event
}

fn exec(secs: f64, pid: u32, comm: &str, arguments: &[&str]) -> Event {
    let mut event = event(secs, Kind::Exec, pid, comm);
    let arguments: Vec<String> = arguments.iter().map(|&a| a.to_owned()).collect();
    event.fields.set("arguments", arguments);
    event.fields.set("parent_comm", "init");
    event
}

/// Judges them, and gives the highest tier.
fn worst(engine: &mut Engine, events: impl IntoIterator<Item = Event>) -> Tier {
    let judge = |mut event: Event| {
        engine.event(&mut event);
        event.verdict.tier
    };
    events.into_iter().map(judge).max().unwrap_or(Tier::Normal)
}

/// Two hours in which a handful of programs run a few times a minute.
fn usual(engine: &mut Engine) {
    for i in 0..2400_u32 {
        let secs = f64::from(i) * 3.0;
        let name = ["cron", "sh", "sed", "logger"][(i.wrapping_mul(2_654_435_761) >> 30) as usize];
        for _ in 0..=i % 3 {
            worst(engine, [event(secs, Kind::Fork, 7, name)]);
        }
        worst(engine, [exec(secs, 1000 + i, name, &[name])]);
    }
    engine.take_changes();
}

#[test]
fn a_fork_storm_names_the_program_and_a_new_program_that_starts_a_few_is_no_news() {
    let mut engine = Engine::new(Config::default());
    usual(&mut engine);
    let few = (0..6).map(|i| event(7200.0 + f64::from(i), Kind::Fork, 70, "installer"));
    let tier = worst(&mut engine, few);
    assert!(tier < Tier::Warning, "{tier}");
    let storm = (0..3000).map(|i| event(7300.0 + f64::from(i) / 1000.0, Kind::Fork, 71, "bomb"));
    assert!(worst(&mut engine, storm) >= Tier::High);
    let changes = engine.take_changes();
    let incident = changes.last().expect("an incident").incident();
    assert_eq!(incident.suspects[0].name, "bomb", "{}", incident.title);
}

#[test]
fn many_starts_are_laid_to_who_starts_them() {
    let mut engine = Engine::new(Config::default());
    usual(&mut engine);
    let starts = (0..500).map(|i| {
        let mut start = exec(7300.0 + f64::from(i) / 50.0, 5000 + i, "sleep", &["sleep"]);
        start.fields.set("parent_comm", "poller");
        start
    });
    worst(&mut engine, starts);
    let incident = engine.incidents().next().expect("an incident");
    assert_eq!(incident.suspects[0].name, "poller", "{}", incident.title);
}

#[test]
fn what_was_withheld_counts() {
    let mut engine = Engine::new(Config::default());
    usual(&mut engine);
    let mut withheld = event(7200.0, Kind::Withheld, 71, "bomb");
    withheld.fields.set("of", "fork");
    withheld.fields.set("count", 50_000);
    assert!(worst(&mut engine, [withheld]) >= Tier::High);
}

#[test]
fn a_damaged_file_system_and_a_hung_task_are_facts() {
    let mut engine = Engine::new(Config::default());
    for kind in [Kind::FsError, Kind::HungTask] {
        let mut event = event(1.0, kind, 7, "postgres");
        event.fields.set("device", "sda1");
        assert_eq!(worst(&mut engine, [event]), Tier::Critical, "{kind}");
    }
}

#[test]
fn commands_that_fail_one_after_the_other_are_no_crash_loop() {
    let mut engine = Engine::new(Config::default());
    for (i, test) in ["unit", "api", "store", "console"].iter().enumerate() {
        let (secs, pid) = (i as f64 * 10.0, 100 + i as u32);
        // Started by the first process of a container, as by a supervisor.
        let mut start = exec(secs, pid, "bash", &["bash", "-c", test]);
        let mut end = exit(secs + 1.0, pid, "bash", 101);
        for event in [&mut start, &mut end] {
            event.process.as_mut().expect("one").ppid = Some(1);
        }
        assert_eq!(worst(&mut engine, [start, end]), Tier::Normal, "{test}");
    }
}

#[test]
fn a_command_that_init_starts_again_after_each_failure_is_a_crash_loop() {
    let mut engine = Engine::new(Config::default());
    let mut last = Tier::Normal;
    for i in 0..3 {
        let mut start = exec(f64::from(i), 100 + i, "api", &["api", "--port", "80"]);
        let mut end = exit(f64::from(i) + 0.5, 100 + i, "api", 101);
        for event in [&mut start, &mut end] {
            event.process.as_mut().expect("one").ppid = Some(1);
        }
        last = worst(&mut engine, [start, end]);
    }
    assert_eq!(last, Tier::Critical);
}

#[test]
fn commands_that_fail_within_a_service_are_no_crash_loop() {
    let mut engine = Engine::new(Config::default());
    for i in 0..5 {
        let mut start = exec(f64::from(i), 100 + i, "grep", &["grep", "-q", "ready"]);
        let mut end = exit(f64::from(i) + 0.1, 100 + i, "grep", 1);
        // A part of the script itself, which was not started as a program.
        let mut part = exit(f64::from(i) + 0.2, 200 + i, "poller", 1);
        for event in [&mut start, &mut end, &mut part] {
            event.process.as_mut().expect("one").unit = Some("poller.service".to_owned());
        }
        assert_eq!(worst(&mut engine, [start, end, part]), Tier::Normal);
    }
}

#[test]
fn an_orphan_that_fails_has_no_supervisor() {
    let mut engine = Engine::new(Config::default());
    for i in 0..5 {
        let start = exec(f64::from(i), 100 + i, "job", &["job"]);
        let mut end = exit(f64::from(i) + 0.5, 100 + i, "job", 1);
        // Its parent ended before it.
        end.process.as_mut().expect("one").ppid = Some(1);
        assert_eq!(worst(&mut engine, [start, end]), Tier::Normal);
    }
}

/// An OOM kill in a control group.
fn kill(secs: f64, comm: &str, cgroup: &str) -> Event {
    let mut kill = event(secs, Kind::OomKill, secs as u32, comm);
    kill.process.as_mut().expect("one").cgroup = Some(cgroup.to_owned());
    kill
}

fn incidents(engine: &mut Engine) -> usize {
    let changes = engine.take_changes();
    let opened = changes.iter().filter(|c| matches!(c, Change::Opened(_)));
    opened.count()
}

#[test]
fn a_control_group_joins_what_is_close_in_time() {
    let mut engine = Engine::new(Config::default());
    let pod = "/kubepods/burstable/pod7";
    worst(
        &mut engine,
        [kill(1.0, "java", pod), kill(10.0, "sidecar", pod)],
    );
    assert_eq!(incidents(&mut engine), 1);
    worst(&mut engine, [kill(70.0, "shell", pod)]);
    assert_eq!(incidents(&mut engine), 1, "a minute later it is another");
}

#[test]
fn shells_that_one_parent_starts_belong_together_and_others_do_not() {
    let mut engine = Engine::new(Config::default());
    for i in 0..8 {
        let mut end = event(f64::from(i), Kind::Exit, 100 + i, "bash");
        end.fields.set("signal", 11);
        worst(&mut engine, [end]);
    }
    assert_eq!(incidents(&mut engine), 1);
    let mut other = kill(9.0, "bash", "/");
    other.process.as_mut().expect("one").ppid = Some(700);
    worst(&mut engine, [other]);
    assert_eq!(incidents(&mut engine), 1, "another one's shell is another");
}

#[test]
fn a_login_or_a_crowd_joins_nothing() {
    let login = "/user.slice/user-0.slice/session-3.scope";
    let crowd = "/docker/4f1c";
    for group in [login, crowd] {
        let mut engine = Engine::new(Config::default());
        for (i, name) in ["a", "b", "c", "d", "e", "f", "g", "h"].iter().enumerate() {
            let mut start = exec(0.1 * i as f64, 50 + i as u32, name, &[name]);
            start.process.as_mut().expect("one").cgroup = Some(crowd.to_owned());
            worst(&mut engine, [start]);
        }
        worst(
            &mut engine,
            [kill(1.0, "java", group), kill(2.0, "perl", group)],
        );
        assert_eq!(incidents(&mut engine), 2, "{group}");
    }
}
