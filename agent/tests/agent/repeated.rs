//! Requests that are sent again under their `Idempotency-Key`.

use crate::harness::{Answer, Place, Request};

fn keyed(path: &str, key: &str, body: &str) -> Request {
    let request = Request::new("POST", path).header("Idempotency-Key", key);
    match path {
        "/log" => request.json(body),
        _ => request.lines(body),
    }
}

fn replayed(answer: &Answer) -> bool {
    answer.header("idempotency-replayed") == Some("true")
}

const EVENT: &str = r#"{"message":"paid once","level":"warning"}"#;
const LINES: &str = "{\"message\":\"one\"}\nnonsense\n{\"message\":\"two\",\"level\":\"fatal\"}\n";

#[test]
fn a_repeated_request_gets_the_same_answer_and_stores_nothing() {
    let place = Place::new();
    let agent = place.start();
    let first = keyed("/log", "\"k-1\"", EVENT).send(agent.tcp());
    assert_eq!((first.status, replayed(&first)), (200, false));
    // Bare is the same as quoted.
    for key in ["\"k-1\"", "k-1"] {
        let again = keyed("/log", key, EVENT).send(agent.tcp());
        assert_eq!((again.status, replayed(&again)), (200, true));
        assert_eq!(again.json(), first.json());
    }
    keyed("/logs", "k-1", LINES)
        .send(agent.tcp())
        .problem(422, "key-reused");
    let first = keyed("/logs", "k-2", LINES).send(agent.tcp());
    let again = keyed("/logs", "k-2", LINES).send(agent.tcp());
    assert!(replayed(&again) && !replayed(&first));
    assert_eq!(again.json(), first.json());
    assert_eq!(again.json()["rejected"], 1, "the bad line is named again");
    assert_eq!(agent.events("source:log").len(), 3);

    keyed("/log", "k-1", r#"{"message":"another"}"#)
        .send(agent.tcp())
        .problem(422, "key-reused");
    // Without a key, each is a request of its own.
    let plain = Request::new("POST", "/log").json(EVENT).send(agent.tcp());
    assert_eq!((plain.status, replayed(&plain)), (200, false));
    assert_eq!(agent.events("source:log").len(), 4);
    let metrics = agent.get("/metrics").text();
    assert!(
        metrics.contains("\nhark_ingest_replayed_total 3\n"),
        "{metrics}"
    );
}

#[test]
fn a_key_is_its_senders_own() {
    let place = Place::new();
    let (one, other) = (place.token("one", "ingest"), place.token("other", "ingest"));
    let agent = place.start();
    let send = |token: &str| keyed("/log", "same", EVENT).token(token).send(agent.tcp());
    assert_eq!(send(&one).json(), send(&one).json());
    let theirs = send(&other);
    assert!(!replayed(&theirs), "one token's answer is not another's");
    assert!(!replayed(&keyed("/log", "same", EVENT).send(agent.unix())));
    assert_eq!(agent.events("source:log").len(), 3);
}

#[test]
fn what_is_no_key_is_refused_by_name() {
    let place = Place::new();
    let agent = place.start();
    let long = "k".repeat(256);
    for key in ["", "\"\"", "\"open", "a\"b", "ü", &long] {
        let problem = keyed("/log", key, EVENT)
            .send(agent.tcp())
            .problem(400, "invalid-query");
        assert_eq!(problem["errors"][0]["field"], "Idempotency-Key", "{key}");
    }
    keyed("/log", "a", EVENT)
        .header("Idempotency-Key", "b")
        .send(agent.tcp())
        .problem(400, "invalid-query");
    assert_eq!(
        keyed("/log", &long[1..], EVENT).send(agent.tcp()).status,
        200
    );
    assert_eq!(agent.events("source:log").len(), 1);
}

#[test]
fn a_refused_request_leaves_its_key_free() {
    let place = Place::new();
    let agent = place.start();
    for _ in 0..2 {
        keyed("/log", "k", r#"{"message":1}"#)
            .send(agent.tcp())
            .problem(400, "invalid-input");
    }
    let sent = keyed("/log", "k", EVENT).send(agent.tcp());
    assert_eq!((sent.status, replayed(&sent)), (200, false));
}

#[test]
fn duplicates_at_the_same_time_are_one() {
    let place = Place::new();
    let agent = place.start();
    for round in 0..20 {
        let key = format!("round-{round}");
        let answers: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| keyed("/log", &key, EVENT).send(agent.tcp())))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().expect("no panic"))
                .collect()
        });
        for answer in &answers {
            assert_eq!(answer.status, 200, "{}", answer.text());
            assert_eq!(answer.json(), answers[0].json());
        }
        let new = answers.iter().filter(|answer| !replayed(answer)).count();
        assert_eq!(new, 1, "one was first");
        assert_eq!(agent.events("source:log").len(), round + 1);
    }
}

#[test]
fn keys_are_known_after_a_crash() {
    let place = Place::new();
    let agent = place.start();
    let first = keyed("/logs", "k", LINES).send(agent.unix()).json();
    agent.kill();
    let agent = place.start();
    let again = keyed("/logs", "k", LINES).send(agent.unix());
    assert!(replayed(&again));
    assert_eq!(again.json(), first);
    assert_eq!(agent.events("source:log").len(), 2);
}

#[test]
fn so_many_answers_are_kept_and_no_more() {
    let place = Place::new();
    let agent = place.start_with(&["--set", "store.max_replies=2"]);
    let send = |key: &str| keyed("/log", key, EVENT).send(agent.unix());
    for key in ["a", "b", "c"] {
        assert_eq!(send(key).status, 200);
    }
    // The agent cares for its store every second.
    crate::harness::wait_for("the oldest to be forgotten", || {
        (!replayed(&send("a"))).then_some(())
    });
    assert!(agent.events("source:log").len() >= 4);
}
