//! The commands for the shell, on a real agent: what they write, and their exit codes.

mod agent;

use std::io::{Read as _, Write as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use agent::{Agent, HARK};

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs `hark send` with this on its standard input.
fn send_lines(agent: &Agent, lines: &[u8]) -> Output {
    send_lines_to(&agent.socket(), lines)
}

fn send_lines_to(socket: &Path, lines: &[u8]) -> Output {
    let mut process = Command::new(HARK)
        .arg("--socket")
        .arg(socket)
        .args(["send", "-s", "lines"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("hark runs");
    let mut input = process.stdin.take().expect("a pipe");
    input.write_all(lines).expect("hark reads");
    drop(input);
    process.wait_with_output().expect("hark ends")
}

#[test]
fn without_an_agent_it_says_why_and_what_to_run() {
    for command in ["status", "query", "tail", "top", "incidents"] {
        let output = Command::new(HARK)
            .args(["--socket", "/nonexistent/agent.sock", command])
            .output()
            .expect("hark runs");
        assert_eq!(code(&output), Some(3), "{command}");
        let said = stderr(&output);
        assert!(said.contains("/nonexistent/agent.sock"), "{said}");
        assert!(said.contains("sudo systemctl start hark-agent"), "{said}");
    }
}

#[test]
fn a_filter_that_does_not_parse_is_shown_with_its_column() {
    let output = Command::new(HARK)
        .args(["query", "level:error", "tier>"])
        .output()
        .expect("hark runs");
    assert_eq!(code(&output), Some(2));
    let said = stderr(&output);
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[1].trim(), "level:error tier>", "{said}");
    assert!(lines[2].trim() == "^" && lines[2].len() > 10, "{said}");
}

#[test]
fn what_is_sent_is_found_and_nothing_is_an_exit_code() {
    let Some(agent) = Agent::start() else { return };
    let sent = agent.hark(&[
        "send",
        "-s",
        "till",
        "-l",
        "error",
        "-f",
        "n=7",
        "drawer jammed",
    ]);
    assert_eq!(code(&sent), Some(0), "{}", stderr(&sent));
    assert!(
        stdout(&sent).starts_with("stored as event "),
        "{}",
        stdout(&sent)
    );
    let found = agent.hark(&["query", "service:till", "--json"]);
    assert_eq!(code(&found), Some(0));
    let event: serde_json::Value = serde_json::from_slice(&found.stdout).expect("one object");
    assert_eq!(event["message"], "drawer jammed");
    assert_eq!(event["fields"]["n"], 7);
    let nothing = agent.hark(&["query", "service:nobody"]);
    assert_eq!((code(&nothing), stdout(&nothing)), (Some(1), String::new()));
    assert!(stdout(&agent.hark(&["status"])).contains("hark-agent"));
    assert!(stdout(&agent.hark(&["top"])).contains("PID"));
}

#[test]
fn good_lines_are_stored_and_bad_ones_named() {
    let Some(agent) = Agent::start() else { return };
    let output = send_lines(
        &agent,
        b"plain words\n{\"message\":\"an object\",\"level\":\"warning\"}\n\n{\"message\":\"x\",\"level\":\"loud\"}\nlast \xFF\n",
    );
    assert_eq!(code(&output), Some(1), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(said.contains("line 4") && said.contains("loud"), "{said}");
    assert!(said.contains("line 5") && said.contains("UTF-8"), "{said}");
    assert!(
        stdout(&output).contains("2 events stored, 2 refused"),
        "{}",
        stdout(&output)
    );
    let found = stdout(&agent.hark(&["query", "service:lines", "--json"]));
    assert_eq!(found.lines().count(), 2, "{found}");
}

/// Passes connections on to an agent; of the first that sends events, the answer is kept back.
fn cut_off_the_first_answer(agent: &Agent) -> std::path::PathBuf {
    let path = agent.dir.path().join("proxy.sock");
    let listener = UnixListener::bind(&path).expect("bound");
    let target = agent.socket();
    std::thread::spawn(move || {
        for (number, client) in listener.incoming().enumerate() {
            let client = client.expect("a client");
            let agent = UnixStream::connect(&target).expect("the agent");
            let (mut from, mut to) = (
                client.try_clone().expect("a copy"),
                agent.try_clone().expect("a copy"),
            );
            std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            let (mut from, mut to) = (agent, client);
            if number == 0 {
                // It has answered, so the batch is stored.
                let mut answer = [0; 12];
                from.read_exact(&mut answer).expect("an answer");
                assert_eq!(&answer, b"HTTP/1.1 200");
                to.shutdown(std::net::Shutdown::Both).expect("cut");
            } else {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    path
}

#[test]
fn a_connection_that_breaks_neither_loses_nor_doubles_lines() {
    let Some(agent) = Agent::start() else { return };
    let proxy = cut_off_the_first_answer(&agent);
    let output = send_lines_to(&proxy, b"one\ntwo\nthree\n");
    assert_eq!(code(&output), Some(0), "{}", stderr(&output));
    assert!(
        stdout(&output).contains("3 events stored, 0 refused"),
        "{}",
        stdout(&output)
    );
    let found = stdout(&agent.hark(&["query", "service:lines", "--json"]));
    assert_eq!(found.lines().count(), 3, "{found}");
}

#[test]
fn a_pipe_that_closes_early_is_no_error() {
    let Some(agent) = Agent::start() else { return };
    let lines = "one of many lines\n".repeat(5_000);
    assert_eq!(code(&send_lines(&agent, lines.as_bytes())), Some(0));
    let command = format!(
        "{HARK} --socket {} query -n 0 | head -n 1",
        agent.socket().display()
    );
    let output = Command::new("sh")
        .args(["-c", &command])
        .output()
        .expect("sh runs");
    assert_eq!(stderr(&output), "");
    assert_eq!(stdout(&output).lines().count(), 1);
}
