//! The console in a real terminal (tmux), on a real agent. Where there is no tmux, the tests say so
//! and pass.

mod agent;
mod terminal;

use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use agent::{Agent, DEADLINE, HARK};
use terminal::{Terminal, console};

#[test]
fn the_console_explains_a_missing_agent_and_gives_the_terminal_back() {
    let command = format!("{HARK} --socket /nonexistent/agent.sock; echo ended $?");
    let Some(terminal) = Terminal::run(&command, 80, 24) else {
        return;
    };
    terminal.see(&["No agent", "/nonexistent/agent.sock", "Trying again in"]);
    assert_eq!(terminal.modes(), "1 1 0");
    terminal.press(&["?"]);
    terminal.see(&["Keys", "Open the selected unusual event"]);
    // Escape and a key in one go would be Alt with that key.
    terminal.press(&["Escape"]);
    terminal.see(&["Trying again in"]);
    terminal.press(&["q"]);
    terminal.see(&["ended 0"]);
    assert_eq!(terminal.modes(), "0 0 1");
}

#[test]
fn signals_end_the_console_and_the_terminal_is_as_it_was() {
    for (signal, code) in [("TERM", "143"), ("INT", "130"), ("HUP", "129")] {
        let dir = tempfile::tempdir().expect("a directory");
        let pid_file = dir.path().join("pid");
        // The shell becomes the console, so that its pid is known.
        let command = format!(
            "sh -c 'echo $$ > {}; exec {HARK} --socket /nonexistent'; echo ended $?",
            pid_file.display()
        );
        let Some(terminal) = Terminal::run(&command, 80, 24) else {
            return;
        };
        terminal.see(&["No agent"]);
        let pid = std::fs::read_to_string(&pid_file).expect("the pid is written");
        let killed = Command::new("kill")
            .args(["-s", signal, pid.trim()])
            .status();
        assert!(killed.expect("kill runs").success());
        terminal.see(&[&format!("ended {code}")]);
        assert_eq!(terminal.modes(), "0 0 1", "after SIG{signal}");
    }
}

#[test]
fn a_terminal_that_goes_away_is_no_panic() {
    let dir = tempfile::tempdir().expect("a directory");
    let ended = dir.path().join("ended");
    // This shell outlives its terminal, to tell.
    let command = format!(
        "sh -c \"trap '' HUP; {HARK} --socket /nonexistent; echo \\$? > {}\"",
        ended.display()
    );
    let Some(terminal) = Terminal::run(&command, 80, 24) else {
        return;
    };
    terminal.see(&["No agent"]);
    drop(terminal);
    let until = Instant::now() + DEADLINE;
    let code = loop {
        match std::fs::read_to_string(&ended) {
            Ok(code) if code.ends_with('\n') => break code,
            _ => assert!(Instant::now() < until, "the console goes on"),
        }
        sleep(Duration::from_millis(50));
    };
    // By the signal, or by the error that came before it; 101 would be a panic.
    assert!(matches!(code.trim(), "129" | "5"), "{code}");
}

#[test]
fn a_signal_in_the_middle_of_work_gives_the_terminal_back_too() {
    let Some(agent) = Agent::start() else { return };
    let pid_file = agent.dir.path().join("pid");
    let command = format!(
        "sh -c 'echo $$ > {}; exec {HARK} --socket {}'; echo ended $?",
        pid_file.display(),
        agent.socket().display()
    );
    let Some(terminal) = Terminal::run(&command, 40, 12) else {
        return;
    };
    terminal.see(&["Unusual now"]);
    // In every view, with something open over it.
    terminal.press(&["2", "3", "4", "5", "6", "7", "1", ":"]);
    terminal.see(&["Commands"]);
    let pid = std::fs::read_to_string(&pid_file).expect("the pid is written");
    let killed = Command::new("kill")
        .args(["-s", "HUP", pid.trim()])
        .status();
    assert!(killed.expect("kill runs").success());
    terminal.see(&["ended 129"]);
    assert_eq!(terminal.modes(), "0 0 1");
}

#[test]
fn an_event_that_is_sent_is_seen_filtered_and_opened() {
    let Some(agent) = Agent::start() else { return };
    let Some(terminal) = console(&agent, 120, 36) else {
        return;
    };
    terminal.see(&["live", "Unusual now", "CPU"]);
    let sent = agent.hark(&[
        "send",
        "-s",
        "shop",
        "-l",
        "error",
        "-f",
        "order=4711",
        "till jammed",
    ]);
    assert!(sent.status.success(), "{sent:?}");
    agent.hark(&["send", "-s", "other", "nothing of note"]);
    terminal.see(&["till jammed"]);
    terminal.press(&["/"]);
    terminal.press(&["service:shop"]);
    let screen = terminal.see(&["Events · service:shop", " 1 found"]);
    assert!(!screen.contains("nothing of note"), "{screen}");
    // A filter that does not parse says where.
    terminal.press(&["Space", "tier>"]);
    terminal.see(&["column"]);
    terminal.press(&["C-u", "service:shop", "Enter", "Enter"]);
    terminal.see(&["order", "4711", "level", "error"]);
    terminal.press(&["7"]);
    terminal.see(&["The agent", "Sources", "Store"]);
    terminal.press(&["q"]);
    terminal.see(&["ended 0"]);
}

#[test]
fn time_stops_goes_back_and_is_live_again() {
    let Some(agent) = Agent::start() else { return };
    let Some(terminal) = console(&agent, 120, 36) else {
        return;
    };
    terminal.see(&["● live", "CPU"]);
    terminal.press(&["/", "service:shop", "Enter"]);
    agent.hark(&["send", "-l", "error", "-s", "shop", "till jammed"]);
    terminal.see(&["till jammed"]);
    terminal.press(&["Space"]);
    terminal.see(&["◀ then", "just now"]);
    agent.hark(&["send", "-s", "shop", "till mended"]);
    let screen = terminal.see(&["till jammed", " new  L live"]);
    assert!(!screen.contains("till mended"), "{screen}");
    // Before the agent was there, nothing is stored: the agent was asked, and says so.
    terminal.press(&["@", "2h", "Enter"]);
    terminal.see(&["2h ago", "L live", "Nothing kept here passes the filter"]);
    terminal.press(&["L"]);
    terminal.see(&["● live", "till mended"]);
}

#[test]
fn an_agent_that_comes_back_brings_what_it_stored_meanwhile() {
    let Some(mut agent) = Agent::start() else {
        return;
    };
    let Some(terminal) = console(&agent, 100, 30) else {
        return;
    };
    // The kernel's events of a busy host would push ours off the screen.
    terminal.see(&["Unusual now"]);
    terminal.press(&["/", "service:shop", "Enter"]);
    agent.hark(&["send", "-s", "shop", "before the fall"]);
    terminal.see(&["before the fall"]);
    agent.stop();
    terminal.see(&["Trying again in", "before the fall"]);
    agent.restart();
    agent.hark(&["send", "-s", "shop", "while it was away"]);
    terminal.press(&["r"]);
    terminal.see(&["before the fall", "while it was away"]);
    let gone = Instant::now() + DEADLINE;
    while terminal.screen().contains("Trying again") {
        assert!(Instant::now() < gone, "{}", terminal.screen());
    }
}

#[test]
fn hostile_text_does_not_move_the_cursor_or_retitle_the_terminal() {
    let Some(agent) = Agent::start() else { return };
    let Some(terminal) = console(&agent, 80, 24) else {
        return;
    };
    terminal.see(&["Unusual now"]);
    let hostile = "\u{1B}[2J\u{1B}[1;1Hgotcha\u{1B}]0;owned\u{7}\u{202E}evil";
    terminal.press(&["/", "service:shop", "Enter"]);
    agent.hark(&["send", "-s", "shop", hostile]);
    let screen = terminal.see(&["gotcha"]);
    assert!(
        screen
            .lines()
            .next()
            .is_some_and(|line| line.contains("hark")),
        "{screen}"
    );
    assert!(screen.contains("␛[2J"), "{screen}");
    let title = terminal
        .tmux()
        .args(["display-message", "-p", "#{pane_title}"])
        .output();
    let title = title.expect("tmux runs").stdout;
    assert!(!String::from_utf8_lossy(&title).contains("owned"));
}

#[test]
fn the_smallest_terminal_and_a_resize_do_not_break_it() {
    let Some(agent) = Agent::start() else { return };
    let Some(terminal) = console(&agent, 40, 12) else {
        return;
    };
    terminal.see(&["Unusual now", "Events"]);
    for (columns, rows) in [("100", "40"), ("20", "5"), ("80", "24")] {
        terminal.say(&["resize-window", "-x", columns, "-y", rows]);
        sleep(Duration::from_millis(50));
    }
    terminal.see(&["Health"]);
    terminal.press(&["q"]);
    terminal.see(&["ended 0"]);
}

#[test]
fn a_recorded_session_is_seen_again_without_its_agent() {
    let Some(mut agent) = Agent::start() else {
        return;
    };
    let recording = agent.dir.path().join("session");
    let screen = agent.dir.path().join("screen.txt");
    let command = format!(
        "{HARK} --socket {} --record {}; echo ended $?",
        agent.socket().display(),
        recording.display()
    );
    let Some(terminal) = Terminal::run(&command, 120, 36) else {
        return;
    };
    terminal.see(&["● live"]);
    // An error is unusual, and so stays on the first screen whatever else the host does.
    agent.hark(&["send", "-l", "error", "-s", "recorded", "the disk is slow"]);
    terminal.see(&["the disk is slow"]);
    terminal.press(&["q"]);
    terminal.see(&["ended 0"]);
    agent.stop();
    let replay = format!(
        "{HARK} --replay {} --speed 100; echo ended $?",
        recording.display()
    );
    let Some(terminal) = Terminal::run(&replay, 120, 36) else {
        return;
    };
    terminal.see(&["▶ recorded", "the disk is slow"]);
    // What is seen can be kept, too.
    terminal.press(&["E"]);
    terminal.write(&screen.display().to_string());
    terminal.press(&["Enter"]);
    terminal.see(&["36 lines are in"]);
    let text = std::fs::read_to_string(&screen).expect("written");
    assert!(text.contains("the disk is slow"), "{text}");
    terminal.press(&["q"]);
    terminal.see(&["ended 0"]);
}
