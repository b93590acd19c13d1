//! What hands do in a real terminal: the palette, searches, templates, rhythms, incidents, the
//! clipboard, exports, and keys that are set.

mod agent;
mod terminal;

use agent::{Agent, HARK, crash_loop};
use terminal::{Terminal, console};

#[test]
fn metrics_are_searched_pinned_and_shown_as_rhythms() {
    let Some(agent) = Agent::start() else { return };
    let Some(terminal) = console(&agent, 120, 36) else {
        return;
    };
    terminal.see(&["● live"]);
    terminal.press(&["4"]);
    terminal.see(&["node_load1"]);
    terminal.press(&["/"]);
    terminal.write("memory avail");
    terminal.see(&["node_memory_MemAvailable_bytes", "1 of"]);
    terminal.press(&["Enter", "P"]);
    terminal.see(&["▪node_memory_MemAvailable_bytes", "now ", "mean "]);
    terminal.press(&["+"]);
    terminal.see(&["5m · live"]);
    // By the palette, as one who does not know the key.
    terminal.press(&[":"]);
    terminal.write("rhythms");
    // The key is told too, for the next time.
    let screen = terminal.see(&["The rhythms of the curve"]);
    let line = screen.lines().find(|line| line.contains("The rhythms of"));
    assert!(line.is_some_and(|line| line.contains(" F ")), "{screen}");
    terminal.press(&["Enter"]);
    terminal.see(&["learned"]);
    // What is seen is kept as numbers.
    let path = agent.dir.path().join("points.csv");
    terminal.press(&["E"]);
    terminal.write(&path.display().to_string());
    terminal.press(&["Enter"]);
    terminal.see(&["rows are in"]);
    let points = std::fs::read_to_string(&path).expect("written");
    assert!(
        points.contains("node_memory_MemAvailable_bytes"),
        "{points}"
    );
}

#[test]
fn templates_are_counted_and_lead_to_their_lines() {
    let Some(agent) = Agent::start() else { return };
    for number in 0..40 {
        agent.hark(&["send", "-s", "shop", &format!("order {number} is packed")]);
    }
    agent.hark(&["send", "-s", "shop", "the till is jammed"]);
    let Some(terminal) = console(&agent, 100, 24) else {
        return;
    };
    terminal.see(&["Unusual now"]);
    terminal.press(&["3", "T"]);
    terminal.see(&[
        "Log templates",
        "40",
        "order <*> is packed",
        "the till is jammed",
    ]);
    terminal.press(&["Enter"]);
    let screen = terminal.see(&["template:", "order 39 is packed"]);
    assert!(!screen.contains("the till is jammed"), "{screen}");
}

#[test]
fn an_incident_is_noted_seen_and_silenced() {
    let Some(agent) = Agent::start() else { return };
    if !agent.has("process") {
        eprintln!("skipped: the kernel's events cannot be heard here");
        return;
    }
    let Some(terminal) = console(&agent, 120, 40) else {
        return;
    };
    terminal.see(&["● live"]);
    crash_loop();
    terminal.press(&["2"]);
    terminal.see(&["open", "crashed", "Who may be behind it"]);
    terminal.press(&["i"]);
    terminal.write("it is only a test");
    terminal.press(&["Enter"]);
    terminal.see(&["it is only a test", "uid "]);
    terminal.press(&["S"]);
    terminal.see(&["silenced", "m more"]);
    terminal.press(&["S", "A"]);
    terminal.see(&["seen", "by uid "]);
}

#[test]
fn what_is_copied_reaches_the_clipboard_of_the_terminal() {
    let Some(agent) = Agent::start() else { return };
    let Some(terminal) = console(&agent, 100, 24) else {
        return;
    };
    terminal.say(&["set", "-g", "set-clipboard", "on"]);
    terminal.see(&["Unusual now"]);
    terminal.press(&["/"]);
    terminal.write("service:shop");
    terminal.press(&["Enter"]);
    agent.hark(&["send", "-s", "shop", "till jammed"]);
    terminal.see(&["till jammed"]);
    terminal.press(&["y"]);
    terminal.see(&["Copied"]);
    let copied: serde_json::Value =
        serde_json::from_str(&terminal.clipboard()).expect("an event as JSON");
    assert_eq!(copied["message"], "till jammed");
}

#[test]
fn a_configuration_file_sets_keys_and_a_wrong_line_is_named() {
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("console.toml");
    let run = |text: &str| {
        std::fs::write(&config, text).expect("written");
        let command = format!(
            "{HARK} --config {} --socket /nonexistent; echo ended $?",
            config.display()
        );
        Terminal::run(&command, 100, 24)
    };
    let Some(terminal) = run("theme = \"mono\"\n[keys]\nquit = [\"Q\"]\n") else {
        return;
    };
    terminal.see(&["No agent", "Q quit"]);
    terminal.press(&["q", "?"]);
    terminal.see(&["Keys"]);
    terminal.press(&["Escape", "Q"]);
    terminal.see(&["ended 0"]);
    let terminal = run("\n[keys]\nquti = [\"Q\"]\n").expect("tmux ran before");
    terminal.see(&["line 3", "no `quti`", "ended 2"]);
}
