//! How unusual each point of one series is, judged at several resolutions.

mod kept;
mod level;
mod rhythm;
mod season;

use hark_api::units::number;
use hark_api::{Reason, ReasonCode, ReturnPeriod, Timestamp};
use serde::{Deserialize, Serialize};

use crate::tail::{MIN_HISTORY, surprise};
use level::{Level, Score};

/// How a series is watched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Seconds between two points.
    pub step: f64,
    /// Resolutions, as multiples of the step, ascending, each a multiple of the one before, the
    /// first 1.
    pub levels: Vec<u32>,
    /// How many points each resolution remembers of each of its four views; eight bytes each.
    pub memory: usize,
    /// Return periods shorter than this, in seconds, are not put into words.
    pub explain_from: f64,
    /// How much each view weighs.
    pub weights: Weights,
}

/// How much each view weighs in the evidence. There to be taken apart by benchmarks: the defaults
/// are for every series.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Weights {
    /// Novelty of the value.
    pub value: f64,
    /// Novelty of each of the means over 4 and 16 points.
    pub means: f64,
    /// Novelty of the change from the point before.
    pub change: f64,
    /// Tail of the value; where a rhythm is known its residual says more, hence less than the rest.
    pub tail: f64,
    /// Tail of the residual against the phase of a learned rhythm; 0 where none is learned.
    pub season: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self {
            value: 1.0,
            means: 1.0,
            change: 1.0,
            tail: 0.5,
            season: 1.0,
        }
    }
}

impl Default for Config {
    /// For one point a second: levels of 1 s, 10 s and 60 s that remember 30 minutes, 5 hours
    /// and 30 hours, in 235 KiB.
    fn default() -> Self {
        Self {
            step: 1.0,
            levels: vec![1, 10, 60],
            memory: 1800,
            explain_from: 3600.0,
            weights: Weights::default(),
        }
    }
}

impl Config {
    /// One resolution with a long memory, for series that come slowly or from files.
    pub fn single(step: f64) -> Self {
        Self {
            step,
            levels: vec![1],
            memory: 8000,
            explain_from: 3600.0,
            weights: Weights::default(),
        }
    }
}

/// What the detector says of one point.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Assessment {
    /// Severity, for ranking: the mean of -log10 chances over the views of the most unusual level,
    /// whether or not it fires.
    pub score: f64,
    /// The score where it exceeds all of the last 120 steps' by .2, else 0: onsets.
    pub onset: f64,
    /// How often this series, behaving as learned, shows such an onset; `None` while learning.
    pub rarity: Option<ReturnPeriod>,
    /// The rarity is that of a rhythm that was kept for long and is lost now.
    pub rhythm_lost: bool,
    /// Why, strongest first; empty where the rarity is short of `Config::explain_from`.
    pub reasons: Vec<Reason>,
    /// Where 99 % of the values are expected to lie; `None` while learning.
    pub band: Option<(f64, f64)>,
    /// Seconds of data that are still missing before the series is judged; 0 once it is.
    pub learning: f64,
}

/// Where 99 % of the values of one resolution are expected to lie, by those that it remembers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// Seconds from one value to the next; each is the mean over them.
    pub step: f64,
    /// Half of a percent lies below.
    pub low: f64,
    /// Half of a percent lies above.
    pub high: f64,
}

/// Gathers points into one of a coarser level.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Gather {
    slot: i64,
    sum: f64,
    count: u32,
}

/// Watches one series.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Detector {
    config: Config,
    levels: Vec<Level>,
    gathers: Vec<Gather>,
    /// Subtracted from each value, so that single precision resolves small changes of large ones.
    offset: Option<f64>,
    last_nanos: Option<i64>,
    /// The band and the point at which it was computed.
    band: Option<(f64, f64)>,
    band_due: u64,
}

impl Detector {
    /// A detector that has seen nothing.
    pub fn new(config: Config) -> Self {
        let calibration = 200_000;
        Self {
            levels: config
                .levels
                .iter()
                .map(|_| Level::new(config.memory, calibration, config.weights))
                .collect(),
            gathers: vec![Gather::default(); config.levels.len()],
            config,
            offset: None,
            last_nanos: None,
            band: None,
            band_due: 0,
        }
    }

    /// Judges a point, then learns it. A value that is not finite counts as missing; time that
    /// does not advance is taken as one step later.
    pub fn push(&mut self, time: Timestamp, value: f64) -> Assessment {
        if !value.is_finite() {
            return Assessment {
                band: self.band,
                learning: self.learning(),
                ..Assessment::default()
            };
        }
        let offset = *self.offset.get_or_insert(value);
        // Keeps sums and differences of any two values finite in single precision.
        let x = (value - offset).clamp(-1e30, 1e30);
        let step_nanos = (self.config.step * 1e9).max(1.0);
        let mut nanos = time.as_nanos();
        if let Some(last) = self.last_nanos {
            if nanos <= last {
                nanos = last.saturating_add(step_nanos as i64);
            }
            let missed = nanos.saturating_sub(last) as f64 / step_nanos;
            for (level, &factor) in self.levels.iter_mut().zip(&self.config.levels) {
                if missed > 3.0 * f64::from(factor) {
                    level.gap();
                }
            }
        }
        self.last_nanos = Some(nanos);

        let mut scores: [Option<Score>; 8] = [None; 8];
        for (i, &factor) in self.config.levels.iter().enumerate().take(8) {
            if factor <= 1 {
                scores[i] = Some(self.levels[i].push(x));
                continue;
            }
            let slot = (nanos as f64 / (step_nanos * f64::from(factor))).floor() as i64;
            let gather = &mut self.gathers[i];
            if slot != gather.slot && gather.count > 0 {
                let mean = gather.sum / f64::from(gather.count);
                *gather = Gather::default();
                scores[i] = Some(self.levels[i].push(mean));
            }
            gather.slot = slot;
            gather.sum += x;
            gather.count += 1;
        }
        self.refresh_band(offset);
        self.assess(value, &scores)
    }

    fn assess(&self, value: f64, scores: &[Option<Score>]) -> Assessment {
        let judged = self
            .levels
            .iter()
            .filter(|l| l.seen() > 2 * MIN_HISTORY as u64)
            .count();
        let mut best: Option<(f64, usize, Score)> = None;
        let mut assessment = Assessment {
            band: self.band,
            learning: self.learning(),
            ..Assessment::default()
        };
        for (i, s) in scores.iter().enumerate() {
            let Some(s) = s else { continue };
            assessment.score = assessment.score.max(s.raw);
            assessment.onset = assessment.onset.max(s.fired);
            // A lost rhythm shows in no value by itself: it is an argument of its own.
            let lost = s.season.lost;
            let lost = lost.filter(|&lost| s.chance.is_none_or(|p| lost < p));
            if let Some(p) = lost.or(s.chance) {
                // Each level adds its own alarms: share the period among them.
                let period =
                    self.config.step * f64::from(self.config.levels[i]) / p / judged.max(1) as f64;
                if best.is_none_or(|(t, ..)| period > t) {
                    assessment.rhythm_lost = lost.is_some();
                    best = Some((period, i, *s));
                }
            }
        }
        if let Some((period, i, s)) = best {
            assessment.rarity = Some(ReturnPeriod::from_secs(period.min(1e13)));
            if period >= self.config.explain_from {
                assessment.reasons = self.explain(value, i, &s);
            }
        }
        assessment
    }

    fn explain(&self, value: f64, level: usize, score: &Score) -> Vec<Reason> {
        let step = self.config.step * f64::from(self.config.levels[level]);
        let history = step * self.levels[level].window().len() as f64;
        let over = if self.config.levels[level] > 1 {
            format!(", as a mean over {}", seconds(step))
        } else {
            String::new()
        };
        let season = score.season.expected.map_or_else(String::new, |expected| {
            let offset = self.offset.unwrap_or(0.0);
            format!(
                "this phase of its period usually shows {}",
                number(expected + offset)
            )
        });
        let mut parts = [
            (
                ReasonCode::Novelty,
                score.novelty,
                "the value is far from all that were seen",
            ),
            (ReasonCode::Shift, score.shift, "the level moved"),
            (
                ReasonCode::Novelty,
                score.change,
                "it changed as it never did before",
            ),
            (
                ReasonCode::Tail,
                score.tail,
                "the value is far out in its distribution",
            ),
            (ReasonCode::Season, score.season.score, season.as_str()),
            (
                ReasonCode::Rhythm,
                score.season.lost.map_or(0.0, surprise),
                "it no longer follows its period",
            ),
        ];
        parts.sort_by(|a, b| b.1.total_cmp(&a.1));
        parts
            .iter()
            .filter(|part| part.1 >= 2.0)
            .take(3)
            .map(|&(code, s, text)| Reason {
                value: Some(value),
                band: self.band,
                p: Some(10f64.powf(-s)),
                period: score
                    .season
                    .period
                    .filter(|_| matches!(code, ReasonCode::Season | ReasonCode::Rhythm))
                    .map(|p| p * step),
                history: Some(history),
                ..Reason::new(code, format!("{text}{over}"))
            })
            .collect()
    }

    fn refresh_band(&mut self, offset: f64) {
        let Some(level) = self.levels.first() else {
            return;
        };
        let seen = level.seen();
        if seen < self.band_due {
            return;
        }
        self.band_due = seen + (seen / 16).clamp(1, 16);
        if let Some((low, high)) = level.band() {
            self.band = Some((low + offset, high + offset));
        }
    }

    /// Seconds of data missing before the first level can be judged.
    pub fn learning(&self) -> f64 {
        let seen = self.levels.first().map_or(0, Level::seen);
        (2 * MIN_HISTORY as u64).saturating_sub(seen) as f64 * self.config.step
    }

    /// Bytes that it takes.
    pub fn size(&self) -> usize {
        let levels = self
            .levels
            .iter()
            .map(|l| l.size() + size_of::<Level>())
            .sum::<usize>();
        size_of::<Self>() + levels + self.gathers.capacity() * size_of::<Gather>()
    }

    /// The learned periods in seconds, one a resolution at most.
    pub fn periods(&self) -> impl Iterator<Item = f64> {
        let levels = self.levels.iter().zip(&self.config.levels);
        levels.filter_map(|(level, &factor)| {
            Some(level.period()? * self.config.step * f64::from(factor))
        })
    }

    /// Whether it has a rhythm, kept for so long that its loss would be told.
    pub(crate) fn keeps_rhythm(&self) -> bool {
        self.levels.iter().any(Level::keeps_rhythm)
    }

    /// What is expected at each resolution, without those that still learn.
    pub fn bands(&self) -> impl Iterator<Item = Band> {
        let offset = self.offset.unwrap_or(0.0);
        let levels = self.levels.iter().zip(&self.config.levels);
        levels.filter_map(move |(level, &factor)| {
            let (low, high) = level.band()?;
            Some(Band {
                step: self.config.step * f64::from(factor),
                low: low + offset,
                high: high + offset,
            })
        })
    }
}

/// A number of seconds in words.
pub(crate) fn seconds(secs: f64) -> String {
    let (value, unit) = if secs < 120.0 {
        (secs, "s")
    } else if secs < 7200.0 {
        (secs / 60.0, "min")
    } else if secs < 172_800.0 {
        (secs / 3600.0, "h")
    } else {
        (secs / 86_400.0, "days")
    };
    let digits = usize::from(value < 10.0 && value.fract() > 0.05);
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Numbers between 0 and 1 without a pattern.
    fn noise(i: u64) -> f64 {
        let mut x = i.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        x ^= x >> 29;
        x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x ^= x >> 32;
        (x >> 11) as f64 / (1u64 << 53) as f64
    }

    fn at(i: u64) -> Timestamp {
        Timestamp::from_secs_f64(1.7e9 + i as f64)
    }

    fn days(assessment: &Assessment) -> f64 {
        assessment.rarity.map_or(0.0, |r| r.as_secs() / 86_400.0)
    }

    #[test]
    fn a_spike_in_noise_is_rare_and_explained() {
        let mut detector = Detector::new(Config::default());
        for i in 0..7200 {
            detector.push(at(i), 50.0 + noise(i));
        }
        let assessment = detector.push(at(7200), 60.0);
        assert!(days(&assessment) > 7.0, "{assessment:?}");
        let reason = assessment.reasons.first().expect("a reason");
        assert_eq!(reason.value, Some(60.0));
        let (low, high) = assessment.band.expect("a band");
        assert!(50.0 <= low && low < high && high <= 51.0);
        let calm = detector.push(at(7201), 50.5);
        assert!(days(&calm) < 0.1, "{calm:?}");
    }

    #[test]
    fn a_constant_that_moves_is_found() {
        let mut detector = Detector::new(Config::default());
        let mut usual = 0.0_f64;
        for i in 0..7200 {
            usual = usual.max(detector.push(at(i), 3.0).onset);
        }
        let moved = detector.push(at(7200), 4.0);
        assert!(moved.onset > usual + 1.0, "{} after {usual}", moved.onset);
    }

    #[test]
    fn a_usual_value_at_the_wrong_phase_is_found() {
        let mut detector = Detector::new(Config {
            memory: 4000,
            ..Config::single(1.0)
        });
        let wave = |i: u64| 100.0 * (i as f64 / 120.0 * std::f64::consts::TAU).sin() + noise(i);
        for i in 0..6000 {
            detector.push(at(i), wave(i));
        }
        // Half a period late: each value was seen a hundred times, but not now.
        let late: Vec<Assessment> = (6000..6020)
            .map(|i| detector.push(at(i), wave(i + 45)))
            .collect();
        let found = late
            .iter()
            .flat_map(|a| &a.reasons)
            .find(|r| r.code == ReasonCode::Season);
        let found = found.expect("the season speaks");
        assert!((found.period.expect("a period") - 120.0).abs() < 2.0);
    }

    #[test]
    fn a_restart_after_a_hole_is_judged_by_its_values_alone() {
        let mut detector = Detector::new(Config::default());
        for i in 0..3000 {
            detector.push(at(i), noise(i));
        }
        let after = detector.push(at(90_000), 0.5);
        assert!(days(&after) < 0.1, "{after:?}");
    }

    #[test]
    fn memory_is_bounded() {
        let mut detector = Detector::new(Config::default());
        for i in 0..100_000 {
            detector.push(at(i), noise(i) + i as f64);
        }
        assert!(detector.size() <= 256 * 1024, "{}", detector.size());
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn no_number_breaks_it_and_a_checkpoint_continues(
            values in prop::collection::vec(
                prop_oneof![any::<f64>(), -1.0..1.0f64, Just(0.0), Just(f64::NAN)], 1..600),
            steps in prop::collection::vec(-2i64..100, 600),
            cut in 0usize..600,
        ) {
            let mut detector = Detector::new(Config { memory: 100, ..Config::default() });
            let mut twin: Option<Detector> = None;
            let mut now = 0_i64;
            for (i, (value, step)) in values.iter().zip(steps).enumerate() {
                if i == cut {
                    let bytes = postcard::to_stdvec(&detector).expect("serialises");
                    twin = Some(postcard::from_bytes(&bytes).expect("reads back"));
                }
                now += step * 500_000_000;
                let time = Timestamp::from_nanos(now);
                let a = detector.push(time, *value);
                prop_assert!(a.score.is_finite() && a.onset.is_finite());
                prop_assert!(a.rarity.is_none_or(|r| r.as_secs().is_finite()));
                prop_assert!(a.band.is_none_or(|(low, high)| low <= high));
                if let Some(twin) = &mut twin {
                    prop_assert_eq!(a, twin.push(time, *value));
                }
            }
        }
    }
}
