//! Sending events.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::GzEncoder;

use crate::harness::{Agent, Place, Request};

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("in memory");
    encoder.finish().expect("in memory")
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("in memory")
}

#[test]
fn the_first_example_works_without_a_token_on_loopback() {
    let place = Place::new();
    let agent = place.start();
    let body = r#"{"message":"CPU spike detected","level":"warning"}"#;
    let sent = Request::new("POST", "/log").json(body).send(agent.tcp());
    assert_eq!(sent.status, 200, "{}", sent.text());
    let accepted = sent.json();
    assert!(accepted["verdict"]["tier"].is_string());
    let found = agent.get(&format!("/events/{}", accepted["id"])).json();
    assert_eq!(found["message"], "CPU spike detected");
    assert_eq!(found["level"], "warning");
    assert_eq!(found["kind"], "log");
    assert_eq!(found["time"], accepted["time"]);
    assert_eq!(found["verdict"], accepted["verdict"]);
}

#[test]
fn everything_sent_is_found_again() {
    let place = Place::new();
    let agent = place.start();
    let body = r#"{"message":"m","level":"ERR","service":"s","host":"h","user":"ünï","n":1.5,
        "fields":{"deep":{"a":[1,null]}}}"#;
    let sent = Request::new("POST", "/log")
        .json(body)
        .header(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .send(agent.unix());
    let found = agent.get(&format!("/events/{}", sent.json()["id"])).json();
    assert_eq!(found["level"], "error");
    assert_eq!(found["service"], "s");
    assert_eq!(found["host"], "h");
    assert_eq!(
        found["fields"],
        serde_json::json!({"user": "ünï", "n": 1.5, "deep": {"a": [1, null]}})
    );
    assert_eq!(
        found["trace"]["trace_id"],
        "0af7651916cd43dd8448eb211c80319c"
    );
    assert_eq!(found["trace"]["span_id"], "b7ad6b7169203331");
}

fn messages(agent: &Agent) -> Vec<String> {
    agent
        .events("source:log")
        .iter()
        .map(|event| event["message"].as_str().expect("text").to_owned())
        .collect()
}

#[test]
fn a_batch_keeps_its_good_events_and_names_the_bad_ones() {
    let place = Place::new();
    let agent = place.start();
    let lines = "{\"message\":\"1\"}\n\nnonsense\n{\"message\":4}\n{\"message\":\"5\"}\n";
    let sent = Request::new("POST", "/logs")
        .lines(lines)
        .send(agent.unix());
    assert_eq!(sent.status, 200);
    let answer = sent.json();
    assert_eq!(
        (&answer["accepted"], &answer["rejected"]),
        (&2.into(), &2.into())
    );
    assert_eq!(answer["errors"][0]["line"], 3);
    assert_eq!(answer["errors"][1]["line"], 4);
    assert_eq!(answer["errors"][1]["field"], "message");
    assert_eq!(
        answer["last_id"].as_u64(),
        answer["first_id"].as_u64().map(|id| id + 1)
    );
    assert_eq!(messages(&agent), ["1", "5"]);

    let array = r#"[{"message":"6"},{"level":"info"}]"#;
    let answer = Request::new("POST", "/logs")
        .json(array)
        .send(agent.unix())
        .json();
    assert_eq!(
        (&answer["accepted"], &answer["errors"][0]["line"]),
        (&1.into(), &2.into())
    );

    let bad = Request::new("POST", "/logs")
        .lines("{}\n{}\n")
        .send(agent.unix());
    let problem = bad.problem(400, "invalid-input");
    assert_eq!(problem["errors"].as_array().map(Vec::len), Some(2));
    let empty = Request::new("POST", "/logs").json("[]").send(agent.unix());
    assert_eq!((empty.status, &empty.json()["accepted"]), (200, &0.into()));
    assert_eq!(messages(&agent), ["1", "5", "6"]);
}

#[test]
fn compressed_bodies_are_understood() {
    let place = Place::new();
    let agent = place.start();
    let lines: String = (0..1000)
        .map(|i| format!("{{\"message\":\"line {i}\"}}\n"))
        .collect();
    for (encoding, body) in [
        ("gzip", gzip(lines.as_bytes())),
        ("zstd", zstd(lines.as_bytes())),
    ] {
        let sent = Request::new("POST", "/logs")
            .lines(body)
            .header("Content-Encoding", encoding)
            .send(agent.unix());
        assert_eq!(sent.json()["accepted"], 1000, "{encoding}");
    }
    assert_eq!(messages(&agent).len(), 2000);
}

#[test]
fn a_small_body_cannot_become_a_large_one() {
    let place = Place::new();
    let agent = place.start();
    let zeros = vec![b'\n'; 512 << 20];
    for (encoding, body) in [("gzip", gzip(&zeros)), ("zstd", zstd(&zeros))] {
        assert!(body.len() < 4 << 20);
        let sent = Request::new("POST", "/logs")
            .lines(body)
            .header("Content-Encoding", encoding)
            .send(agent.unix());
        sent.problem(413, "too-large");
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", agent.pid())).expect("alive");
    let peak = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .expect("a peak");
    assert!(
        peak < 256 << 10,
        "{peak} KiB: half a gigabyte was not unpacked"
    );
}

#[test]
fn a_full_queue_turns_senders_away_and_keeps_what_it_acknowledged() {
    let place = Place::new();
    let agent = place.start_with(&["--set", "pipeline.queue_events=1"]);
    let send = |i: usize| {
        let body = format!(r#"{{"message":"m{i}"}}"#);
        Request::new("POST", "/log").json(body).send(agent.unix())
    };
    let mut acknowledged = 0;
    let mut away = None;
    for round in 0..200 {
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..32)
                .map(|i| scope.spawn(move || send(round * 32 + i)))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        acknowledged += answers.iter().filter(|answer| answer.status == 200).count();
        away = answers.into_iter().find(|answer| answer.status != 200);
        if away.is_some() {
            break;
        }
    }
    let away = away.expect("32 at a time are too many for a queue of one");
    away.problem(503, "busy");
    assert_eq!(away.header("retry-after"), Some("1"));
    assert_eq!(agent.events("source:log").len(), acknowledged);
    let status = agent.get("/status").json();
    assert!(status["ingest"]["turned_away"].as_u64() >= Some(1));
}

#[test]
fn events_are_counted_by_time_and_by_field() {
    let place = Place::new();
    let agent = place.start();
    let lines: String = (0..30)
        .map(|i| {
            format!(
                "{{\"message\":\"m\",\"service\":\"s{}\",\"time\":{}}}\n",
                i % 3 / 2,
                now() - i
            )
        })
        .collect();
    let sent = Request::new("POST", "/logs")
        .lines(lines)
        .send(agent.unix());
    assert_eq!(sent.json()["accepted"], 30);
    let stats = agent
        .get("/events/stats?q=source:log&bucket=1&facets=service,fields.nope&top=1")
        .json();
    assert_eq!(stats["total"], 30);
    let buckets = stats["buckets"].as_array().expect("buckets");
    assert_eq!(buckets.len(), 30);
    let facet = &stats["facets"][0];
    assert_eq!(
        facet["values"],
        serde_json::json!([{"value": "s0", "count": 20}])
    );
    assert_eq!(
        (&facet["other"], &facet["missing"]),
        (&10.into(), &0.into())
    );
    assert_eq!(stats["facets"][1]["missing"], 30);
}

fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs()
}
