//! Every error is a problem document that says what to do better.

use crate::harness::{Place, Request, wait_for};

#[test]
fn what_is_wrong_with_a_request_is_named() {
    let place = Place::new();
    let agent = place.start();
    let post = |path: &str| Request::new("POST", path);
    let get = |path: &str| Request::new("GET", path);
    let old = r#"{"message":"m","time":"2001-01-01T00:00:00Z"}"#;
    let future = r#"{"message":"m","time":"2101-01-01T00:00:00Z"}"#;
    let deep = format!(
        r#"{{"message":"m","d":{}{}}}"#,
        "[".repeat(40),
        "]".repeat(40)
    );
    let abyss = format!(
        r#"{{"message":"m","d":{}{}}}"#,
        "[".repeat(5000),
        "]".repeat(5000)
    );
    let long = format!(r#"{{"message":"{}"}}"#, "x".repeat(300 << 10));
    let huge = format!(r#"{{"message":"{}"}}"#, "x".repeat(2 << 20));
    let cases: Vec<(Request, u16, &str, &str)> = vec![
        (get("/nope"), 404, "not-found", "/nope"),
        (get("/events/1/x"), 404, "not-found", "/events/1/x"),
        (get("/events/999999"), 404, "not-found", "no event 999999"),
        (
            get("/incidents/999999"),
            404,
            "not-found",
            "no incident 999999",
        ),
        (
            get("/series/data?key=nope"),
            404,
            "not-found",
            "no series nope",
        ),
        (get("/log"), 405, "method-not-allowed", "POST"),
        (
            Request::new("DELETE", "/events"),
            405,
            "method-not-allowed",
            "GET",
        ),
        (
            post("/log").header("Content-Type", "text/plain").body("hi"),
            415,
            "unsupported-media-type",
            "application/json",
        ),
        (
            post("/log")
                .header("Content-Type", "application/x-www-form-urlencoded")
                .body("{}"),
            415,
            "unsupported-media-type",
            "application/json",
        ),
        (
            post("/log").lines("{}"),
            415,
            "unsupported-media-type",
            "application/json",
        ),
        (
            post("/log")
                .header("Content-Type", "application/json; charset=latin1")
                .body("{}"),
            415,
            "unsupported-media-type",
            "latin1",
        ),
        (
            post("/logs").json("[]").header("Content-Encoding", "br"),
            415,
            "unsupported-encoding",
            "gzip or zstd",
        ),
        (
            post("/logs")
                .json("[]")
                .header("Content-Encoding", "gzip, gzip"),
            415,
            "unsupported-encoding",
            "gzip or zstd",
        ),
        (
            post("/logs").json("[]").header("Content-Encoding", "gzip"),
            400,
            "invalid-encoding",
            "Content-Encoding",
        ),
        (
            post("/logs").json("[]").header("Content-Encoding", "zstd"),
            400,
            "invalid-encoding",
            "Content-Encoding",
        ),
        (
            post("/log").json(b"{\"message\":\"\xff\"}"),
            400,
            "invalid-utf8",
            "byte 13",
        ),
        (
            post("/logs").json(b"[{\"message\":\"\xff\"}]"),
            400,
            "invalid-utf8",
            "byte 14",
        ),
        (
            post("/log").json("{\n\"message\" \"m\"}"),
            400,
            "invalid-json",
            "line 2 column 11",
        ),
        (post("/log").json(""), 400, "invalid-json", "EOF"),
        (
            post("/logs").json("[{\"message\":\"m\"}"),
            400,
            "invalid-json",
            "EOF",
        ),
        (
            post("/logs").json("{\"message\":\"m\"}"),
            400,
            "invalid-input",
            "an array of events",
        ),
        (
            post("/log").json("{}"),
            400,
            "invalid-input",
            "message: is missing",
        ),
        (
            post("/log").json(r#"{"message":1}"#),
            400,
            "invalid-input",
            "message: invalid type: integer `1`, expected a string",
        ),
        (
            post("/log").json(r#"{"message":"m","level":"loud"}"#),
            400,
            "invalid-input",
            "level: `loud` is not a level",
        ),
        (
            post("/log").json(r#"{"message":"m","time":"noon"}"#),
            400,
            "invalid-input",
            "time: `noon` is not a time",
        ),
        (
            post("/log").json(old),
            400,
            "invalid-input",
            "time: 2001-01-01T00:00:00Z is more than 30d ago",
        ),
        (
            post("/log").json(future),
            400,
            "invalid-input",
            "in the future",
        ),
        (
            post("/log").json(deep),
            400,
            "invalid-input",
            "d: nests too deep",
        ),
        (
            post("/log").json(abyss),
            400,
            "invalid-input",
            "d: nests too deep",
        ),
        (
            post("/log").json(long),
            400,
            "invalid-input",
            "message: has",
        ),
        (
            post("/log").json(huge),
            413,
            "too-large",
            "ingest.max_event",
        ),
        (
            post("/logs").lines(vec![b'x'; 17 << 20]),
            413,
            "too-large",
            "16MiB",
        ),
        (
            post("/logs").lines("{}\n".repeat(50_001)),
            413,
            "too-large",
            "50000",
        ),
        (
            get("/events?q=tier%3E%3Dloud"),
            400,
            "invalid-filter",
            "column",
        ),
        (
            get("/events/stats?facets=nope"),
            400,
            "invalid-query",
            "facets: unknown field `nope`",
        ),
        (
            get("/events/stats?bucket=0"),
            400,
            "invalid-query",
            "bucket: must be a whole number",
        ),
        (
            get("/events?limit=0"),
            400,
            "invalid-query",
            "limit: must be",
        ),
        (
            get("/events?limit=1001"),
            400,
            "invalid-query",
            "limit: must be",
        ),
        (
            get("/events?order=sideways"),
            400,
            "invalid-query",
            "order: must be newest or oldest",
        ),
        (
            get("/events?from=yesterday"),
            400,
            "invalid-query",
            "from: `yesterday` is not a time",
        ),
        (
            get("/events?cursor=x"),
            400,
            "invalid-query",
            "cursor: `x` is not a cursor",
        ),
        (
            get("/events?filter=x"),
            400,
            "invalid-query",
            "filter: is no parameter here; known are: q, from",
        ),
        (get("/events/abc"), 400, "invalid-query", "id"),
        (
            get("/events/stream?after=x"),
            400,
            "invalid-query",
            "after: must be the id",
        ),
        (
            get("/events/stream").header("Last-Event-ID", "x"),
            400,
            "invalid-query",
            "Last-Event-ID: must be the id",
        ),
        (
            get("/series/data?key=x&step=7"),
            400,
            "invalid-query",
            "step: must be 1, 10 or 60",
        ),
        (get("/series/data"), 400, "invalid-query", "key"),
        (
            get("/incidents?open=maybe"),
            400,
            "invalid-query",
            "open: must be true or false",
        ),
        (
            get("/events/-1"),
            400,
            "invalid-query",
            "id: must be an id, a whole number",
        ),
        (
            post("/incidents/1/silence").json(r#"{"duration":"soon"}"#),
            400,
            "invalid-input",
            "duration: `soon` is not a length of time",
        ),
        (
            post("/incidents/1/silence").json("{}"),
            400,
            "invalid-input",
            "missing field `duration`",
        ),
        (
            post("/incidents/1/notes").json(r#"{"text":"seen"} {}"#),
            400,
            "invalid-json",
            "trailing characters",
        ),
    ];
    for (request, status, kind, detail) in cases {
        let problem = request.clone().send(agent.unix()).problem(status, kind);
        let said = problem["detail"].as_str().unwrap_or_default();
        assert!(said.contains(detail), "{detail:?} is not in {problem}");
    }
    let events = agent.events("source:log");
    assert!(
        events.is_empty(),
        "nothing that was refused is stored: {events:?}"
    );
}

#[test]
fn a_wrong_method_learns_the_right_ones() {
    let place = Place::new();
    let agent = place.start();
    let refused = Request::new("PUT", "/log").send(agent.unix());
    assert_eq!(refused.header("allow"), Some("POST, OPTIONS"));
    let asked = Request::new("OPTIONS", "/events").send(agent.unix());
    assert_eq!(
        (asked.status, asked.header("allow")),
        (204, Some("GET, HEAD, OPTIONS"))
    );
    let head = Request::new("HEAD", "/status").send(agent.unix());
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn every_answer_has_a_request_id_and_takes_the_callers() {
    let place = Place::new();
    let agent = place.start_with(&["--log-level", "debug"]);
    let own = Request::new("GET", "/nope")
        .header("X-Request-Id", "mine-1.2_3")
        .send(agent.unix());
    assert_eq!(own.problem(404, "not-found")["request_id"], "mine-1.2_3");
    wait_for("the log to have it too", || {
        agent
            .log()
            .iter()
            .any(|line| line.contains("mine-1.2_3"))
            .then_some(())
    });
    let bad = Request::new("GET", "/healthz")
        .header("X-Request-Id", "no spaces")
        .send(agent.unix());
    let given = bad.header("x-request-id").expect("one").to_owned();
    assert_ne!(given, "no spaces");
    assert_ne!(
        agent.get("/healthz").header("x-request-id"),
        Some(given.as_str())
    );
}

#[test]
fn a_body_that_does_not_come_times_out() {
    let place = Place::new();
    let agent = place.start_with(&["--set", "api.body_timeout=100ms"]);
    let request = Request::new("POST", "/log")
        .header("Content-Type", "application/json")
        .header("Content-Length", "100");
    request.send(agent.unix()).problem(408, "timeout");
}
