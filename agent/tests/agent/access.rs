//! Who may do what.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::harness::{Place, Request, is_root, wait_for};

const EVENT: &str = r#"{"message":"m"}"#;

#[test]
fn over_tcp_reading_needs_a_token_with_the_scope() {
    let place = Place::new();
    let reader = place.token("reader", "read");
    let sender = place.token("sender", "ingest");
    let agent = place.start();
    let get = |path: &str| Request::new("GET", path);
    let log = || Request::new("POST", "/log").json(EVENT);
    let note = || Request::new("POST", "/incidents/1/acknowledge");

    for path in [
        "/events",
        "/events/1",
        "/status",
        "/vitals",
        "/series",
        "/metrics",
        "/templates",
        "/events/stream",
        "/vitals/stream",
        "/incidents",
    ] {
        let refused = get(path).send(agent.tcp());
        refused.problem(401, "unauthenticated");
        assert_eq!(
            refused.header("www-authenticate"),
            Some("Bearer realm=\"hark\"")
        );
        get(path)
            .token(&sender)
            .send(agent.tcp())
            .problem(403, "forbidden");
        get(path)
            .token("hark_wrong")
            .send(agent.tcp())
            .problem(401, "unauthenticated");
    }
    for path in ["/events", "/status", "/metrics"] {
        assert_eq!(
            get(path).token(&reader).send(agent.tcp()).status,
            200,
            "{path}"
        );
    }
    for path in ["/healthz", "/readyz", "/openapi.json", "/docs"] {
        assert_eq!(get(path).send(agent.tcp()).status, 200, "{path}");
    }
    assert_eq!(log().send(agent.tcp()).status, 200);
    assert_eq!(log().token(&sender).send(agent.tcp()).status, 200);
    log()
        .token("hark_wrong")
        .send(agent.tcp())
        .problem(401, "unauthenticated");
    note().send(agent.tcp()).problem(401, "unauthenticated");
    note()
        .token(&reader)
        .send(agent.tcp())
        .problem(403, "forbidden");
    note().send(agent.unix()).problem(404, "not-found");
    let basic = get("/status")
        .header("Authorization", "Basic eDp5")
        .send(agent.tcp());
    basic.problem(401, "unauthenticated");
}

#[test]
fn tokens_work_and_stop_working_without_a_restart() {
    let place = Place::new();
    let agent = place.start();
    let token = place.token("late", "read");
    let status = || {
        Request::new("GET", "/status")
            .token(&token)
            .send(agent.tcp())
            .status
    };
    wait_for("the token to work", || (status() == 200).then_some(()));
    let revoked = place
        .command(&["token", "revoke", "late"])
        .status()
        .expect("runs");
    assert!(revoked.success());
    wait_for("the token to stop working", || {
        (status() == 401).then_some(())
    });
}

#[test]
fn over_the_unix_socket_the_kernel_says_who_calls() {
    if !is_root() {
        eprintln!("needs root: not tested");
        return;
    }
    let place = Place::new();
    let agent = place.start();
    let dir = agent.socket.parent().expect("a directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(dir, mode).expect("changed");
    let as_nobody = |arguments: &[&str]| {
        let output = Command::new("curl")
            .args([
                "-s",
                "-o",
                "/dev/null",
                "-w",
                "%{http_code}",
                "--unix-socket",
            ])
            .arg(&agent.socket)
            .args(arguments)
            .uid(65534)
            .gid(65534)
            .output()
            .expect("curl runs");
        String::from_utf8(output.stdout).expect("text")
    };
    let json = "Content-Type: application/json";
    assert_eq!(
        as_nobody(&["http://localhost/log", "-H", json, "-d", EVENT]),
        "200"
    );
    assert_eq!(as_nobody(&["http://localhost/events"]), "403");
    assert_eq!(as_nobody(&["http://localhost/status"]), "403");
    assert_eq!(as_nobody(&["http://localhost/healthz"]), "200");
    assert_eq!(agent.get("/events").status, 200, "root may");

    place.config("[api]\ngroup = \"nogroup\"\n");
    agent.signal(rustix::process::Signal::HUP);
    wait_for("the group to count", || {
        (as_nobody(&["http://localhost/events"]) == "200").then_some(())
    });
}

#[test]
fn web_pages_of_others_are_refused() {
    let place = Place::new();
    place.config("[api]\nallowed_hosts = [\"hark.example\"]\nallowed_origins = [\"https://grafana.example\"]\n");
    let agent = place.start();
    let log = || Request::new("POST", "/log").json(EVENT);
    let rebound = log().header("Host", "evil.example").send(agent.tcp());
    rebound.problem(421, "wrong-host");
    let cross = log()
        .header("Origin", "https://evil.example")
        .send(agent.tcp());
    cross.problem(403, "wrong-origin");
    assert_eq!(cross.header("access-control-allow-origin"), None);
    log()
        .header("Origin", "null")
        .send(agent.tcp())
        .problem(403, "wrong-origin");
    for host in ["localhost:5000", "127.0.0.1:1", "[::1]:2", "HARK.example"] {
        assert_eq!(
            log().header("Host", host).send(agent.tcp()).status,
            200,
            "{host}"
        );
    }
    let allowed = log()
        .header("Origin", "https://grafana.example")
        .send(agent.tcp());
    assert_eq!(allowed.status, 200);
    assert_eq!(
        allowed.header("access-control-allow-origin"),
        Some("https://grafana.example")
    );
}

#[test]
fn listening_to_the_world_needs_a_token() {
    let place = Place::new();
    let refused = place
        .command(&["--listen", "0.0.0.0:0"])
        .output()
        .expect("runs");
    // clap takes the last of two, so the harness' own loopback does not count.
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("hark-agent token add"), "{said}");
}

#[test]
fn a_sender_that_exceeds_its_rate_is_told_to_wait() {
    let place = Place::new();
    let agent = place.start_with(&[
        "--set",
        "rate_limit.requests=1",
        "--set",
        "rate_limit.burst=3",
    ]);
    let token = place.token("other", "ingest");
    let mut refused = None;
    for _ in 0..10 {
        let answer = Request::new("POST", "/log").json(EVENT).send(agent.tcp());
        if answer.status != 200 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("ten at once are more than three");
    refused.problem(429, "rate-limited");
    assert_eq!(refused.header("retry-after"), Some("1"));
    wait_for("another sender not to be limited", || {
        let other = Request::new("POST", "/log")
            .json(EVENT)
            .token(&token)
            .send(agent.tcp());
        (other.status == 200).then_some(())
    });
}
