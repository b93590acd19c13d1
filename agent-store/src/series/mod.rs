//! Series: one sample a second, kept at three steps, the coarser ones longer.

mod frame;
mod recorder;
pub(crate) mod table;

use hark_api::{SeriesKey, Timestamp};

pub(crate) use recorder::{Recorder, stored};
pub(crate) use table::{bytes, expire};

/// How far apart the points of a series are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Step {
    /// One second: the samples themselves.
    Second,
    /// Ten seconds: mean, least and greatest of up to ten samples.
    TenSeconds,
    /// One minute: mean, least and greatest of up to sixty samples.
    Minute,
}

impl Step {
    /// Its length in seconds.
    pub const fn secs(self) -> i64 {
        match self {
            Self::Second => 1,
            Self::TenSeconds => 10,
            Self::Minute => 60,
        }
    }
}

/// One point of a series. At a step of one second all three values are the sample. Whole numbers
/// up to 2^53 are exact; others have an error of at most 0.0008 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Point {
    /// When it begins, a multiple of the step.
    pub time: Timestamp,
    /// The mean.
    pub mean: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// A series that is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct SeriesInfo {
    /// Its name.
    pub key: SeriesKey,
    /// Its first sample ever.
    pub first: Timestamp,
    /// Its last sample.
    pub last: Timestamp,
}
