//! A real terminal for programs to be looked at in: a tmux server of our own, with one pane.

use std::process::Command;

use crate::error::Error;
use crate::run;

/// Ends with its program when it is dropped.
pub(crate) struct Terminal {
    server: String,
}

impl Terminal {
    /// Runs a command of the shell in the project's root, on so many columns and rows. No two with
    /// one name may run at a time.
    pub(crate) fn start(name: &str, command: &str, size: (u16, u16)) -> Result<Self, Error> {
        let terminal = Self {
            server: format!("hark-{name}-{}", std::process::id()),
        };
        let (columns, rows) = (size.0.to_string(), size.1.to_string());
        let size = ["-x", &columns, "-y", &rows];
        let command = format!("exec env COLORTERM=truecolor {command}");
        let start = ["-f", "/dev/null", "new-session", "-d"];
        terminal.tmux(&[&start[..], &size, &[&command]].concat())?;
        // Its own line would take one of the rows.
        terminal.tmux(&["set", "-g", "status", "off"])?;
        terminal.tmux(&[&["resize-window"], &size[..]].concat())?;
        Ok(terminal)
    }

    /// What a command of tmux prints.
    pub(crate) fn tmux(&self, args: &[&str]) -> Result<String, Error> {
        let mut tmux = Command::new("tmux");
        tmux.args(["-L", &self.server])
            .args(args)
            .current_dir(run::root());
        let output = run::output(&mut tmux)?;
        Ok(String::from_utf8_lossy(&output).into_owned())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.tmux(&["kill-server"]);
    }
}
