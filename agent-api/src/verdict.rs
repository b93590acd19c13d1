//! How unusual something is, and why.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::event::named;

/// How often the host, behaving as learned, would show something this unusual: seconds between
/// two such sights. Longer is rarer.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ReturnPeriod(f64);

impl ReturnPeriod {
    /// One day.
    pub const DAY: Self = Self(86_400.0);
    /// One week.
    pub const WEEK: Self = Self(7.0 * 86_400.0);
    /// One month, of 30 days.
    pub const MONTH: Self = Self(30.0 * 86_400.0);
    /// One year, of 365 days.
    pub const YEAR: Self = Self(365.0 * 86_400.0);

    /// From seconds; NaN and negative are zero.
    pub fn from_secs(secs: f64) -> Self {
        Self(if secs > 0.0 { secs } else { 0.0 })
    }

    /// In seconds, never negative.
    pub fn as_secs(self) -> f64 {
        self.0
    }
}

impl fmt::Display for ReturnPeriod {
    /// In words: "once in 3 days".
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = [
            (Self::YEAR.0, "year"),
            (Self::MONTH.0, "month"),
            (Self::WEEK.0, "week"),
            (Self::DAY.0, "day"),
            (3600.0, "hour"),
            (60.0, "minute"),
        ];
        for (secs, unit) in steps {
            let count = (self.0 / secs).floor();
            if count >= 100.0 && unit == "year" {
                return f.write_str("less than once in a century");
            }
            if count >= 2.0 {
                return write!(f, "once in {count} {unit}s");
            }
            if count >= 1.0 {
                return write!(
                    f,
                    "once in {} {unit}",
                    if unit == "hour" { "an" } else { "a" }
                );
            }
        }
        f.write_str("several times a minute")
    }
}

named! {
    /// Severity, by return period.
    Tier, unknown: UnknownTier, "tier",
    {
        /// Seen more often than once a day, or not judged.
        Normal = "normal",
        /// At most once a day.
        Notice = "notice",
        /// At most once a week.
        Warning = "warning",
        /// At most once a month.
        High = "high",
        /// At most once a year, or a fact that needs no statistics.
        Critical = "critical",
    }
}

impl From<ReturnPeriod> for Tier {
    fn from(period: ReturnPeriod) -> Self {
        match period {
            p if p >= ReturnPeriod::YEAR => Self::Critical,
            p if p >= ReturnPeriod::MONTH => Self::High,
            p if p >= ReturnPeriod::WEEK => Self::Warning,
            p if p >= ReturnPeriod::DAY => Self::Notice,
            _ => Self::Normal,
        }
    }
}

// `named!` makes the enum, so there is no variant to put `#[default]` on.
#[allow(clippy::derivable_impls)]
impl Default for Tier {
    fn default() -> Self {
        Self::Normal
    }
}

named! {
    /// What kind of argument a [`Reason`] is. Numbers are stored: add at the end, never reorder.
    ReasonCode, open, unknown: UnknownReasonCode, "reason",
    {
        /// A fact that needs no statistics, such as an OOM kill.
        Fact = "fact",
        /// The level that the sender gave.
        Level = "level",
        /// A value far from all that were seen.
        Novelty = "novelty",
        /// A value far out in the tail of its distribution.
        Tail = "tail",
        /// A value wrong for its phase in a learned period.
        Season = "season",
        /// A learned rhythm was lost.
        Rhythm = "rhythm",
        /// A regular thing did not come.
        Silence = "silence",
        /// More of something than usual.
        Burst = "burst",
        /// The level of a series moved.
        Shift = "shift",
        /// Never seen before.
        New = "new",
        /// An unusual value of a known template's parameter.
        Parameter = "parameter",
        /// Known things in an unusual order.
        Order = "order",
        /// Unusual together, though each alone is not.
        Joint = "joint",
        /// Too little history to judge.
        Learning = "learning",
        /// Events were lost that could change the conclusion.
        Tainted = "tainted",
    }
}

/// One argument for a verdict, with its numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of argument.
    pub code: ReasonCode,
    /// The argument in words. May quote text from outside.
    pub text: String,
    /// The value that was judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<f64>,
    /// The band that was expected, low and high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub band: Option<(f64, f64)>,
    /// The chance of something this unusual in one observation, 0 to 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub p: Option<f64>,
    /// The learned period, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<f64>,
    /// How much history the judgement rests on, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history: Option<f64>,
}

impl Reason {
    /// A reason without numbers.
    pub fn new(code: ReasonCode, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            value: None,
            band: None,
            p: None,
            period: None,
            history: None,
        }
    }
}

/// How unusual something is, and why.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(poem_openapi::Object))]
pub struct Verdict {
    /// Severity.
    pub tier: Tier,
    /// The return period, in seconds; absent where nothing was learned yet or a fact decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rarity: Option<ReturnPeriod>,
    /// The arguments, strongest first. Empty where nothing is unusual.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(feature = "openapi", oai(default))]
    pub reasons: Vec<Reason>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiers_are_return_periods() {
        let tier = |days: f64| Tier::from(ReturnPeriod::from_secs(days * 86_400.0));
        assert_eq!(tier(0.9), Tier::Normal);
        assert_eq!(tier(1.0), Tier::Notice);
        assert_eq!(tier(7.0), Tier::Warning);
        assert_eq!(tier(30.0), Tier::High);
        assert_eq!(tier(365.0), Tier::Critical);
        assert_eq!(tier(f64::NAN), Tier::Normal);
    }

    #[test]
    fn periods_read_as_words() {
        let words = |secs| ReturnPeriod::from_secs(secs).to_string();
        assert_eq!(words(5.0), "several times a minute");
        assert_eq!(words(3_700.0), "once in an hour");
        assert_eq!(words(3.0 * 86_400.0), "once in 3 days");
        assert_eq!(words(400.0 * 86_400.0), "once in a year");
        assert_eq!(words(f64::INFINITY), "less than once in a century");
    }
}
