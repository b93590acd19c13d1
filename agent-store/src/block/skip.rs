//! Whether a block can hold what a filter asks for, without reading it.

use hark_api::filter::{Compare, Enumerated, Expr, Field, Pattern, Test, words};

use crate::block::{Head, Tokens};

/// What is known of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    pub(crate) head: &'a Head,
    /// Absent where it was not read: then it excludes nothing.
    pub(crate) tokens: Option<Tokens<'a>>,
}

/// What the events of a block can do with an expression. `false` is certain, `true` is perhaps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Can {
    hold: bool,
    fail: bool,
}

/// Whether some event of the block may pass; false is certain.
pub(crate) fn possible(expr: &Expr, known: Known<'_>) -> bool {
    can(expr, known).hold
}

/// Whether all events of the block pass; true is certain.
pub(crate) fn certain(expr: &Expr, known: Known<'_>) -> bool {
    !can(expr, known).fail
}

/// Whether reading the token filter may exclude more than the head alone.
pub(crate) fn needs_tokens(expr: &Expr) -> bool {
    match expr {
        Expr::And(parts) | Expr::Or(parts) => parts.iter().any(needs_tokens),
        Expr::Test(Test::Words(phrase)) => !phrase.whole_words().is_empty(),
        Expr::Test(Test::Text(field, Pattern::Exactly(_) | Pattern::Like(_))) => {
            !matches!(field, Field::Service | Field::Host)
        }
        Expr::Test(Test::Number(field, Compare::Equal, _)) => {
            matches!(field, Field::Pid | Field::Tid | Field::Ppid | Field::Uid)
        }
        // Of a negation: an absent word makes it hold, which excludes nothing.
        Expr::All | Expr::Not(_) | Expr::Test(_) => false,
    }
}

fn can(expr: &Expr, known: Known<'_>) -> Can {
    match expr {
        Expr::All => Can {
            hold: true,
            fail: false,
        },
        Expr::And(parts) => parts.iter().fold(
            Can {
                hold: true,
                fail: false,
            },
            |so_far, part| {
                let part = can(part, known);
                Can {
                    hold: so_far.hold && part.hold,
                    fail: so_far.fail || part.fail,
                }
            },
        ),
        Expr::Or(parts) => parts.iter().fold(
            Can {
                hold: false,
                fail: true,
            },
            |so_far, part| {
                let part = can(part, known);
                Can {
                    hold: so_far.hold || part.hold,
                    fail: so_far.fail && part.fail,
                }
            },
        ),
        Expr::Not(inner) => {
            let inner = can(inner, known);
            Can {
                hold: inner.fail,
                fail: inner.hold,
            }
        }
        Expr::Test(test) => can_test(test, known),
    }
}

fn can_test(test: &Test, known: Known<'_>) -> Can {
    let head = known.head;
    let perhaps = |hold: bool| Can { hold, fail: true };
    match test {
        Test::Words(phrase) => perhaps(has_words(known, phrase.whole_words())),
        Test::OneOf(field, set) => {
            let present = match field {
                Enumerated::Source => head.sources,
                Enumerated::Kind => head.kinds,
                Enumerated::Level => head.levels,
                Enumerated::Tier => (0..)
                    .zip(head.tiers)
                    .fold(0, |set, (tier, count)| set | u64::from(count > 0) << tier),
            };
            Can {
                hold: present & set != 0,
                fail: present & !set != 0,
            }
        }
        Test::Reason(set) => perhaps(head.reasons & set != 0),
        Test::Since(time) => Can {
            hold: head.max_time >= *time,
            fail: head.min_time < *time,
        },
        Test::Until(time) => Can {
            hold: head.min_time < *time,
            fail: head.max_time >= *time,
        },
        Test::Number(field, compare, number) => {
            perhaps(number_can_hold(known, field, *compare, *number))
        }
        Test::Text(field, pattern) => perhaps(text_can_hold(known, field, pattern)),
    }
}

fn has_words<'a>(known: Known<'_>, words: impl IntoIterator<Item = &'a str>) -> bool {
    known
        .tokens
        .is_none_or(|tokens| words.into_iter().all(|word| tokens.may_have_word(word)))
}

fn has_value(known: Known<'_>, name: &str, value: &str) -> bool {
    known.tokens.is_none_or(|tokens| {
        known.head.untold.contains(name) || tokens.may_have_value(name, value.as_bytes())
    })
}

fn number_can_hold(known: Known<'_>, field: &Field, compare: Compare, number: f64) -> bool {
    let head = known.head;
    match field {
        Field::Id => {
            let (first, last) = (head.first.0 as f64, head.last.0 as f64);
            match compare {
                Compare::Equal => (first..=last).contains(&number),
                Compare::Less => first < number,
                Compare::AtMost => first <= number,
                Compare::Greater => last > number,
                Compare::AtLeast => last >= number,
            }
        }
        Field::Template => head.templates.may(|t| compare.holds((*t).into(), number)),
        Field::Rarity => true,
        _ => {
            let Some(name) = name(field) else { return true };
            let occurs = head.fields.may(|field| *field == name);
            occurs && (compare != Compare::Equal || has_value(known, &name, &number.to_string()))
        }
    }
}

fn text_can_hold(known: Known<'_>, field: &Field, pattern: &Pattern) -> bool {
    let head = known.head;
    match field {
        Field::Service => head.services.may(|service| pattern.matches(service)),
        Field::Host => head.hosts.may(|host| pattern.matches(host)),
        Field::Message => match pattern {
            Pattern::Exactly(text) | Pattern::Like(text) => has_words(known, words(text)),
            Pattern::Present | Pattern::Regex(_) => true,
        },
        Field::Id | Field::Template | Field::Rarity => true,
        _ => {
            let Some(name) = name(field) else { return true };
            let occurs = head.fields.may(|field| *field == name);
            occurs
                && match pattern {
                    Pattern::Exactly(value) | Pattern::Like(value) => {
                        has_value(known, &name, value)
                    }
                    Pattern::Present | Pattern::Regex(_) => true,
                }
        }
    }
}

/// The name under which a field's values are told.
fn name(field: &Field) -> Option<String> {
    Some(match field {
        Field::Pid => "pid".to_owned(),
        Field::Tid => "tid".to_owned(),
        Field::Ppid => "ppid".to_owned(),
        Field::Uid => "uid".to_owned(),
        Field::Comm => "comm".to_owned(),
        Field::Exe => "exe".to_owned(),
        Field::Cgroup => "cgroup".to_owned(),
        Field::Unit => "unit".to_owned(),
        Field::Container => "container".to_owned(),
        Field::Trace => "trace".to_owned(),
        Field::Span => "span".to_owned(),
        Field::Free(name) => format!("fields.{name}"),
        _ => return None,
    })
}
