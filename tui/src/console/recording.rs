//! A session in a file: what the agent told, kept while it is seen, and told again without an
//! agent. A line of JSON each, with the time at which it came.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hark_api::{Event, IncidentRecord, SeriesEntry, Status, Timestamp, Vitals};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::connection::News;
use super::state::ask::Ask;
use super::state::history::Values;
use crate::clean::Clean;
use crate::error::Error;

/// Bytes of a recording at most.
const MAX_BYTES: u64 = 1 << 30;

/// News as it is kept.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kept<S, V, E, I, L, P> {
    Status(S),
    Vitals(V),
    Past(P),
    Events(E),
    Unusual(E),
    Incidents(I),
    Series(L),
    Missed(u64),
}

type Owned = Kept<
    Box<Status>,
    Box<Vitals>,
    Vec<Event>,
    Vec<IncidentRecord>,
    Vec<SeriesEntry>,
    Vec<(Timestamp, Values)>,
>;

#[derive(Serialize, Deserialize)]
struct Line<K> {
    at: Timestamp,
    news: K,
}

/// Writes what comes to a file.
pub(crate) struct Recorder {
    out: BufWriter<File>,
    path: PathBuf,
    bytes: u64,
}

impl Recorder {
    /// A new file, for its owner only: nothing is written over.
    pub(crate) fn new(path: &Path) -> Result<Self, Error> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path);
        let file = file.map_err(|error| refused(path, &error))?;
        Ok(Self {
            out: BufWriter::new(file),
            path: path.to_owned(),
            bytes: 0,
        })
    }

    /// Keeps news; what is of the connection only is not kept.
    ///
    /// # Errors
    /// The file cannot be written, or is full.
    pub(crate) fn keep(&mut self, news: &News, at: Timestamp) -> Result<(), Error> {
        let news = match news {
            News::Status(status) => Kept::Status(&***status),
            News::Vitals(vitals) => Kept::Vitals(vitals),
            News::Past(past) => Kept::Past(past),
            News::Events(events) => Kept::Events(events),
            News::Unusual(events) => Kept::Unusual(events),
            News::Incidents(records) => Kept::Incidents(records),
            News::Series(entries) => Kept::Series(entries),
            News::Missed(count) => Kept::Missed(*count),
            News::Connecting
            | News::Live
            | News::Changed(_)
            | News::Data { .. }
            | News::Heat { .. }
            | News::Templates(_)
            | News::Stored(_)
            | News::Anomaly { .. }
            | News::Unanswered(_)
            | News::Down { .. } => return Ok(()),
        };
        let written = serde_json::to_string(&Line { at, news }).map_err(io::Error::from);
        let written = written.and_then(|line| {
            self.bytes += line.len() as u64 + 1;
            if self.bytes > MAX_BYTES {
                return Err(io::Error::other("it is full: 1 GiB"));
            }
            writeln!(self.out, "{line}")?;
            self.out.flush()
        });
        written.map_err(|error| refused(&self.path, &error))
    }
}

fn refused(path: &Path, error: &io::Error) -> Error {
    Error::Recording(format!("{}: {error}", path.display()))
}

/// The time in a recording: it goes as fast as asked, and stops at the end.
#[derive(Clone, Copy)]
pub(crate) struct Clock {
    began: Instant,
    first: Timestamp,
    last: Timestamp,
    speed: f64,
}

impl Clock {
    pub(crate) fn now(&self) -> Timestamp {
        let nanos = self.began.elapsed().as_secs_f64() * 1e9 * self.speed;
        self.first.plus_nanos(nanos as i64).min(self.last)
    }

    /// How long it is until a time of the recording.
    fn until(&self, at: Timestamp) -> Duration {
        let nanos = at.as_nanos().saturating_sub(self.now().as_nanos()).max(0);
        Duration::from_secs_f64(nanos as f64 / 1e9 / self.speed)
    }
}

/// A recording that is told again.
pub(crate) struct Replay {
    path: PathBuf,
    pub(crate) clock: Clock,
}

impl Replay {
    /// Looks through a recording; it must be whole but for its last line.
    ///
    /// # Errors
    /// It cannot be read, or a line of it is not of a recording; the line is named.
    pub(crate) fn open(path: &Path, speed: f64) -> Result<Self, Error> {
        let mut ends = None;
        each(path, |line| {
            let (first, _) = ends.unwrap_or((line.at, line.at));
            ends = Some((first, line.at));
        })?;
        let nothing = || Error::Recording(format!("{}: nothing is in it", path.display()));
        let (first, last) = ends.ok_or_else(nothing)?;
        let clock = Clock {
            began: Instant::now(),
            first,
            last,
            speed,
        };
        Ok(Self {
            path: path.to_owned(),
            clock,
        })
    }

    /// Tells it, each at its time, until nobody hears it any more.
    pub(crate) async fn tell(self, news: mpsc::Sender<News>) -> Result<(), Error> {
        let file = File::open(&self.path).map_err(|error| refused(&self.path, &error))?;
        for text in BufReader::new(file).lines() {
            let text = text.map_err(|error| refused(&self.path, &error))?;
            let Ok(line) = serde_json::from_str::<Line<Owned>>(&text) else {
                break;
            };
            tokio::time::sleep(self.clock.until(line.at)).await;
            if news.send(line.news.into()).await.is_err() {
                break;
            }
        }
        Ok(())
    }
}

/// Each line of a recording. The last may be cut short, as after a crash.
fn each(path: &Path, mut take: impl FnMut(Line<Owned>)) -> Result<(), Error> {
    let file = File::open(path).map_err(|error| refused(path, &error))?;
    let mut lines = (1..).zip(BufReader::new(file).lines()).peekable();
    while let Some((number, text)) = lines.next() {
        let text = text.map_err(|error| refused(path, &error))?;
        match serde_json::from_str(&text) {
            Ok(line) => take(line),
            Err(_) if number > 1 && lines.peek().is_none() => {}
            Err(error) => {
                let path = path.display();
                let why = format!("{path}: line {number} is not of a recording: {error}");
                return Err(Error::Recording(why));
            }
        }
    }
    Ok(())
}

impl From<Owned> for News {
    fn from(kept: Owned) -> Self {
        match kept {
            Kept::Status(status) => Self::Status(Box::new(Clean::new(*status))),
            Kept::Vitals(vitals) => Self::Vitals(vitals),
            Kept::Past(past) => Self::Past(past),
            Kept::Events(events) => Self::Events(events),
            Kept::Unusual(events) => Self::Unusual(events),
            Kept::Incidents(records) => Self::Incidents(records),
            Kept::Series(entries) => Self::Series(entries),
            Kept::Missed(count) => Self::Missed(count),
        }
    }
}

/// Says of each question that a recording cannot answer it.
pub(crate) async fn refuse(mut asks: mpsc::Receiver<Ask>, news: mpsc::Sender<News>) {
    while let Some(ask) = asks.recv().await {
        let answer = match ask {
            // What was told so far is all that there is.
            Ask::List | Ask::Heat { .. } | Ask::Templates | Ask::Scene(_) | Ask::Anomaly { .. } => {
                continue;
            }
            Ask::Data { .. } => News::Unanswered("A recording does not have curves".to_owned()),
            Ask::Acknowledge(_) | Ask::Silence(..) | Ask::Note(..) => {
                News::Changed(Err("A recording cannot be changed".to_owned()))
            }
        };
        if news.send(answer).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[tokio::test]
    async fn a_session_is_told_again_as_it_was() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("session");
        let mut recorder = Recorder::new(&path).expect("a file");
        let at = |secs: i64| NOON.plus_nanos(secs * 1_000_000_000);
        let status = Clean::new(sample::status(None));
        let events = sample::events();
        for (news, secs) in [
            (News::Live, 0),
            (News::Status(Box::new(status)), 0),
            (News::Events(events.clone()), 1),
            (News::Vitals(Box::new(sample::vitals(1, None))), 2),
        ] {
            recorder.keep(&news, at(secs)).expect("kept");
        }
        assert!(Recorder::new(&path).is_err(), "it is there already");
        // As a crash would leave it.
        let mut file = OpenOptions::new().append(true).open(&path).expect("there");
        write!(file, "{{\"at\":").expect("written");
        let replay = Replay::open(&path, 1_000.0).expect("a recording");
        let clock = replay.clock;
        let (out, mut told) = mpsc::channel(10);
        replay.tell(out).await.expect("told");
        assert!(matches!(told.recv().await, Some(News::Status(_))));
        assert!(matches!(told.recv().await, Some(News::Events(again)) if again == events));
        assert!(matches!(told.recv().await, Some(News::Vitals(_))));
        assert!(told.recv().await.is_none());
        assert_eq!(clock.now(), at(2), "time stops at the end");
    }

    #[test]
    fn a_file_that_is_no_recording_is_refused_by_line() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("session");
        std::fs::write(&path, "{\"at\":1}\nmore\n").expect("written");
        let error = Replay::open(&path, 1.0).err().expect("refused");
        assert!(error.to_string().contains("line 1"), "{error}");
        std::fs::write(&path, "").expect("written");
        assert!(Replay::open(&path, 1.0).is_err());
    }
}
