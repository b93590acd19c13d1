//! Several real agents at once in one console.

mod agent;
mod terminal;

use agent::{Agent, HARK, crash_loop};
use terminal::Terminal;

/// The names of the hosts in the order of their rows.
fn order(screen: &str) -> Vec<&str> {
    let rows = screen.lines().skip_while(|line| !line.contains("HOST"));
    rows.skip(1)
        .filter_map(|line| line.split_whitespace().nth(1))
        .filter(|name| ["web", "db", "cache"].contains(name))
        .collect()
}

#[test]
fn the_worst_host_comes_first_and_one_that_is_away_says_why_and_comes_back() {
    let (Some(web), Some(db), Some(mut cache)) = (
        Agent::start_on_a_port(false),
        Agent::start_on_a_port(true),
        Agent::start_on_a_port(false),
    ) else {
        return;
    };
    let dir = tempfile::tempdir().expect("a directory");
    let config = dir.path().join("console.toml");
    let host = |name: &str, agent: &Agent| {
        format!(
            "[[hosts]]\nname = \"{name}\"\nurl = \"http://127.0.0.1:{}\"\ntoken_file = \"{}\"\n",
            agent.port.expect("it has a port"),
            agent.token().display()
        )
    };
    let text = host("web", &web) + &host("db", &db) + &host("cache", &cache);
    std::fs::write(&config, text).expect("written");
    let command = format!("{HARK} --config {}; echo ended $?", config.display());
    let Some(terminal) = Terminal::run(&command, 100, 24) else {
        return;
    };
    terminal.see(&["Hosts, the worst first", "3, all answer"]);

    // Something is wrong with one of them.
    if db.has("process") {
        crash_loop();
        let screen = terminal.see(&["◆ db", "crashed"]);
        assert_eq!(order(&screen)[0], "db", "{screen}");
    }

    // Another does not answer: that is worse.
    cache.stop();
    let screen = terminal.see(&["✗ cache", "1 does not answer", "connection refused"]);
    assert_eq!(order(&screen)[0], "cache", "{screen}");

    // One is looked at in all views, and the others are watched all the same.
    terminal.press(&["Down", "Enter"]);
    terminal.see(&["Unusual now", "Vital signs"]);
    terminal.press(&["7"]);
    terminal.see(&["The agent", "http://127.0.0.1"]);
    cache.restart();
    terminal.press(&["8"]);
    let screen = terminal.see(&["3, all answer"]);
    assert!(!screen.contains('✗'), "{screen}");
    terminal.press(&["q"]);
    terminal.see(&["ended 0"]);
}

#[test]
fn a_host_that_wants_a_token_says_so() {
    let Some(agent) = Agent::start_on_a_port(false) else {
        return;
    };
    let port = agent.port.expect("it has a port");
    let command = format!(
        "{HARK} --host http://127.0.0.1:{port} --token {}",
        "wrong-token"
    );
    let Some(terminal) = Terminal::run(&command, 100, 24) else {
        return;
    };
    terminal.see(&["1 does not answer", "token"]);
}
