//! Where a page of events ended.

use std::fmt;
use std::str::FromStr;

use hark_api::{Event, EventId, Timestamp};

/// The place of an event in the order of times, ties broken by id. Stable: events that come later
/// move nothing. As text it is `<nanoseconds>.<id>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cursor {
    /// The event's time.
    pub time: Timestamp,
    /// The event's id.
    pub id: EventId,
}

/// The text is no cursor.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a cursor: use the `next` of a page as it is")]
pub struct InvalidCursor(String);

impl From<&Event> for Cursor {
    fn from(event: &Event) -> Self {
        Self {
            time: event.time,
            id: event.id,
        }
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.time.as_nanos(), self.id)
    }
}

impl FromStr for Cursor {
    type Err = InvalidCursor;

    fn from_str(text: &str) -> Result<Self, InvalidCursor> {
        let parse = || {
            let (nanos, id) = text.split_once('.')?;
            Some(Self {
                time: Timestamp::from_nanos(nanos.parse().ok()?),
                id: EventId(id.parse().ok()?),
            })
        };
        parse().ok_or_else(|| InvalidCursor(text.chars().take(64).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trips_and_nonsense_is_refused() {
        for (nanos, id) in [(0, 0), (i64::MIN, u64::MAX), (i64::MAX, 1)] {
            let cursor = Cursor {
                time: Timestamp::from_nanos(nanos),
                id: EventId(id),
            };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "1", ".", "1.", "1.-1", "a.b", "1.2.3"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
