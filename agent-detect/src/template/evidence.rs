//! How many different words must have stood at one place of otherwise equal templates before the
//! place counts as a variable.
//!
//! Every word costs evidence, so constant words that happen to differ between two messages stay
//! apart. What is asked for depends on the place, never on the word's meaning: little where a
//! parameter is usual (after `=`, in quotes, behind `user` or `from`), much at the beginning of a
//! message and for words that look like a verb or an outcome.

use super::pattern::{Pattern, Role};

/// The least that is ever asked for.
pub(super) const LEAST: usize = 3;
/// A template without a variable by form at the place counts for this many words.
pub(super) const WILDCARD_COUNTS: usize = 2;

/// How many different words must have stood at `at`, or nothing when no number would do.
pub(super) fn needed(pattern: &Pattern, at: usize) -> Option<usize> {
    let parts = pattern.parts();
    let word = parts.get(at).filter(|part| part.role == Role::Word)?;
    let word = pattern.bytes(word);
    let (mut others, mut anchors, mut first) = (0, 0, true);
    let mut before: &[u8] = b"";
    for (place, part) in parts.iter().enumerate() {
        let text = pattern.bytes(part);
        if place < at && part.role != Role::Mark {
            first = false;
            before = if part.role == Role::Word { text } else { b"" };
        }
        if place != at && part.role == Role::Word && text.len() > 1 {
            others += 1;
            anchors += usize::from(text.len() >= 3 && text.iter().all(u8::is_ascii_alphabetic));
        }
    }
    if anchors == 0 {
        return None;
    }
    let previous = if at > 0 { pattern.at(at - 1) } else { b"" };
    let next = if at + 1 < parts.len() {
        pattern.at(at + 1)
    } else {
        b""
    };
    let mut needed = if first {
        8
    } else if previous == b"=" || enclosed(previous, next) {
        3
    } else if previous == b":" {
        4
    } else if parts[at].spaced && introduces(before) {
        3
    } else {
        5
    };
    if is_name(word) {
        needed -= 1;
    }
    if is_prose(word) {
        needed += 3;
    }
    match others {
        0 | 1 => needed += 3,
        2 => needed += 1,
        3..=5 => {}
        _ => needed -= 1,
    }
    Some(needed.max(LEAST))
}

fn enclosed(previous: &[u8], next: &[u8]) -> bool {
    matches!(
        (previous, next),
        (b"'", b"'") | (b"\"", b"\"") | (b"(", b")") | (b"[", b"]") | (b"<", b">") | (b"{", b"}")
    )
}

/// A preposition, or a noun that a name follows.
fn introduces(word: &[u8]) -> bool {
    const WORDS: [&str; 32] = [
        "for",
        "from",
        "to",
        "by",
        "at",
        "on",
        "in",
        "of",
        "with",
        "via",
        "as",
        "into",
        "user",
        "group",
        "host",
        "hostname",
        "node",
        "name",
        "server",
        "client",
        "device",
        "interface",
        "service",
        "unit",
        "process",
        "program",
        "type",
        "state",
        "status",
        "id",
        "file",
        "domain",
    ];
    WORDS
        .iter()
        .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}

/// An identifier rather than a word of English: it has a symbol or a capital inside.
fn is_name(word: &[u8]) -> bool {
    let symbol = word
        .iter()
        .any(|byte| matches!(byte, b'_' | b'.' | b'@' | b'-' | b'$' | b'/'));
    let hump = word
        .windows(2)
        .any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
    (symbol || hump) && word.iter().any(u8::is_ascii_lowercase)
}

/// A verb's form or an outcome: what tells one message from another.
fn is_prose(word: &[u8]) -> bool {
    const WORDS: [&str; 24] = [
        "up", "down", "on", "off", "open", "close", "start", "stop", "start-up", "shutdown",
        "startup", "ok", "success", "failure", "error", "warning", "fatal", "not", "no", "is",
        "was", "lost", "begin", "end",
    ];
    let ends = |suffix: &str| {
        word.len() > suffix.len() + 2
            && word[word.len() - suffix.len()..].eq_ignore_ascii_case(suffix.as_bytes())
    };
    ends("ed")
        || ends("ing")
        || ends("able")
        || WORDS
            .iter()
            .any(|known| word.eq_ignore_ascii_case(known.as_bytes()))
}
