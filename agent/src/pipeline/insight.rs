//! What others may know of the detectors, without holding them up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use hark_api::Template;
use hark_detect::Learning;
use hark_detect::template::Miner;

/// How many templates are shown: those seen most.
pub const MAX_TEMPLATES: usize = 1000;

/// What is known of the detectors, as of the last second.
#[derive(Debug, Default)]
pub struct Insight {
    learning: Mutex<Learning>,
    templates: Mutex<Vec<Template>>,
    wanted: AtomicBool,
}

impl Insight {
    /// What is watched and how long it still learns.
    pub fn learning(&self) -> Learning {
        self.learning
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The log templates as they last were; asks for newer ones.
    pub fn templates(&self) -> Vec<Template> {
        self.wanted.store(true, Ordering::Relaxed);
        self.templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    pub(super) fn set_learning(&self, learning: Learning) {
        *self.learning.lock().unwrap_or_else(PoisonError::into_inner) = learning;
    }

    pub(super) fn templates_wanted(&self) -> bool {
        self.wanted.swap(false, Ordering::Relaxed)
    }

    pub(super) fn set_templates(&self, miner: &Miner) {
        let mut all: Vec<_> = miner.templates().collect();
        all.sort_unstable_by_key(|(id, _, count)| (std::cmp::Reverse(*count), *id));
        let templates = all
            .into_iter()
            .take(MAX_TEMPLATES)
            .map(|(id, text, count)| Template {
                id,
                text: text.to_owned(),
                count,
            })
            .collect();
        *self
            .templates
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = templates;
    }
}
