//! Live streams.

use crate::harness::{Frames, Place, Request};

fn lines(range: std::ops::Range<usize>, padding: usize) -> String {
    let padding = "x".repeat(padding);
    range
        .map(|i| format!("{{\"message\":\"event {i} {padding}\"}}\n"))
        .collect()
}

#[test]
fn a_stream_gives_what_passes_its_filter_as_it_is_stored() {
    let place = Place::new();
    let agent = place.start();
    let request = Request::new("GET", "/events/stream?q=level:error");
    let mut frames = Frames::open(&request, agent.unix());
    agent.post("/log", r#"{"message":"a"}"#);
    let id = agent
        .post("/log", r#"{"message":"b","level":"error"}"#)
        .json()["id"]
        .as_u64();
    let frame = frames.next().expect("an event");
    assert_eq!(frame.event, "event");
    assert_eq!(frame.id, id);
    assert_eq!(frame.data["message"], "b");
}

#[test]
fn a_reader_that_comes_back_has_lost_nothing() {
    let place = Place::new();
    let agent = place.start();
    let send = |range: std::ops::Range<usize>| {
        let sent = Request::new("POST", "/logs")
            .lines(lines(range, 0))
            .send(agent.unix());
        assert_eq!(sent.status, 200);
    };
    send(0..700);
    let first = agent.events("source:log")[0]["id"].as_u64().expect("an id");
    let request = Request::new("GET", "/events/stream?q=source:log")
        .header("Last-Event-ID", &first.to_string());
    let mut frames = Frames::open(&request, agent.unix());
    // More comes in while the stream reads what it missed.
    send(700..1500);
    let mut last = first;
    for i in 1..1500 {
        let frame = frames.next().expect("an event");
        assert_eq!(frame.event, "event");
        assert_eq!(frame.data["message"], format!("event {i} "));
        assert!(frame.id > Some(last));
        last = frame.id.expect("an id");
    }
}

#[test]
fn a_slow_reader_learns_how_many_events_it_missed() {
    let place = Place::new();
    let agent = place.start_with(&["--set", "api.stream_events=100"]);
    let request = Request::new("GET", "/events/stream?q=source:log");
    let mut frames = Frames::open(&request, agent.unix());
    // More than the buffers of the socket hold.
    let total = 20_000;
    for start in (0..total).step_by(2000) {
        let body = lines(start..start + 2000, 500);
        assert_eq!(
            Request::new("POST", "/logs")
                .lines(body)
                .send(agent.unix())
                .status,
            200
        );
    }
    let (mut events, mut missed) = (0, 0);
    while events + missed < total as u64 {
        let frame = frames.next().expect("it goes on");
        match frame.event.as_str() {
            "event" => events += 1,
            "missed" => missed += frame.data["missed"].as_u64().expect("a number"),
            other => panic!("{other}"),
        }
    }
    assert_eq!(events + missed, total as u64);
    assert!(missed > 0);
}

#[test]
fn vitals_come_once_a_second() {
    let place = Place::new();
    let agent = place.start();
    let mut frames = Frames::open(&Request::new("GET", "/vitals/stream"), agent.unix());
    let first = frames.next().expect("a reading");
    let second = frames.next().expect("another");
    assert_eq!(first.event, "vitals");
    assert!(first.data["memory"]["total"].as_u64() > Some(0));
    assert!(second.data["uptime"].as_f64() > first.data["uptime"].as_f64());
}

#[test]
fn streams_end_when_the_agent_does() {
    let place = Place::new();
    let agent = place.start();
    let mut events = Frames::open(
        &Request::new("GET", "/events/stream?q=kind:exec"),
        agent.unix(),
    );
    let mut vitals = Frames::open(&Request::new("GET", "/vitals/stream"), agent.unix());
    agent.signal(rustix::process::Signal::TERM);
    assert!(events.next().is_none());
    while vitals.next().is_some() {}
    assert!(agent.wait().success());
}

#[test]
fn only_so_many_streams_are_open() {
    let place = Place::new();
    let agent = place.start_with(&["--set", "api.max_streams=1"]);
    let request = Request::new("GET", "/events/stream");
    let _first = Frames::open(&request, agent.unix());
    let refused = request.send(agent.unix());
    refused.problem(503, "busy");
}
