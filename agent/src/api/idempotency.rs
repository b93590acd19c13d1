//! `Idempotency-Key`: a request that is sent again is answered as it was the first time, and its
//! events are stored once. After [draft-ietf-httpapi-idempotency-key-header][draft].
//!
//! What was answered is kept in the commit that stores the request's events: both are on disk or
//! neither. A request that comes again while the first is under way waits for it. Requests that
//! stored nothing leave nothing, and can be sent again under their key.
//!
//! [draft]: https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use hark_api::{Accepted, BatchAccepted, Timestamp, Verdict};
use hark_store::Reply;
use http::{HeaderValue, header};
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{MetaResponses, Registry};
use poem_openapi::types::Type;
use serde::Serialize;
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::App;
use super::answer::Answer;
use super::problem::{ApiError, ProblemKind};
use super::rate::Sender;
use crate::pipeline::{Committed, Remember};

const NAME: &str = "Idempotency-Key";
/// Says that an answer was given before.
const REPLAYED: &str = "idempotency-replayed";
/// The longest key, in characters.
const MAX_KEY: usize = 255;
/// The most of an answer that is kept, in bytes of JSON; below what the store takes.
const MAX_ANSWER: usize = 48 << 10;
/// Longer bodies are hashed off the threads that serve requests, in bytes.
const HASH_HERE: usize = 256 << 10;

type Hash = [u8; 32];

/// The key of a request, where it has one: text in quotes, as the draft has it, or as it is.
pub(super) fn key(request: &Request) -> Result<Option<String>, ApiError> {
    let mut values = request.headers().get_all(NAME).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let refused = |reason: &str| ApiError::parameter(NAME, reason);
    if values.next().is_some() {
        return Err(refused("is given more than once"));
    }
    let key = value.to_str().ok().and_then(unquote).ok_or_else(|| {
        refused("must be printable ASCII, as it is or in double quotes with \\\" and \\\\ inside")
    })?;
    if key.is_empty() || key.len() > MAX_KEY {
        return Err(refused("must have 1 to 255 characters"));
    }
    Ok(Some(key))
}

/// The text of an RFC 8941 string, or of a bare one; `None` where it is neither.
fn unquote(value: &str) -> Option<String> {
    let value = value.trim();
    if !value.bytes().all(|byte| (0x20..0x7f).contains(&byte)) {
        return None;
    }
    let Some(quoted) = value.strip_prefix('"') else {
        return (!value.contains('"')).then(|| value.to_owned());
    };
    let mut key = String::with_capacity(quoted.len());
    let mut chars = quoted.chars();
    loop {
        match chars.next()? {
            '"' => return chars.as_str().is_empty().then_some(key),
            '\\' => key.push(chars.next().filter(|c| matches!(c, '"' | '\\'))?),
            c => key.push(c),
        }
    }
}

/// The requests with a key that are under way.
#[derive(Debug, Default)]
pub struct Keys(Mutex<HashMap<Hash, UnderWay>>);

#[derive(Debug)]
struct UnderWay {
    fingerprint: Hash,
    /// Closed when the request has ended.
    end: watch::Receiver<()>,
}

/// Whose turn it is.
pub(super) enum Turn {
    /// The request is the first with its key, or the first that may store something.
    First(Claim),
    /// It was answered before, with this.
    Again(Vec<u8>),
}

/// The right to be the one request under way with a key. Goes with the events to the disk: even
/// where the sender is gone, nobody else has the key until they are there or refused.
#[derive(Debug)]
pub(super) struct Claim {
    keys: Arc<Keys>,
    key: Hash,
    fingerprint: Hash,
    _end: watch::Sender<()>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // The sender goes after this, so that who waits finds the key free.
        self.keys.lock().remove(&self.key);
    }
}

impl Keys {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Hash, UnderWay>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the key, or says on whose end to wait for it.
    fn claim(
        self: &Arc<Self>,
        key: Hash,
        fingerprint: Hash,
    ) -> Result<Result<Claim, watch::Receiver<()>>, ApiError> {
        match self.lock().entry(key) {
            Entry::Occupied(other) if other.get().fingerprint != fingerprint => Err(reused()),
            Entry::Occupied(other) => Ok(Err(other.get().end.clone())),
            Entry::Vacant(free) => {
                let (sender, end) = watch::channel(());
                free.insert(UnderWay { fingerprint, end });
                Ok(Ok(Claim {
                    keys: self.clone(),
                    key,
                    fingerprint,
                    _end: sender,
                }))
            }
        }
    }
}

/// Whose turn it is for a request with this key and body. Waits while another request with both
/// is under way.
pub(super) async fn turn(
    app: &App,
    sender: &Sender,
    key: &str,
    request: &Request,
    body: &Bytes,
) -> Result<Turn, ApiError> {
    let key = hash(&[who(sender).as_bytes(), key.as_bytes()]);
    let path = request.uri().path().to_owned();
    let fingerprint = if body.len() > HASH_HERE {
        let body = body.clone();
        blocking(move || hash(&[path.as_bytes(), &body])).await?
    } else {
        hash(&[path.as_bytes(), body])
    };
    let claim = loop {
        match app.keys.claim(key, fingerprint)? {
            Ok(claim) => break claim,
            // It is closed, never changed.
            Err(mut end) => drop(end.changed().await),
        }
    };
    let (store, name) = (app.store.clone(), hex(&key));
    match blocking(move || store.reply(&name)).await?? {
        None => Ok(Turn::First(claim)),
        Some(reply) => match reply.body.split_first_chunk() {
            Some((before, answer)) if *before == fingerprint => {
                app.counters.replayed.add(1);
                Ok(Turn::Again(answer.to_vec()))
            }
            _ => Err(reused()),
        },
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| ApiError::new(ProblemKind::Internal, error.to_string()))
}

fn reused() -> ApiError {
    ApiError::new(
        ProblemKind::KeyReused,
        "this Idempotency-Key came with another path or body before; each request needs its own",
    )
}

/// A key is its sender's own: nobody gets the answer to another's request.
fn who(sender: &Sender) -> String {
    match sender {
        Sender::Uid(uid) => format!("uid {uid}"),
        Sender::Address(address) => format!("address {}", address.to_canonical()),
        Sender::Token(name) => format!("token {name}"),
        Sender::Rest => "rest".to_owned(),
    }
}

/// SHA-256 of two texts that cannot run into each other: no path or sender has a zero byte.
fn hash(parts: &[&[u8]; 2]) -> Hash {
    let mut hash = Sha256::new();
    hash.update(parts[0]);
    hash.update([0]);
    hash.update(parts[1]);
    hash.finalize().into()
}

fn hex(hash: &Hash) -> String {
    use std::fmt::Write as _;
    hash.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// What the answer is made of, besides the events.
#[derive(Clone, Debug)]
pub(super) enum Shape {
    /// The answer to one event.
    Event,
    /// The answer to a batch, as far as it is known before its events are stored.
    Batch(BatchAccepted),
}

impl Claim {
    /// Has the answer kept with the events.
    pub(super) fn keep(self, shape: Shape) -> Box<dyn Remember> {
        Box::new(Kept { claim: self, shape })
    }
}

#[derive(Debug)]
struct Kept {
    claim: Claim,
    shape: Shape,
}

impl Remember for Kept {
    fn reply(&self, committed: &Committed) -> Reply {
        let answer = match &self.shape {
            Shape::Event => committed.judged.first().cloned().map(short_event),
            Shape::Batch(answer) => Some(short_batch(batch_answer(answer.clone(), committed))),
        };
        let mut body = self.claim.fingerprint.to_vec();
        body.append(&mut answer.unwrap_or_default());
        Reply {
            key: hex(&self.claim.key),
            time: Timestamp::now(),
            body,
        }
    }
}

/// The answer to a batch, once its events are stored.
pub(super) fn batch_answer(mut answer: BatchAccepted, committed: &Committed) -> BatchAccepted {
    answer.first_id = Some(committed.first);
    answer.last_id = Some(committed.last);
    answer.unusual = committed
        .judged
        .iter()
        .filter(|judged| judged.verdict.tier > hark_api::Tier::Normal)
        .cloned()
        .collect();
    answer
}

fn json(answer: &impl Serialize) -> Vec<u8> {
    // Numbers and text only: this cannot fail.
    serde_json::to_vec(answer).unwrap_or_default()
}

fn short_event(mut accepted: Accepted) -> Vec<u8> {
    let whole = json(&accepted);
    if whole.len() <= MAX_ANSWER {
        return whole;
    }
    accepted.verdict = Verdict {
        tier: accepted.verdict.tier,
        ..Verdict::default()
    };
    json(&accepted)
}

/// The counts and ids always; of the unusual and the bad events as many as fit.
fn short_batch(mut answer: BatchAccepted) -> Vec<u8> {
    loop {
        let whole = json(&answer);
        if whole.len() <= MAX_ANSWER {
            return whole;
        }
        answer.unusual.truncate(answer.unusual.len() / 2);
        answer.errors.truncate(answer.errors.len() / 2);
    }
}

/// An answer, given now or before.
pub(super) enum Told<T> {
    /// Now.
    Now(T),
    /// Before; as JSON.
    Again(Vec<u8>),
}

impl<T: Serialize + Send> IntoResponse for Told<T> {
    fn into_response(self) -> Response {
        match self {
            Self::Now(answer) => Answer(answer).into_response(),
            Self::Again(answer) => Response::builder()
                .content_type("application/json")
                .header(header::CACHE_CONTROL, "no-store")
                .header(REPLAYED, HeaderValue::from_static("true"))
                .body(Body::from_vec(answer)),
        }
    }
}

impl<T: Type> ApiResponse for Told<T> {
    fn meta() -> MetaResponses {
        Answer::<T>::meta()
    }

    fn register(registry: &mut Registry) {
        Answer::<T>::register(registry);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hark_api::InputError;

    #[test]
    fn keys_come_quoted_or_bare() {
        for (value, key) in [
            ("8e03978e-40d5", Some("8e03978e-40d5")),
            ("\"8e03978e-40d5\"", Some("8e03978e-40d5")),
            (r#""a\"b\\c d""#, Some(r#"a"b\c d"#)),
            ("\"\"", Some("")),
            ("\"open", None),
            ("\"a\"b", None),
            ("a\"b", None),
            (r#""a\b""#, None),
            ("\"a\\", None),
            ("a\tb", None),
            ("ü", None),
        ] {
            assert_eq!(unquote(value).as_deref(), key, "{value}");
        }
    }

    #[test]
    fn what_is_kept_of_an_answer_is_bounded() {
        let error = InputError {
            line: Some(1),
            field: Some("f".repeat(3000)),
            reason: "r".repeat(3000),
        };
        let kept = short_batch(BatchAccepted {
            accepted: 7,
            errors: vec![error; 100],
            ..BatchAccepted::default()
        });
        assert!(kept.len() <= MAX_ANSWER && kept.len() > MAX_ANSWER / 4);
        let kept: BatchAccepted = serde_json::from_slice(&kept).expect("still whole JSON");
        assert_eq!(kept.accepted, 7);
    }
}
