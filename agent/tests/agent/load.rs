//! Senders that go on whatever happens, and know what was acknowledged to them.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::Scope;
use std::time::Duration;

use crate::harness::{Agent, Answer, PATIENCE, Request};

/// See [`Load::stop_at_end`].
pub(crate) struct StopAtEnd<'l>(&'l Load);

impl Drop for StopAtEnd<'_> {
    fn drop(&mut self) {
        self.0.stop.store(true, Ordering::Relaxed);
    }
}

/// What became of the messages of all senders.
#[derive(Default)]
pub(crate) struct Load {
    stop: AtomicBool,
    running: AtomicU64,
    /// Sent once, without a key: acknowledged, refused, and without an answer.
    acknowledged: Mutex<Vec<String>>,
    refused: Mutex<Vec<String>>,
    unanswered: AtomicU64,
    /// Sent under a key until acknowledged.
    keyed: Mutex<Vec<String>>,
    /// Further attempts that it took, and those that were answered as before.
    repeated: AtomicU64,
    replayed: AtomicU64,
}

fn attempt(socket: &Path, request: Request) -> Option<Answer> {
    let stream = UnixStream::connect(socket).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    request.try_send(stream)
}

impl Load {
    /// Starts so many senders of both kinds; they end after [`Load::stop_at_end`].
    pub(crate) fn start<'s>(
        &'s self,
        scope: &'s Scope<'s, '_>,
        socket: &'s Path,
        plain: usize,
        keyed: usize,
    ) {
        for sender in 0..plain {
            self.running.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move || {
                self.send_once(socket, sender);
                self.running.fetch_sub(1, Ordering::Relaxed);
            });
        }
        for sender in 0..keyed {
            self.running.fetch_add(1, Ordering::Relaxed);
            scope.spawn(move || {
                self.send_until_acknowledged(socket, sender);
                self.running.fetch_sub(1, Ordering::Relaxed);
            });
        }
    }

    /// Ends the senders when it is dropped: also where a test panics, so that nobody waits for
    /// them in vain.
    pub(crate) fn stop_at_end(&self) -> StopAtEnd<'_> {
        StopAtEnd(self)
    }

    /// Whether all senders have ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// How many messages were acknowledged.
    pub(crate) fn acknowledged(&self) -> usize {
        self.acknowledged.lock().expect("whole").len() + self.keyed.lock().expect("whole").len()
    }

    /// How many requests were refused.
    pub(crate) fn refused(&self) -> usize {
        self.refused.lock().expect("whole").len()
    }

    fn send_once(&self, socket: &Path, sender: usize) {
        for i in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let message = format!("plain {sender} {i}");
            let body = format!(r#"{{"message":"{message}"}}"#);
            match attempt(socket, Request::new("POST", "/log").json(body)) {
                Some(answer) if answer.status == 200 => {
                    self.acknowledged.lock().expect("whole").push(message);
                }
                Some(answer) => {
                    assert_eq!(answer.status, 503, "{}", answer.text());
                    self.refused.lock().expect("whole").push(message);
                    std::thread::sleep(Duration::from_millis(20));
                }
                None => {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                    std::thread::sleep(Duration::from_millis(20));
                }
            }
        }
    }

    fn send_until_acknowledged(&self, socket: &Path, sender: usize) {
        for batch in 0.. {
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let messages: Vec<_> = (0..=batch * 7 % 40)
                .map(|i| format!("keyed {sender} {batch} {i}"))
                .collect();
            let lines: String = messages
                .iter()
                .map(|message| format!("{{\"message\":\"{message}\"}}\n"))
                .collect();
            let key = format!("{sender}-{batch}");
            // Not for ever, where a test has failed and there is no agent any more.
            let until = std::time::Instant::now() + PATIENCE;
            loop {
                let request = Request::new("POST", "/logs")
                    .header("Idempotency-Key", &key)
                    .lines(&lines);
                let answer = attempt(socket, request);
                if let Some(answer) = answer.filter(|answer| answer.status == 200) {
                    assert_eq!(answer.json()["accepted"], messages.len());
                    if answer.header("idempotency-replayed").is_some() {
                        self.replayed.fetch_add(1, Ordering::Relaxed);
                    }
                    break;
                }
                self.repeated.fetch_add(1, Ordering::Relaxed);
                if std::time::Instant::now() > until {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            self.keyed.lock().expect("whole").extend(messages);
        }
    }

    /// Looks for everything that was acknowledged. Panics where something is lost, is there twice,
    /// or is there though it was refused; else says what was found, as a row of a table.
    pub(crate) fn verify(&self, agent: &Agent) -> String {
        let mut found: HashMap<String, u64> = HashMap::new();
        for event in agent.events("source:log") {
            let message = event["message"].as_str().expect("text").to_owned();
            *found.entry(message).or_default() += 1;
        }
        let (plain, keyed, refused) = (
            self.acknowledged.lock().expect("whole"),
            self.keyed.lock().expect("whole"),
            self.refused.lock().expect("whole"),
        );
        let twice: Vec<_> = found.iter().filter(|(_, count)| **count > 1).collect();
        let lost: Vec<_> = plain
            .iter()
            .chain(keyed.iter())
            .filter(|message| !found.contains_key(*message))
            .collect();
        let kept: Vec<_> = refused
            .iter()
            .filter(|message| found.contains_key(*message))
            .collect();
        let row = format!(
            "acknowledged plain {}, keyed {}; refused {}, without an answer {}; batches sent again {}, \
             answered as before {}; lost {}, twice {}",
            plain.len(),
            keyed.len(),
            refused.len(),
            self.unanswered.load(Ordering::Relaxed),
            self.repeated.load(Ordering::Relaxed),
            self.replayed.load(Ordering::Relaxed),
            lost.len(),
            twice.len()
        );
        assert!(lost.is_empty(), "{row}: {lost:?}");
        assert!(twice.is_empty(), "{row}: {twice:?}");
        assert!(kept.is_empty(), "{row}; refused and kept: {kept:?}");
        row
    }
}
