//! The search parameters of `GET /events`, and how they are written in a URL.

use std::fmt::Write as _;

use crate::Timestamp;

/// Which events come first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The newest.
    #[default]
    Newest,
    /// The oldest.
    Oldest,
}

/// What to search for among the stored events. The default is the newest of all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventQuery {
    /// A filter, see [`crate::Filter`]; empty lets everything through.
    pub filter: String,
    /// No earlier than this.
    pub from: Option<Timestamp>,
    /// No later than this.
    pub to: Option<Timestamp>,
    /// Which come first.
    pub order: Order,
    /// How many at most on one page; the agent decides where absent.
    pub limit: Option<u32>,
    /// Where the last page ended.
    pub cursor: Option<String>,
}

impl EventQuery {
    pub(super) fn path(&self) -> String {
        let mut params = Params::new("/events");
        if !self.filter.trim().is_empty() {
            params.push("q", &self.filter);
        }
        if let Some(from) = self.from {
            params.push("from", &from.to_string());
        }
        if let Some(to) = self.to {
            params.push("to", &to.to_string());
        }
        if self.order == Order::Oldest {
            params.push("order", "oldest");
        }
        if let Some(limit) = self.limit {
            params.push("limit", &limit.to_string());
        }
        if let Some(cursor) = &self.cursor {
            params.push("cursor", cursor);
        }
        params.finish()
    }
}

/// A path with query parameters.
pub(super) struct Params {
    path: String,
    any: bool,
}

impl Params {
    pub(super) fn new(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            any: false,
        }
    }

    /// Adds a parameter, percent-encoded: all but RFC 3986's unreserved characters.
    pub(super) fn push(&mut self, name: &str, value: &str) {
        self.path.push(if self.any { '&' } else { '?' });
        self.any = true;
        self.path.push_str(name);
        self.path.push('=');
        for byte in value.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.path.push(byte as char);
            } else {
                let _ = write!(self.path, "%{byte:02X}");
            }
        }
    }

    pub(super) fn finish(self) -> String {
        self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_cannot_leave_their_parameter() {
        let query = EventQuery {
            filter: "message ~ \"a&b=c #é\"".into(),
            limit: Some(7),
            ..EventQuery::default()
        };
        assert_eq!(
            query.path(),
            "/events?q=message%20~%20%22a%26b%3Dc%20%23%C3%A9%22&limit=7"
        );
        assert_eq!(EventQuery::default().path(), "/events");
    }
}
