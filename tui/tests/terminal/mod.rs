//! A real terminal (tmux) for tests. Where there is no tmux, they say so and pass.
#![allow(dead_code, reason = "not every test file needs all of it")]

use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::agent::{Agent, DEADLINE, HARK};

/// A terminal with one program in it.
pub(crate) struct Terminal {
    server: String,
}

impl Terminal {
    /// Runs a shell command in a terminal of this size; none where tmux is missing.
    pub(crate) fn run(command: &str, columns: u16, rows: u16) -> Option<Self> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let terminal = Self {
            server: format!("hark-test-{}-{number}", std::process::id()),
        };
        let size = [columns.to_string(), rows.to_string()];
        let started = terminal
            .tmux()
            .args([
                "-f",
                "/dev/null",
                "new-session",
                "-d",
                "-x",
                &size[0],
                "-y",
                &size[1],
                "sh",
            ])
            .status();
        if !started.is_ok_and(|status| status.success()) {
            eprintln!("skipped: tmux cannot be run here");
            return None;
        }
        terminal.say(&["set", "-g", "status", "off"]);
        terminal.say(&["resize-window", "-x", &size[0], "-y", &size[1]]);
        terminal.say(&["send-keys", "-l", command]);
        terminal.say(&["send-keys", "Enter"]);
        Some(terminal)
    }

    pub(crate) fn tmux(&self) -> Command {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.server]);
        tmux
    }

    pub(crate) fn say(&self, args: &[&str]) {
        let status = self.tmux().args(args).status().expect("tmux runs");
        assert!(status.success(), "tmux {args:?}");
    }

    pub(crate) fn press(&self, keys: &[&str]) {
        for key in keys {
            self.say(&["send-keys", key]);
        }
    }

    pub(crate) fn screen(&self) -> String {
        let output = self.tmux().args(["capture-pane", "-p"]).output();
        String::from_utf8(output.expect("tmux runs").stdout).expect("tmux writes UTF-8")
    }

    /// Waits until the screen has all of these.
    pub(crate) fn see(&self, texts: &[&str]) -> String {
        let until = Instant::now() + DEADLINE;
        loop {
            let screen = self.screen();
            if texts.iter().all(|text| screen.contains(text)) {
                return screen;
            }
            assert!(Instant::now() < until, "{texts:?} never came:\n{screen}");
            sleep(Duration::from_millis(50));
        }
    }

    /// Types a text as it is.
    pub(crate) fn write(&self, text: &str) {
        self.say(&["send-keys", "-l", text]);
    }

    /// What tmux was told for its clipboard.
    pub(crate) fn clipboard(&self) -> String {
        let output = self.tmux().arg("show-buffer").output();
        String::from_utf8_lossy(&output.expect("tmux runs").stdout).into_owned()
    }

    /// What tmux knows of the terminal's modes: alternate screen, mouse, cursor.
    pub(crate) fn modes(&self) -> String {
        let modes = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
        let output = self.tmux().args(["display-message", "-p", modes]).output();
        let output = output.expect("tmux runs").stdout;
        String::from_utf8_lossy(&output).trim().to_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self
            .tmux()
            .arg("kill-server")
            .stderr(Stdio::null())
            .status();
    }
}

/// The console on an agent.
pub(crate) fn console(agent: &Agent, columns: u16, rows: u16) -> Option<Terminal> {
    let command = format!(
        "{HARK} --socket {}; echo ended $?",
        agent.socket().display()
    );
    Terminal::run(&command, columns, rows)
}
