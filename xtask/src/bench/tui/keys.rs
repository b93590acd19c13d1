//! How long a key takes, on a pseudo-terminal with nothing between: from the moment
//! when it is written to the end of the frame that shows what it did.

use std::fs::{File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Receiver};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use super::SIZE;
use crate::error::Error;

/// How long a key may take to show before it is given up.
const DEADLINE: Duration = Duration::from_secs(5);
/// The key opens the help, whose heading this is; no event has it.
const KEY: &[u8] = b"?";
const SHOWN: &[u8] = b"Keys";
/// The key that closes it again.
const CLOSE: &[u8] = b"\x1B";
/// What ends a frame: the end of a synchronized update.
const FRAME_END: &[u8] = b"\x1B[?2026l";

/// What came from the console, and when.
type Chunk = (Instant, Vec<u8>);

/// The console on a pseudo-terminal.
pub(super) struct Console {
    child: Child,
    keys: File,
    written: Receiver<Chunk>,
}

impl Console {
    /// Starts it, and waits until it has settled.
    pub(super) fn start(hark: &Path, socket: &str) -> Result<Self, Error> {
        let refused = |what: &str, error: &dyn std::fmt::Display| {
            Error::Check(format!("a pseudo-terminal: {what}: {error}"))
        };
        let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY);
        let ours = ours.map_err(|error| refused("openpt", &error))?;
        grantpt(&ours).map_err(|error| refused("grantpt", &error))?;
        unlockpt(&ours).map_err(|error| refused("unlockpt", &error))?;
        let size = Winsize {
            ws_row: SIZE.1,
            ws_col: SIZE.0,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        tcsetwinsize(&ours, size).map_err(|error| refused("its size", &error))?;
        let name = ptsname(&ours, Vec::new()).map_err(|error| refused("ptsname", &error))?;
        let name = name.to_string_lossy().into_owned();
        let theirs = || {
            let file = OpenOptions::new().read(true).write(true).open(&name);
            file.map_err(Error::file(Path::new(&name)))
        };
        let child = Command::new(hark)
            .args(["--socket", socket])
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .stdin(theirs()?)
            .stdout(theirs()?)
            .stderr(theirs()?)
            .spawn()
            .map_err(|source| Error::Start {
                program: hark.display().to_string(),
                source,
            })?;
        let keys = File::from(ours);
        let mut screen = keys.try_clone().map_err(|error| refused("dup", &error))?;
        let (out, written) = mpsc::channel();
        std::thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            // It ends with an error when the console does.
            while let Ok(count) = screen.read(&mut bytes) {
                let chunk = (Instant::now(), bytes[..count].to_vec());
                if count == 0 || out.send(chunk).is_err() {
                    return;
                }
            }
        });
        sleep(Duration::from_secs(3));
        Ok(Self {
            child,
            keys,
            written,
        })
    }

    /// How long so many keys take.
    pub(super) fn times(&mut self, count: usize) -> Result<Vec<Duration>, Error> {
        (0..count).map(|_| self.time()).collect()
    }

    fn time(&mut self) -> Result<Duration, Error> {
        while self.written.try_recv().is_ok() {}
        let lost = |error| Error::Check(format!("the pseudo-terminal: {error}"));
        let pressed = Instant::now();
        self.keys.write_all(KEY).map_err(lost)?;
        let mut seen = Vec::new();
        let shown = loop {
            let Ok((when, bytes)) = self.written.recv_timeout(DEADLINE) else {
                return Err(Error::Check("a key was never shown".to_owned()));
            };
            seen.extend(bytes);
            let end = find(&seen, SHOWN).and_then(|at| find(&seen[at..], FRAME_END));
            if end.is_some() {
                break when;
            }
        };
        self.keys.write_all(CLOSE).map_err(lost)?;
        // Longer than frames are apart, so that the next key meets a console that waits.
        sleep(Duration::from_millis(137));
        Ok(shown - pressed)
    }
}

impl Drop for Console {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}
