//! What others may know of the detectors, without holding them up.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use hark_api::{Band, SeriesKey, Template};
use hark_detect::template::Miner;
use hark_detect::{Engine, Learning, series};

/// How many templates are shown: those seen most.
pub const MAX_TEMPLATES: usize = 1000;

/// What is known of the detectors, as of the last second.
#[derive(Debug, Default)]
pub struct Insight {
    learning: Mutex<Learning>,
    templates: Mutex<Vec<Template>>,
    wanted: AtomicBool,
    bands: Mutex<Arc<Bands>>,
}

/// Where each series is expected to lie, and its rhythms, as of the last seconds.
#[derive(Debug, Default)]
pub struct Bands {
    bands: HashMap<SeriesKey, Vec<series::Band>>,
    /// In seconds.
    periods: HashMap<SeriesKey, Vec<f64>>,
}

impl Bands {
    /// Where means over so many seconds are expected to lie; `None` where that is not known.
    pub fn of(&self, key: &SeriesKey, step: f64) -> Option<Band> {
        let mut bands = self.bands.get(key)?.iter();
        let band = bands.find(|band| (band.step / step - 1.0).abs() < 1e-6)?;
        Some(Band {
            low: band.low,
            high: band.high,
        })
    }

    /// The learned periods of a series in seconds.
    pub fn periods(&self, key: &SeriesKey) -> Vec<f64> {
        self.periods.get(key).cloned().unwrap_or_default()
    }
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

    /// Where series are expected to lie.
    pub fn bands(&self) -> Arc<Bands> {
        let bands = self.bands.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&bands)
    }

    pub(super) fn set_bands(&self, engine: &Engine) {
        let bands = engine.bands().map(|(key, bands)| (key.clone(), bands));
        let periods = engine
            .periods()
            .map(|(key, periods)| (key.clone(), periods));
        let bands = Arc::new(Bands {
            bands: bands.collect(),
            periods: periods.collect(),
        });
        *self.bands.lock().unwrap_or_else(PoisonError::into_inner) = bands;
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
