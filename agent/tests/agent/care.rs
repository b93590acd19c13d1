//! Backups, and events out of one store and into another.

use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Output;

use crate::harness::{Agent, Place, Request, is_root};

fn send(agent: &Agent, messages: &[&str]) {
    for message in messages {
        let body = format!(r#"{{"message":"{message}","service":"shop"}}"#);
        assert_eq!(agent.post("/log", body).status, 200);
    }
}

fn messages(agent: &Agent) -> Vec<String> {
    agent
        .events("service:shop")
        .iter()
        .map(|event| event["message"].as_str().expect("text").to_owned())
        .collect()
}

fn run(place: &Place, arguments: &[&str]) -> Output {
    place.command(arguments).output().expect("runs")
}

/// Runs it and expects it to succeed; what it said.
fn done(place: &Place, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// Runs it and expects it to fail; what it said.
fn refused(place: &Place, arguments: &[&str]) -> String {
    let output = run(place, arguments);
    assert!(!output.status.success(), "{arguments:?}: {output:?}");
    String::from_utf8(output.stderr).expect("text")
}

fn stop(agent: Agent) {
    agent.signal(rustix::process::Signal::TERM);
    assert!(agent.wait().success());
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .expect("read")
        .map(|entry| {
            entry
                .expect("read")
                .file_name()
                .into_string()
                .expect("text")
        })
        .collect();
    names.sort();
    names
}

#[test]
fn a_backup_of_a_running_agent_is_restored_elsewhere() {
    let place = Place::new();
    let secret = place.token("reader", "read");
    let agent = place.start();
    send(&agent, &["one", "two"]);
    let file = place.path("backup.redb");
    let path = file.to_str().expect("text");
    done(&place, &["backup", path]);
    assert_eq!(file.metadata().expect("there").mode() & 0o777, 0o600);
    assert!(refused(&place, &["backup", path]).contains("exists"));
    send(&agent, &["three"]);
    assert_eq!(messages(&agent), ["one", "two", "three"]);
    let left: Vec<_> = names(&place.path("data"))
        .into_iter()
        .chain(names(file.parent().expect("a directory")))
        .filter(|name| name.contains("partial"))
        .collect();
    assert!(left.is_empty(), "{left:?}");

    let busy = refused(&place, &["restore", path]);
    assert!(
        busy.contains(&format!("in use by process {}", agent.pid())),
        "{busy}"
    );
    let other = Place::new();
    let said = done(&other, &["restore", path]);
    assert!(said.contains("checksums are right"), "{said}");
    let restored = other.start();
    assert_eq!(messages(&restored), ["one", "two"]);
    // Who may read is no part of a backup.
    Request::new("GET", "/events")
        .token(&secret)
        .send(restored.tcp())
        .problem(401, "unauthenticated");
    stop(restored);

    // What was there is kept aside, as a store.
    stop(agent);
    let said = done(&place, &["restore", path]);
    let aside = said.split("is in ").nth(1).expect("it is named");
    let aside = aside.split(';').next().expect("a path");
    let agent = place.start();
    assert_eq!(messages(&agent), ["one", "two"]);
    let all = done(
        &place,
        &["--data-dir", aside, "--socket", "/none", "export"],
    );
    assert!(all.contains("three"), "{all}");
}

#[test]
fn a_backup_is_made_without_an_agent_too_and_nonsense_is_not_restored() {
    let place = Place::new();
    let agent = place.start();
    send(&agent, &["one"]);
    stop(agent);
    let file = place.path("backup.redb");
    let path = file.to_str().expect("text");
    done(&place, &["backup", path]);
    let mut bytes = std::fs::read(&file).expect("read");
    bytes.truncate(bytes.len() / 2);
    let broken = place.path("broken.redb");
    std::fs::write(&broken, bytes).expect("written");
    let before = names(&place.path("data"));
    refused(&place, &["restore", broken.to_str().expect("text")]);
    assert_eq!(names(&place.path("data")), before, "nothing was changed");
    done(&place, &["restore", path]);
    assert_eq!(messages(&place.start()), ["one"]);
}

#[test]
fn backups_are_for_administrators() {
    let place = Place::new();
    let (reader, admin) = (place.token("reader", "read"), place.token("admin", "admin"));
    let agent = place.start();
    send(&agent, &["one"]);
    let ask = || Request::new("POST", "/backup");
    ask().send(agent.tcp()).problem(401, "unauthenticated");
    ask()
        .token(&reader)
        .send(agent.tcp())
        .problem(403, "forbidden");
    let got = ask().token(&admin).send(agent.tcp());
    assert_eq!(got.status, 200);
    assert_eq!(
        got.header("content-length"),
        Some(got.body.len().to_string().as_str())
    );
    assert!(got.body.starts_with(b"redb"));
}

#[test]
fn events_are_exported_and_imported_and_bad_lines_named() {
    let place = Place::new();
    let agent = place.start();
    send(&agent, &["one", "two"]);
    agent.post("/log", r#"{"message":"other","service":"till"}"#);
    let online = done(&place, &["export", "-q", "service:shop"]);
    assert_eq!(online.lines().count(), 2);
    stop(agent);
    assert_eq!(done(&place, &["export", "-q", "service:shop"]), online);
    let wrong = refused(&place, &["export", "-q", "tier>"]);
    assert!(wrong.contains("column"), "{wrong}");

    let file = place.path("events.ndjson");
    let mut lines = online.clone().into_bytes();
    lines.extend_from_slice(b"nonsense\n\n\xff\xfe\n{\"message\":\"no event\"}\n");
    std::fs::write(&file, lines).expect("written");
    let other = Place::new();
    let output = run(&other, &["import", file.to_str().expect("text")]);
    assert_eq!(output.status.code(), Some(1));
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        said.contains("2 events imported, 3 lines refused"),
        "{said}"
    );
    let named = String::from_utf8_lossy(&output.stderr).into_owned();
    for line in ["line 3: ", "line 5: ", "line 6: "] {
        assert!(named.contains(line), "{named}");
    }
    let restored = other.start();
    assert_eq!(messages(&restored), ["one", "two"]);
    let busy = refused(&other, &["import", file.to_str().expect("text")]);
    assert!(busy.contains("in use by process"), "{busy}");
}

#[test]
fn what_root_does_leaves_the_files_to_the_agents_user() {
    if !is_root() {
        eprintln!("needs root, to act as another user: not tested");
        return;
    }
    let nobody = 65_534;
    let place = Place::new();
    let data = place.path("data");
    let agent = place.start();
    send(&agent, &["one"]);
    stop(agent);
    let file = place.path("backup.redb");
    let path = file.to_str().expect("text");
    let lines = place.path("events.ndjson");
    std::fs::write(&lines, done(&place, &["export"])).expect("written");
    done(&place, &["backup", path]);
    std::fs::remove_dir_all(&data).expect("removed");
    std::fs::create_dir(&data).expect("made");
    // The way there is for root only, as the file is.
    let root_only = std::os::unix::fs::PermissionsExt::from_mode(0o711);
    std::fs::set_permissions(file.parent().expect("a directory"), root_only).expect("changed");
    chown(&data, Some(nobody), Some(nobody)).expect("given");
    for arguments in [
        &["import", lines.to_str().expect("text")] as &[&str],
        &["restore", path],
        &["check"],
        &["export"],
    ] {
        done(&place, arguments);
        for name in names(&data) {
            let owner = data.join(&name).metadata().expect("there").uid();
            assert_eq!(owner, nobody, "{name} after {arguments:?}");
        }
    }
    let second = place.path("second.redb");
    done(&place, &["backup", second.to_str().expect("text")]);
    assert_eq!(second.metadata().expect("there").uid(), 0);
}
