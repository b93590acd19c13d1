//! Keeps what the detectors learned and the incidents that they opened, on a thread of its own:
//! neither may hold up events.
//!
//! A restored model may be older than the incidents that are stored. So incidents get their stored
//! number here, after the last one stored; and those that nobody remembers any more are closed.

use std::collections::HashMap;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use hark_api::{Incident, IncidentId, Timestamp};
use hark_detect::{Change, Config, Engine};
use hark_store::Store;

use crate::incidents;

/// The name of the model in the store.
const MODEL: &str = "engine";
/// Changes that may wait for the store. Incidents are rare; a store that fails for long fills it.
const WAITING: usize = 256;

enum Keep {
    Model(Vec<u8>),
    Incident(Box<Incident>),
}

/// Hands things to the keeping thread.
pub(super) struct Keeper {
    sender: SyncSender<Keep>,
    /// Stored numbers of the incidents that go on, by the engine's.
    numbers: HashMap<IncidentId, IncidentId>,
    next: u64,
}

impl Keeper {
    /// Restores the detectors and starts the thread.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(super) fn start(
        store: Store,
        config: &Config,
    ) -> std::io::Result<(Engine, Self, JoinHandle<()>)> {
        let engine = restore(&store, config);
        let next = store
            .incidents(None, false, 1)
            .ok()
            .and_then(|newest| newest.first().map(|i| i.id.0 + 1))
            .unwrap_or(1);
        // What the model remembers as open keeps its number, as it was stored under it.
        let numbers: HashMap<_, _> = engine
            .incidents()
            .filter(|incident| incident.id.0 < next)
            .map(|incident| (incident.id, incident.id))
            .collect();
        close_forgotten(&store, &numbers);
        let (sender, receiver) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("hark-keep".into())
            .spawn(move || run(&store, &receiver))?;
        let keeper = Self {
            sender,
            numbers,
            next,
        };
        Ok((engine, keeper, thread))
    }

    /// Saves what was learned; skipped while an older model still waits to be written.
    pub(super) fn checkpoint(&self, engine: &Engine) {
        match engine.checkpoint() {
            Ok(bytes) => self.send(Keep::Model(bytes)),
            Err(error) => tracing::error!(%error, "what was learned cannot be saved"),
        }
    }

    /// Saves what became of incidents.
    pub(super) fn incidents(&mut self, changes: Vec<Change>) {
        for change in changes {
            let mut incident = change.incident().clone();
            let next = &mut self.next;
            let number = *self.numbers.entry(incident.id).or_insert_with(|| {
                *next += 1;
                IncidentId(*next - 1)
            });
            if matches!(change, Change::Closed(_)) {
                self.numbers.remove(&incident.id);
            }
            incident.id = number;
            self.send(Keep::Incident(Box::new(incident)));
        }
    }

    fn send(&self, keep: Keep) {
        match self.sender.try_send(keep) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                tracing::warn!("the store is too slow or fails: a model or incident is not kept");
            }
            Err(TrySendError::Disconnected(_)) => tracing::error!("the thread that keeps is gone"),
        }
    }
}

fn restore(store: &Store, config: &Config) -> Engine {
    let fresh = || Engine::new(config.clone());
    match store.get_checkpoint(MODEL) {
        Ok(Some(bytes)) => match Engine::restore(config, &bytes) {
            Ok(engine) => {
                tracing::info!(bytes = bytes.len(), "what was learned is back");
                engine
            }
            Err(error) => {
                tracing::warn!(%error, "what was learned cannot be used; learning begins anew");
                fresh()
            }
        },
        Ok(None) => fresh(),
        Err(error) => {
            tracing::warn!(%error, "what was learned cannot be read; learning begins anew");
            fresh()
        }
    }
}

/// Incidents that were open when the agent ended without saving its model.
fn close_forgotten(store: &Store, open: &HashMap<IncidentId, IncidentId>) {
    let stored = match store.incidents(None, true, 1000) {
        Ok(stored) => stored,
        Err(error) => {
            tracing::warn!(%error, "incidents cannot be read");
            return;
        }
    };
    for record in stored {
        if open.contains_key(&IncidentId(record.id.0)) {
            continue;
        }
        let id = IncidentId(record.id.0);
        let closed = incidents::change(store, id, |record| {
            record.incident.end.get_or_insert(record.incident.last);
        });
        if let Err(error) = closed {
            tracing::warn!(%error, %id, "an incident cannot be closed");
        }
    }
}

fn run(store: &Store, receiver: &Receiver<Keep>) {
    while let Ok(keep) = receiver.recv() {
        let kept = match keep {
            Keep::Model(bytes) => store
                .put_checkpoint(MODEL, &bytes)
                .map_err(|error| ("a model", error.to_string())),
            Keep::Incident(incident) => incidents::put(store, *incident, Timestamp::now())
                .map_err(|error| ("an incident", error.to_string())),
        };
        if let Err((what, error)) = kept {
            tracing::warn!(error, "{what} is not kept");
        }
    }
}
