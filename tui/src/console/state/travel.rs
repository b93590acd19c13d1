//! A moment that is looked at instead of now.

use hark_api::{EventId, Timestamp};

use super::ask::Ask;
use super::scene::Scene;

/// How long an answer is waited for before it is asked for again, in nanoseconds.
const PATIENCE: i64 = 5_000_000_000;

/// A moment, and what was seen then.
pub(crate) struct Travel {
    pub(crate) at: Timestamp,
    pub(crate) scene: Scene,
    /// The number that the next live event had when time was stopped, to count what came since.
    pub(crate) live_end: u64,
    /// Whether more is to be asked of the agent, and when it was.
    pub(crate) lacks: bool,
    asked: Option<Timestamp>,
    /// The event to select once it is there.
    pub(crate) wanted: Option<EventId>,
}

impl Travel {
    pub(crate) fn new(at: Timestamp, scene: Scene, live_end: u64) -> Self {
        Self {
            at,
            lacks: scene.lacks(at),
            scene,
            live_end,
            asked: None,
            wanted: None,
        }
    }

    /// What the agent is to be asked of this moment.
    pub(crate) fn ask(&mut self, now: Timestamp) -> Option<Ask> {
        let is_waiting = |asked: Timestamp| now < asked.plus_nanos(PATIENCE);
        if !self.lacks || self.asked.is_some_and(is_waiting) {
            return None;
        }
        self.asked = Some(now);
        Some(Ask::Scene(self.at))
    }
}
