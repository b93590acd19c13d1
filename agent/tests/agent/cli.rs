//! The commands beside `run`.

use std::os::unix::process::CommandExt as _;

use crate::harness::{Place, is_root, program};

#[test]
fn the_configuration_is_checked_and_shown() {
    let place = Place::new();
    place.config("[store]\nmax_age = \"7d\"\n");
    let shown = place.command(&["config", "show"]).output().expect("runs");
    let shown = String::from_utf8(shown.stdout).expect("text");
    assert!(shown.contains("max_age = \"7d\""), "{shown}");
    let good = place.command(&["config", "check"]).output().expect("runs");
    assert!(good.status.success());

    place.config("[store]\nmax_agee = \"7d\"\n");
    let bad = place.command(&["config", "check"]).output().expect("runs");
    assert!(!bad.status.success());
    let said = String::from_utf8_lossy(&bad.stderr).into_owned();
    assert!(
        said.contains("agent.toml") && said.contains("line 2") && said.contains("max_agee"),
        "{said}"
    );

    place.config("");
    let torn = place
        .command(&[
            "--set",
            "store.max_age=7d",
            "config",
            "check",
            "--set",
            "threads=1",
        ])
        .output()
        .expect("runs");
    assert!(!torn.status.success(), "no setting is silently lost");
    let flag = place
        .command(&["config", "check", "--set", "store.nope=1"])
        .output()
        .expect("runs");
    assert!(String::from_utf8_lossy(&flag.stderr).contains("store.nope"));
    let variable = place
        .command(&["config", "check"])
        .env("HARK_STORE_MAX_AGE", "soon")
        .output()
        .expect("runs");
    assert!(String::from_utf8_lossy(&variable.stderr).contains("HARK_STORE_MAX_AGE"));
}

#[test]
fn shown_configuration_can_be_used() {
    let place = Place::new();
    let shown = place.command(&["config", "show"]).output().expect("runs");
    place.config(&String::from_utf8(shown.stdout).expect("text"));
    assert!(
        place
            .command(&["config", "check"])
            .status()
            .expect("runs")
            .success()
    );
}

#[test]
fn tokens_are_listed_without_their_secrets() {
    let place = Place::new();
    let token = place.token("ci", "ingest,read");
    let listed = place.command(&["token", "list"]).output().expect("runs");
    let listed = String::from_utf8(listed.stdout).expect("text");
    assert!(listed.starts_with("ci\tingest,read\t"), "{listed}");
    assert!(!listed.contains(&token));
    let again = place
        .command(&["token", "add", "--name", "ci", "--scope", "read"])
        .output()
        .expect("runs");
    assert!(!again.status.success());
    let scope = place
        .command(&["token", "add", "--name", "x", "--scope", "write"])
        .output()
        .expect("runs");
    assert!(String::from_utf8_lossy(&scope.stderr).contains("ingest, read, admin"));
}

#[test]
fn the_doctor_names_what_is_off_and_how_to_turn_it_on() {
    let place = Place::new();
    let arguments = ["doctor", "--json", "--set", "kernel.enabled=true"];
    let report = |command: &mut std::process::Command| {
        let output = command.output().expect("runs");
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
        (output.status.code(), report)
    };
    let (_, own) = report(&mut place.command(&arguments));
    let features = own["features"].as_array().expect("features");
    assert!(
        features.iter().any(|feature| feature["name"] == "process"),
        "{own}"
    );
    if !is_root() {
        eprintln!("needs root, to become nobody: half tested");
        return;
    }
    // The program itself may lie where nobody else can reach it.
    let copy = tempfile::tempdir().expect("a directory");
    let mode = |bits| std::os::unix::fs::PermissionsExt::from_mode(bits);
    std::fs::set_permissions(copy.path(), mode(0o755)).expect("changed");
    let path = copy.path().join("hark-agent");
    std::fs::copy(program().get_program(), &path).expect("copied");
    let mut nobody = std::process::Command::new(&path);
    nobody
        .args(["--data-dir", "/tmp/hark-nobody", "doctor", "--json"])
        .uid(65534)
        .gid(65534)
        .current_dir("/");
    let (code, nobody) = report(&mut nobody);
    assert_eq!(code, Some(2), "{nobody}");
    let off: Vec<_> = nobody["features"]
        .as_array()
        .expect("features")
        .iter()
        .filter(|feature| feature["state"]["is"] == "unavailable")
        .collect();
    assert!(!off.is_empty());
    for feature in off {
        assert!(
            feature["state"]["reason"]
                .as_str()
                .is_some_and(|reason| !reason.is_empty())
        );
        assert!(
            feature["state"]["remedy"]
                .as_str()
                .is_some_and(|remedy| !remedy.is_empty())
        );
    }
}

#[test]
fn a_stopped_agents_data_can_be_checked() {
    let place = Place::new();
    let agent = place.start();
    agent.post("/log", r#"{"message":"m"}"#);
    let busy = place.command(&["check"]).output().expect("runs");
    assert!(
        String::from_utf8_lossy(&busy.stderr).contains("in use"),
        "{busy:?}"
    );
    agent.signal(rustix::process::Signal::TERM);
    assert!(agent.wait().success());
    let checked = place.command(&["check"]).output().expect("runs");
    assert!(checked.status.success(), "{checked:?}");
    let said = String::from_utf8_lossy(&checked.stdout).into_owned();
    assert!(
        said.contains("3 events read") && said.contains("checksums are right"),
        "{said}"
    );
}
