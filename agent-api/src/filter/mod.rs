//! The filter language, used alike by REST, console and shell.
//!
//! ```text
//! tier>=warning service:nginx "connection refused" comm=postgres -level:debug msg~/time.?out/ since:15m
//! ```
//!
//! Terms side by side must all hold; `OR` and parentheses group; `-` or `NOT` turns a term round.
//! `OR`, `AND` and `NOT` are understood in any letter case; in quotes they are words.
//!
//! | term | holds where |
//! |---|---|
//! | `refused` | the message has this word, in any letter case |
//! | `"connection refused"` | … these words one after the other, with exactly this between them |
//! | `refus*`, `*fused` | … a word that begins, or ends, so |
//! | `service:nginx` | the field is this, in any letter case; `*` stands for anything |
//! | `service=nginx` | the field is exactly this |
//! | `level:error,fatal` | the field is one of these |
//! | `service:*` | the event has the field |
//! | `tier>=warning`, `pid!=1`, `fields.ms>250` | the field compares so; also `<`, `<=`, `>` |
//! | `msg~/time.?out/i` | the field matches the regular expression (`i`: in any letter case) |
//! | `fields.status:500` | a free field, by the name that it came with |
//! | `since:15m`, `until:2026-01-31T12:00Z` | the event's time is not before, is before |
//!
//! Fields: `id`, `time`, `source`, `kind`, `level`, `tier`, `rarity` (a duration: `rarity>=7d`),
//! `reason`, `message` (`msg`), `template`, `service`, `host`, `pid`, `tid`, `ppid`, `uid`, `comm`,
//! `exe`, `cgroup`, `unit`, `container`, `trace`, `span`, and `fields.NAME`. A word is a run of
//! ASCII letters, digits, `_` and all characters beyond ASCII; letter case is that of ASCII.

mod expr;
mod names;
mod parse;
mod phrase;
mod record;
mod value;

pub use expr::{Compare, Enumerated, Expr, Field, Pattern, Regex, Test};
pub use phrase::{Phrase, words};
pub use record::Record;

use crate::Timestamp;

/// A parsed filter. The default lets everything through.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Filter {
    expr: Expr,
}

/// The text is no filter.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {reason}")]
pub struct FilterError {
    /// Where, in characters, from 1.
    pub column: usize,
    /// What is wrong. May quote the filter: sanitise before it reaches a terminal.
    pub reason: String,
}

impl Filter {
    /// Parses a filter; empty text lets everything through. Relative times count from the wall
    /// clock's now.
    ///
    /// # Errors
    /// Where and why the text is no filter.
    pub fn parse(text: &str) -> Result<Self, FilterError> {
        Self::parse_at(text, Timestamp::now())
    }

    /// [`Filter::parse`] with the time that `since:15m` counts from.
    ///
    /// # Errors
    /// Where and why the text is no filter.
    pub fn parse_at(text: &str, now: Timestamp) -> Result<Self, FilterError> {
        parse::parse(text, now).map(|expr| Self { expr })
    }

    /// Whether the event passes.
    pub fn matches<R: Record + ?Sized>(&self, event: &R) -> bool {
        self.expr.matches(event)
    }

    /// What the filter asks for, for those who can tell without looking at every event.
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    /// Whether everything passes.
    pub fn is_all(&self) -> bool {
        self.expr == Expr::All
    }
}

#[cfg(test)]
mod tests;
