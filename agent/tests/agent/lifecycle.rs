//! Starting, reloading and stopping.

use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::Signal;

use crate::harness::{Place, Request, is_root, wait_for, wait_gone};

#[test]
fn stopping_writes_what_was_taken_in() {
    let place = Place::new();
    let agent = place.start();
    let acknowledged = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for sender in 0..8 {
            let (agent, acknowledged) = (&agent, &acknowledged);
            scope.spawn(move || {
                for i in 0..10_000 {
                    let body = format!(r#"{{"message":"s{sender} i{i}"}}"#);
                    let Ok(mut stream) = std::os::unix::net::UnixStream::connect(&agent.socket)
                    else {
                        return;
                    };
                    Request::new("POST", "/log").json(body).write(&mut stream);
                    let mut head = [0; 12];
                    let answered = std::io::Read::read_exact(&mut stream, &mut head).is_ok();
                    if answered && &head == b"HTTP/1.1 200" {
                        acknowledged.fetch_add(1, Ordering::Relaxed);
                    } else {
                        return;
                    }
                }
            });
        }
        wait_for("some events", || {
            (acknowledged.load(Ordering::Relaxed) > 200).then_some(())
        });
        agent.signal(Signal::TERM);
    });
    let socket = agent.socket.clone();
    assert!(agent.wait().success());
    wait_gone(&socket);
    let again = place.start();
    assert!(again.events("source:log").len() >= acknowledged.load(Ordering::Relaxed));
    let kinds: Vec<_> = again
        .events("source:agent")
        .iter()
        .map(|event| event["kind"].as_str().expect("text").to_owned())
        .collect();
    assert_eq!(kinds[..2], ["agent_start", "agent_stop"]);
    again.signal(Signal::INT);
    assert!(again.wait().success(), "an interrupt ends it alike");
}

#[test]
fn ids_go_on_after_a_restart() {
    let place = Place::new();
    let agent = place.start();
    let before = agent.post("/log", r#"{"message":"a"}"#).json()["id"].as_u64();
    agent.kill();
    let agent = place.start();
    let after = agent.post("/log", r#"{"message":"b"}"#).json()["id"].as_u64();
    assert!(after > before, "{after:?} {before:?}");
}

#[test]
fn a_reload_applies_what_it_can_and_tells_what_it_cannot() {
    let place = Place::new();
    let agent = place.start();
    let event = r#"{"message":"m","d":[[[1]]]}"#;
    assert_eq!(agent.post("/log", event).status, 200);
    place.config("[ingest]\nmax_depth = 1\n[api]\nmax_streams = 3\n");
    agent.signal(Signal::HUP);
    wait_for("the new bound", || {
        (agent.post("/log", event).status == 400).then_some(())
    });
    let told = wait_for("the reload to be told", || {
        agent.events("kind:agent_state").first().cloned()
    });
    assert_eq!(
        told["fields"]["changed"],
        serde_json::json!(["ingest.max_depth"])
    );
    assert_eq!(
        told["fields"]["needs_restart"],
        serde_json::json!(["api.max_streams"])
    );

    place.config("[ingest]\nmax_depht = 2\n");
    agent.signal(Signal::HUP);
    wait_for("the slip to be told", || {
        let told = agent.events("kind:agent_state level:error");
        told.iter()
            .any(|e| {
                e["message"]
                    .as_str()
                    .is_some_and(|m| m.contains("max_depht"))
            })
            .then_some(())
    });
    assert_eq!(agent.post("/log", event).status, 400, "the old bound stays");
}

#[test]
fn a_reload_changes_the_budgets_of_a_running_kernel_side_without_privileges() {
    let place = Place::new();
    place.config("[kernel.budgets]\nexec = 0\n");
    let agent = place.start_with(&["--set", "kernel.enabled=true"]);
    if !agent.hears_the_kernel() {
        println!("SKIPPED: needs CAP_BPF and CAP_PERFMON; run the tests as root");
        return;
    }
    place.config("[kernel.budgets]\nexec = 2\n");
    agent.signal(Signal::HUP);
    let told = wait_for("the reload to be told", || {
        agent.events("kind:agent_state").first().cloned()
    });
    assert_eq!(
        told["fields"]["changed"],
        serde_json::json!(["kernel.budgets.exec"])
    );
    // A name of its own, so that no other test's executions count.
    let name = "harkreload";
    let program = place.path(name);
    std::os::unix::fs::symlink("/bin/true", &program).expect("a link");
    for _ in 0..100 {
        let status = std::process::Command::new(&program).status();
        assert!(status.expect("executed").success());
    }
    let told = wait_for("the storm to be told", || {
        let told = agent.events("kind:withheld");
        told.into_iter().find(|e| e["fields"]["command"] == name)
    });
    assert_eq!(told["fields"]["of"], "exec");
    assert!(told["fields"]["count"].as_u64() > Some(0), "{told}");
    let status = agent.get("/status").json();
    let sources = status["sources"].as_array().expect("sources").clone();
    let kernel = sources.iter().find(|s| s["name"] == "kernel");
    let kernel = kernel.expect("the kernel");
    assert!(kernel["withheld"].as_u64() >= told["fields"]["count"].as_u64());
    assert_eq!(kernel["dropped"], 0, "what is withheld is not lost");
}

#[test]
fn a_stale_socket_is_replaced_but_no_other_file() {
    let place = Place::new();
    place.start().kill();
    assert!(place.path("agent.sock").exists());
    drop(place.start());
    let other = Place::new();
    std::fs::write(other.path("agent.sock"), "precious").expect("written");
    let refused = other.command(&[]).output().expect("runs");
    assert!(!refused.status.success());
    assert_eq!(
        std::fs::read_to_string(other.path("agent.sock")).expect("there"),
        "precious"
    );
}

#[test]
fn privileges_that_are_no_longer_needed_are_given_up() {
    if !is_root() {
        eprintln!("needs root: not tested");
        return;
    }
    let place = Place::new();
    let agent = place.start_with(&[
        "--set",
        "kernel.enabled=true",
        "--set",
        "privileges.user=nobody",
    ]);
    // CAP_SYS_PTRACE alone; the reader of kernel events gives up with its first events.
    wait_for("every thread to give up", || {
        std::process::Command::new("/bin/true")
            .status()
            .expect("runs");
        let tasks = std::fs::read_dir(format!("/proc/{}/task", agent.pid())).expect("alive");
        let states: Vec<_> = tasks
            .filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("status")).ok())
            .collect();
        let poor = |state: &String| {
            state.contains("CapPrm:\t0000000000080000")
                && state.contains("NoNewPrivs:\t1")
                && state.contains("Uid:\t65534\t65534\t65534\t65534")
        };
        (states.len() > 5 && states.iter().all(poor)).then_some(())
    });
    assert_eq!(agent.post("/log", r#"{"message":"m"}"#).status, 200);
}
