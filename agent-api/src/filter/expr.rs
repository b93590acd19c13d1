//! What a filter asks for, as a tree.

use std::cmp::Ordering;

use crate::filter::{Phrase, Record};
use crate::{Kind, Level, ReasonCode, Source, Tier, Timestamp};

/// A filter or a part of one.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Expr {
    /// Everything passes.
    #[default]
    All,
    /// All of these hold; never empty.
    And(Vec<Expr>),
    /// At least one of these holds; never empty.
    Or(Vec<Expr>),
    /// This does not hold.
    Not(Box<Expr>),
    /// One term.
    Test(Test),
}

/// One term of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// The message has these words.
    Words(Phrase),
    /// The named thing is one of a set.
    OneOf(Enumerated, u64),
    /// The verdict has a reason of one of these codes: bit `code.number()`.
    Reason(u64),
    /// The event's time is not before this.
    Since(Timestamp),
    /// The event's time is before this.
    Until(Timestamp),
    /// The field is a number that compares so; never holds where the field is absent.
    Number(Field, Compare, f64),
    /// The field has text like this; never holds where the field is absent.
    Text(Field, Pattern),
}

/// Fields with a fixed set of values. A set of them has a bit for each, by its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Enumerated {
    /// [`Source`].
    Source,
    /// [`Kind`].
    Kind,
    /// [`Level`].
    Level,
    /// [`Tier`].
    Tier,
}

/// Fields with text or numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Field {
    /// The event's id.
    Id,
    /// The return period, in seconds.
    Rarity,
    /// The message.
    Message,
    /// The template's id.
    Template,
    /// The service.
    Service,
    /// The host.
    Host,
    /// The process id.
    Pid,
    /// The thread id.
    Tid,
    /// The parent's process id.
    Ppid,
    /// The user id.
    Uid,
    /// The command name.
    Comm,
    /// The executable.
    Exe,
    /// The control group.
    Cgroup,
    /// The systemd unit.
    Unit,
    /// The container.
    Container,
    /// The trace id.
    Trace,
    /// The span id.
    Span,
    /// A free field, by its name.
    Free(String),
}

/// How a number compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// Equal.
    Equal,
    /// Less.
    Less,
    /// Less or equal.
    AtMost,
    /// Greater.
    Greater,
    /// Greater or equal.
    AtLeast,
}

/// How text is matched.
#[derive(Clone, Debug, PartialEq)]
pub enum Pattern {
    /// There is text.
    Present,
    /// The text is this.
    Exactly(String),
    /// The text is this, in any case of ASCII letters.
    Like(String),
    /// The text matches. Wild cards become this, too.
    Regex(Regex),
}

/// A compiled regular expression; two are equal where their text is.
#[derive(Clone, Debug)]
pub struct Regex(pub(crate) regex::Regex);

impl PartialEq for Regex {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_str() == other.0.as_str()
    }
}

impl Enumerated {
    /// The names of its values, in order.
    pub fn names(self) -> Vec<&'static str> {
        match self {
            Self::Source => Source::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Kind => Kind::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Level => Level::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Tier => Tier::ALL.iter().map(|v| v.as_str()).collect(),
        }
    }

    /// The number of a value, by its name or an alias of it.
    ///
    /// # Errors
    /// Which names there are.
    pub(crate) fn number(self, name: &str) -> Result<u8, String> {
        match self {
            Self::Source => name
                .parse::<Source>()
                .map(Source::number)
                .map_err(|e| e.to_string()),
            Self::Kind => name
                .parse::<Kind>()
                .map(Kind::number)
                .map_err(|e| e.to_string()),
            Self::Level => name
                .parse::<Level>()
                .map(|v| v as u8)
                .map_err(|e| e.to_string()),
            Self::Tier => name
                .parse::<Tier>()
                .map(|v| v as u8)
                .map_err(|e| e.to_string()),
        }
    }
}

/// The set of one value; of one that only a later agent has, none.
pub(crate) const fn bit(number: u8) -> u64 {
    if number < 64 { 1 << number } else { 0 }
}

// The sets above are of 64 bits.
const _: () = assert!(Kind::ALL.len() <= 64 && ReasonCode::ALL.len() <= 64);

impl Field {
    /// The field with this name in the filter language; `None` for those of [`Enumerated`] and
    /// for names that it does not have.
    pub fn parse(name: &str) -> Option<Self> {
        crate::filter::names::field(name)
    }
}

impl Compare {
    /// Whether `left` compares so to `right`; nothing does to NaN.
    pub fn holds(self, left: f64, right: f64) -> bool {
        let Some(ordering) = left.partial_cmp(&right) else {
            return false;
        };
        match self {
            Self::Equal => ordering == Ordering::Equal,
            Self::Less => ordering == Ordering::Less,
            Self::AtMost => ordering != Ordering::Greater,
            Self::Greater => ordering == Ordering::Greater,
            Self::AtLeast => ordering != Ordering::Less,
        }
    }
}

impl Pattern {
    /// Whether the text is like this.
    pub fn matches(&self, text: &str) -> bool {
        match self {
            Self::Present => true,
            Self::Exactly(wanted) => text == wanted,
            Self::Like(wanted) => text.eq_ignore_ascii_case(wanted),
            Self::Regex(regex) => regex.0.is_match(text),
        }
    }
}

impl Expr {
    /// Whether the event passes.
    pub fn matches<R: Record + ?Sized>(&self, event: &R) -> bool {
        match self {
            Self::All => true,
            Self::And(all) => all.iter().all(|expr| expr.matches(event)),
            Self::Or(any) => any.iter().any(|expr| expr.matches(event)),
            Self::Not(expr) => !expr.matches(event),
            Self::Test(test) => test.matches(event),
        }
    }
}

impl Test {
    /// Whether the term holds of the event.
    pub fn matches<R: Record + ?Sized>(&self, event: &R) -> bool {
        match self {
            Self::Words(phrase) => phrase.is_in(event.message()),
            Self::OneOf(field, set) => {
                let value = match field {
                    Enumerated::Source => event.source().number(),
                    Enumerated::Kind => event.kind().number(),
                    Enumerated::Level => event.level() as u8,
                    Enumerated::Tier => event.tier() as u8,
                };
                set & bit(value) != 0 || *set == u64::MAX
            }
            Self::Reason(set) => event.reasons() & set != 0,
            Self::Since(time) => event.time() >= *time,
            Self::Until(time) => event.time() < *time,
            Self::Number(field, compare, number) => event
                .number(field)
                .is_some_and(|value| compare.holds(value, *number)),
            Self::Text(Field::Message, pattern) => pattern.matches(event.message()),
            Self::Text(field, pattern) => {
                event.text(field).is_some_and(|text| pattern.matches(&text))
            }
        }
    }
}
