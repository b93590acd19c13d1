//! Nothing acknowledged is lost.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::harness::{Place, Request, wait_for};

#[test]
fn what_was_acknowledged_is_found_after_a_crash() {
    let place = Place::new();
    let mut acknowledged = Vec::new();
    for round in 0..3 {
        let agent = place.start();
        let sent = Mutex::new(Vec::new());
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let (agent, sent, stop) = (&agent, &sent, &stop);
            for sender in 0..4 {
                scope.spawn(move || {
                    for i in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            return;
                        }
                        let message = format!("r{round}s{sender}i{i}");
                        let body = format!(r#"{{"message":"{message}"}}"#);
                        let Ok(mut stream) = std::os::unix::net::UnixStream::connect(&agent.socket)
                        else {
                            return;
                        };
                        Request::new("POST", "/log").json(body).write(&mut stream);
                        let mut head = [0; 12];
                        if std::io::Read::read_exact(&mut stream, &mut head).is_err() {
                            return;
                        }
                        if &head == b"HTTP/1.1 200" {
                            sent.lock().expect("whole").push(message);
                        }
                    }
                });
            }
            wait_for("some to be acknowledged", || {
                (sent.lock().expect("whole").len() > 100).then_some(())
            });
            agent.signal(rustix::process::Signal::KILL);
            stop.store(true, Ordering::Relaxed);
        });
        drop(agent);
        acknowledged.append(&mut sent.into_inner().expect("whole"));
    }
    let agent = place.start();
    let mut found: Vec<_> = agent
        .events("source:log")
        .iter()
        .map(|event| event["message"].as_str().expect("text").to_owned())
        .collect();
    found.sort();
    let distinct = {
        let mut d = found.clone();
        d.dedup();
        d.len()
    };
    assert_eq!(distinct, found.len(), "nothing is stored twice");
    let lost: Vec<_> = acknowledged
        .iter()
        .filter(|m| found.binary_search(m).is_err())
        .collect();
    assert!(
        lost.is_empty(),
        "{} of {} lost: {lost:?}",
        lost.len(),
        acknowledged.len()
    );
}

#[test]
fn a_second_agent_on_the_same_data_is_refused_by_name() {
    let place = Place::new();
    let agent = place.start();
    let other = Place::new();
    let second = other
        .command(&["--data-dir", place.path("data").to_str().expect("text")])
        .output()
        .expect("runs");
    assert!(!second.status.success());
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(
        said.contains(&format!("in use by process {}", agent.pid())),
        "{said}"
    );
    assert_eq!(agent.get("/readyz").status, 200);
}
