//! The fields by their names, and what to say of a name that is none.

use super::expr::Field;
use super::value;

/// The fields with text or numbers, by name.
const FIELDS: [(&str, Field); 20] = [
    ("id", Field::Id),
    ("rarity", Field::Rarity),
    ("message", Field::Message),
    ("msg", Field::Message),
    ("template", Field::Template),
    ("service", Field::Service),
    ("host", Field::Host),
    ("pid", Field::Pid),
    ("tid", Field::Tid),
    ("ppid", Field::Ppid),
    ("uid", Field::Uid),
    ("comm", Field::Comm),
    ("exe", Field::Exe),
    ("cgroup", Field::Cgroup),
    ("unit", Field::Unit),
    ("container", Field::Container),
    ("trace", Field::Trace),
    ("trace_id", Field::Trace),
    ("span", Field::Span),
    ("span_id", Field::Span),
];

/// The others, which the parser itself knows.
const OTHERS: [&str; 8] = [
    "since", "until", "time", "source", "kind", "level", "tier", "reason",
];

/// The field of this name.
pub(crate) fn field(name: &str) -> Option<Field> {
    if let Some(free) = name.strip_prefix("fields.") {
        return (!free.is_empty()).then(|| Field::Free(free.to_owned()));
    }
    FIELDS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(_, field)| field.clone())
}

/// Whether its values are numbers.
pub(super) fn is_numeric(field: &Field) -> bool {
    matches!(
        field,
        Field::Id
            | Field::Rarity
            | Field::Template
            | Field::Pid
            | Field::Tid
            | Field::Ppid
            | Field::Uid
    )
}

/// The number that a text is for this field.
pub(super) fn number(field: &Field, text: &str) -> Option<f64> {
    let number = text.parse().ok().filter(|n: &f64| n.is_finite());
    match field {
        Field::Rarity => number.or_else(|| value::duration(text).map(|nanos| nanos as f64 / 1e9)),
        _ => number,
    }
}

/// What to say of a text that is none.
pub(super) fn not_a_number(field: &Field, text: &str) -> String {
    match field {
        Field::Rarity => format!("`{text}` is not a duration, as in 12h, 7d or 1y"),
        _ => format!("`{text}` is not a number"),
    }
}

/// What to say of a name that is no field's.
pub(super) fn unknown(name: &str) -> String {
    if name == "fields." || name == "fields" {
        return "the free field's name is missing: write `fields.NAME`".to_owned();
    }
    let nearest = FIELDS
        .iter()
        .map(|(known, _)| *known)
        .chain(OTHERS)
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, known)| *distance <= 2 && *distance < known.len());
    match nearest {
        Some((_, known)) => format!(
            "unknown field `{name}`; did you mean `{known}`? A free field is written `fields.{name}`"
        ),
        None => format!(
            "unknown field `{name}`; a free field is written `fields.{name}`, and text with \
             punctuation is searched for in quotes"
        ),
    }
}

/// How many characters to insert, delete or replace to make `a` into `b` (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().take(32).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let replace = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replace.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}
