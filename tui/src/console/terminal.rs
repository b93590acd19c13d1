//! The terminal: taken over at the start, and given back however the program ends.

use std::io::{self, Stdout, Write as _};
use std::mem::ManuallyDrop;
use std::sync::Once;
use std::sync::atomic::{AtomicBool, Ordering};

use crossterm::clipboard::CopyToClipboard;
use crossterm::event::{
    DisableBracketedPaste, DisableMouseCapture, EnableBracketedPaste, EnableMouseCapture,
};
use crossterm::style::Print;
use crossterm::terminal::{
    BeginSynchronizedUpdate, EndSynchronizedUpdate, EnterAlternateScreen, LeaveAlternateScreen,
    SetTitle, disable_raw_mode, enable_raw_mode,
};
use crossterm::{cursor, execute, queue};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

/// Have the terminal remember its title, and show that one again (XTWINOPS 22 and 23). Those that
/// know neither pass over them.
const KEEP_TITLE: &str = "\x1B[22;2t";
const TITLE_BEFORE: &str = "\x1B[23;2t";

/// The screen is ours.
static TAKEN: AtomicBool = AtomicBool::new(false);

/// The screen, ours until dropped.
pub(super) struct Screen {
    /// Not dropped: it would tell standard error that it cannot show the cursor, and panic where the
    /// terminal is gone.
    terminal: ManuallyDrop<Terminal<CrosstermBackend<Stdout>>>,
}

impl Screen {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// Standard output is no terminal, or refuses.
    pub(super) fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let report = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                give_back();
                report(panic);
            }));
        });
        // The theme knows about NO_COLOR; crossterm's own way would also lose bold and reverse.
        crossterm::style::force_color_output(true);
        enable_raw_mode()?;
        TAKEN.store(true, Ordering::SeqCst);
        let screen = execute!(
            io::stdout(),
            EnterAlternateScreen,
            EnableMouseCapture,
            EnableBracketedPaste,
            Print(KEEP_TITLE),
            SetTitle("hark")
        )
        .and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match screen {
            Ok(terminal) => Ok(Self {
                terminal: ManuallyDrop::new(terminal),
            }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws a frame, in one update where the terminal can. The draw function may say where the
    /// cursor is to be seen.
    pub(super) fn draw(
        &mut self,
        draw: impl FnOnce(&mut Buffer) -> Option<Position>,
    ) -> io::Result<()> {
        queue!(io::stdout(), BeginSynchronizedUpdate)?;
        self.terminal.draw(|frame| {
            if let Some(cursor) = draw(frame.buffer_mut()) {
                frame.set_cursor_position(cursor);
            }
        })?;
        execute!(io::stdout(), EndSynchronizedUpdate)
    }

    /// The place that frames are drawn to.
    pub(super) fn area(&self) -> io::Result<Rect> {
        Ok(Rect::from((Position::ORIGIN, self.terminal.size()?)))
    }

    /// Has every cell drawn again with the next frame.
    pub(super) fn redraw(&mut self) -> io::Result<()> {
        self.terminal.clear()
    }

    /// Puts a text on the clipboard of the terminal's user, over ssh too (OSC 52).
    #[expect(
        clippy::unused_self,
        reason = "only who has the screen may write to it"
    )]
    pub(super) fn copy(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), CopyToClipboard::to_clipboard_from(text))
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives the terminal back, once. Errors are passed over: the terminal may be gone.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let mut out = io::stdout();
        let _ = execute!(
            out,
            EndSynchronizedUpdate,
            DisableBracketedPaste,
            DisableMouseCapture,
            LeaveAlternateScreen,
            Print(TITLE_BEFORE),
            cursor::Show
        );
        let _ = out.flush();
        let _ = disable_raw_mode();
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread::sleep;
    use std::time::{Duration, Instant};

    use super::*;

    /// Set where the panicking test is run by the other one.
    const BY_TEST: &str = "HARK_TEST_PANICS";

    #[test]
    #[ignore = "takes the terminal over and panics: the test below runs it in one"]
    fn takes_the_terminal_over_and_panics() {
        if std::env::var_os(BY_TEST).is_some() {
            let _screen = Screen::take().expect("a terminal");
            panic!("on purpose");
        }
    }

    #[test]
    fn a_panic_gives_the_terminal_back_and_can_be_read() {
        let server = format!("hark-panic-{}", std::process::id());
        let tmux = |args: &[&str]| {
            let output = Command::new("tmux")
                .args(["-L", &server])
                .args(args)
                .output();
            let output = output.ok()?;
            let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
            output.status.success().then_some(text)
        };
        let me = std::env::current_exe().expect("this program");
        let name = "console::terminal::tests::takes_the_terminal_over_and_panics";
        let command = format!(
            "{BY_TEST}=1 RUST_BACKTRACE=0 {} --ignored --exact {name} --nocapture; echo ended; cat",
            me.display()
        );
        let size = ["-x", "100", "-y", "24"];
        let start = ["-f", "/dev/null", "new-session", "-d"];
        if tmux(&[&start[..], &size[..], &[&command]].concat()).is_none() {
            eprintln!("skipped: tmux cannot be run here");
            return;
        }
        let until = Instant::now() + Duration::from_secs(30);
        let screen = loop {
            let screen = tmux(&["capture-pane", "-p"]).unwrap_or_default();
            if screen.contains("ended") || Instant::now() > until {
                break screen;
            }
            sleep(Duration::from_millis(50));
        };
        let modes = "#{alternate_on} #{mouse_any_flag} #{cursor_flag}";
        let modes = tmux(&["display-message", "-p", modes]);
        tmux(&["kill-server"]);
        assert!(screen.contains("on purpose"), "{screen}");
        assert_eq!(modes.as_deref(), Some("0 0 1"));
    }
}
