//! Points in time, as nanoseconds since 1970 UTC.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time: nanoseconds since 1970-01-01T00:00:00 UTC. In JSON it is an RFC 3339 string.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text or number is no point in time that a [`Timestamp`] can hold (years 1678 to 2262).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not a time: use RFC 3339, as in 2026-01-31T23:59:59.5Z, or seconds since 1970 as a number"
)]
pub struct InvalidTimestamp(pub String);

impl Timestamp {
    /// From nanoseconds since 1970 UTC.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since 1970 UTC.
    pub const fn as_nanos(self) -> i64 {
        self.0
    }

    /// From seconds since 1970 UTC; values out of range saturate, NaN is 1970.
    pub fn from_secs_f64(secs: f64) -> Self {
        Self((secs * 1e9) as i64)
    }

    /// Seconds since 1970 UTC.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    /// The wall clock now.
    pub fn now() -> Self {
        match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
            Ok(since) => Self(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)),
            Err(before) => {
                Self(i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |n| -n))
            }
        }
    }

    /// This time moved by a number of nanoseconds, at the ends of the range saturated.
    #[must_use]
    pub const fn plus_nanos(self, nanos: i64) -> Self {
        Self(self.0.saturating_add(nanos))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Every i64 of nanoseconds lies inside jiff's range.
        match jiff::Timestamp::from_nanosecond(i128::from(self.0)) {
            Ok(t) => write!(f, "{t}"),
            Err(_) => write!(f, "{}ns", self.0),
        }
    }
}

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    /// Parses RFC 3339.
    fn from_str(text: &str) -> Result<Self, InvalidTimestamp> {
        let parsed: jiff::Timestamp = text
            .parse()
            .map_err(|_| InvalidTimestamp(text.to_owned()))?;
        i64::try_from(parsed.as_nanosecond())
            .map(Self)
            .map_err(|_| InvalidTimestamp(text.to_owned()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Timestamp;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an RFC 3339 time or a number of seconds since 1970")
            }
            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                text.parse().map_err(E::custom)
            }
            fn visit_i64<E: serde::de::Error>(self, secs: i64) -> Result<Timestamp, E> {
                secs.checked_mul(1_000_000_000)
                    .map(Timestamp)
                    .ok_or_else(|| E::custom(InvalidTimestamp(secs.to_string())))
            }
            fn visit_u64<E: serde::de::Error>(self, secs: u64) -> Result<Timestamp, E> {
                i64::try_from(secs)
                    .map_err(|_| E::custom(InvalidTimestamp(secs.to_string())))
                    .and_then(|secs| self.visit_i64(secs))
            }
            fn visit_f64<E: serde::de::Error>(self, secs: f64) -> Result<Timestamp, E> {
                if secs.is_finite() && secs.abs() < 9.2e9 {
                    Ok(Timestamp::from_secs_f64(secs))
                } else {
                    Err(E::custom(InvalidTimestamp(secs.to_string())))
                }
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_to_the_nanosecond() {
        for nanos in [0, 1, -1, 1_700_000_000_123_456_789, i64::MAX, i64::MIN] {
            let t = Timestamp::from_nanos(nanos);
            assert_eq!(t.to_string().parse::<Timestamp>(), Ok(t));
        }
    }

    #[test]
    fn json_takes_text_and_seconds() {
        let from = |json: &str| serde_json::from_str::<Timestamp>(json).map(Timestamp::as_nanos);
        assert_eq!(from("\"1970-01-01T00:00:01Z\"").ok(), Some(1_000_000_000));
        assert_eq!(from("1.5").ok(), Some(1_500_000_000));
        assert_eq!(from("2").ok(), Some(2_000_000_000));
        assert!(from("1e300").is_err());
        assert!(from("\"yesterday\"").is_err());
    }
}
