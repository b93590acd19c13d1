//! What differs from line to line by its form alone: numbers, addresses, paths, times, names.
//!
//! The rules know forms, never words of one program: a word with a digit in it is a variable
//! (the rule that Drain's and Spell's preprocessing, and Brain's, share), and so are the forms
//! that need no digit, such as paths, host names and hardware addresses.

use serde::{Deserialize, Serialize};

use super::token::{class, class_of};

/// What a parameter looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Kind {
    /// A decimal number, with sign, point, or unit where a known one follows.
    Number,
    /// A hexadecimal number: `0x…`, or eight and more hexadecimal digits.
    Hex,
    /// An IPv4, IPv6 or hardware address, with its port where one follows.
    Address,
    /// The path of a file.
    Path,
    /// A URL.
    Url,
    /// A UUID (RFC 9562), in its usual form.
    Uuid,
    /// A date, a time of day, or both.
    Time,
    /// A host name, or an e-mail address.
    Host,
    /// A word with a digit in it: an identifier, a version, a device.
    Identifier,
    /// The value in `key=value`.
    Value,
    /// A text in quotes, after a key.
    Quoted,
    /// Nothing between brackets or quotes that hold a parameter at other times.
    Empty,
    /// Several variables in a row, parted by nothing but spaces, commas and the like.
    List,
    /// A word that was found to vary.
    Word,
    /// The rest of a line that is longer than the miner looks.
    Rest,
}

/// The kind of a word whose bytes have the classes `flags`, or nothing when it is a constant.
pub(super) fn of_word(word: &[u8], flags: u8) -> Option<Kind> {
    if flags & class::DIGIT != 0 {
        return Some(with_digit(word, flags));
    }
    if flags & class::SLASH != 0 && is_path(word) {
        return Some(Kind::Path);
    }
    if flags == class::HEX && word.len() >= 8 {
        return Some(Kind::Hex);
    }
    if flags & class::SYMBOL != 0 && is_mail(word) {
        return Some(Kind::Host);
    }
    if flags & class::DOT != 0 && is_host(word) {
        return Some(Kind::Host);
    }
    None
}

fn with_digit(word: &[u8], flags: u8) -> Kind {
    if is_date(word) {
        return Kind::Time;
    }
    if flags & (class::ALPHA | class::HEX | class::SLASH) == 0 {
        return if word.split(|&byte| byte == b'.').count() == 4 {
            Kind::Address
        } else {
            Kind::Number
        };
    }
    if flags & class::SLASH != 0 {
        return Kind::Path;
    }
    if word.starts_with(b"0x") || word.starts_with(b"0X") {
        return Kind::Hex;
    }
    if flags & (class::ALPHA | class::DOT | class::SYMBOL) == 0 && word.len() >= 8 {
        return Kind::Hex;
    }
    if word.len() == 36 && is_uuid(word) {
        return Kind::Uuid;
    }
    if flags & class::DOT != 0 && is_host(word) {
        return Kind::Host;
    }
    Kind::Identifier
}

/// Begins with a date as ISO 8601 writes it, or with slashes.
fn is_date(word: &[u8]) -> bool {
    word.len() >= 10
        && matches!(word[4], b'-' | b'/')
        && word[7] == word[4]
        && [0, 1, 2, 3, 5, 6, 8, 9]
            .iter()
            .all(|&at| word[at].is_ascii_digit())
        && word.get(10).is_none_or(|byte| !byte.is_ascii_digit())
}

fn is_uuid(word: &[u8]) -> bool {
    word.iter().enumerate().all(|(at, byte)| match at {
        8 | 13 | 18 | 23 => *byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    })
}

fn is_path(word: &[u8]) -> bool {
    let slashes = word
        .iter()
        .filter(|byte| matches!(byte, b'/' | b'\\'))
        .count();
    slashes >= 2
        || (word.len() > 1 && matches!(word[0], b'/' | b'\\'))
        || word.starts_with(b"./")
        || word.starts_with(b"~/")
}

fn is_mail(word: &[u8]) -> bool {
    let Some(at) = word.iter().position(|&byte| byte == b'@') else {
        return false;
    };
    at > 0 && at + 1 < word.len() && word[at + 1].is_ascii_alphanumeric()
}

/// Top-level domains that are no country's, and the names that private networks use for one.
const DOMAINS: [&[u8]; 15] = [
    b"com",
    b"org",
    b"net",
    b"edu",
    b"gov",
    b"mil",
    b"int",
    b"info",
    b"biz",
    b"local",
    b"lan",
    b"internal",
    b"corp",
    b"home",
    b"arpa",
];

/// Labels parted by dots, the last of which is a top-level domain. A name that begins with one
/// is a package (`org.example.Thing`), and a two-letter end needs two dots (`main.rs` is a file).
fn is_host(word: &[u8]) -> bool {
    let mut labels = 0;
    let mut first: &[u8] = b"";
    let mut last: &[u8] = b"";
    for label in word.split(|&byte| byte == b'.') {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if label.is_empty() || !label.iter().all(plain) {
            return false;
        }
        if labels == 0 {
            first = label;
        }
        last = label;
        labels += 1;
    }
    if labels < 2 || DOMAINS.contains(&first) || first == b"io" {
        return false;
    }
    DOMAINS.contains(&last)
        || (labels >= 3
            && last.len() == 2
            && last.iter().all(u8::is_ascii_lowercase)
            && !word.iter().any(u8::is_ascii_uppercase))
}

/// A variable that begins with the word `start..end` and goes on past the delimiter after it: a
/// URL, a hardware or IPv6 address, a Windows path. Gives its kind and its end.
pub(super) fn beyond(line: &[u8], start: usize, end: usize, flags: u8) -> Option<(Kind, usize)> {
    if line.get(end) != Some(&b':') {
        return None;
    }
    let next = *line.get(end + 1)?;
    if next == b'/'
        && line.get(end + 2) == Some(&b'/')
        && flags & (class::DIGIT | class::SLASH) == 0
    {
        return Some((Kind::Url, url_end(line, end)));
    }
    if next == b'\\' && end == start + 1 && flags & (class::HEX | class::ALPHA) != 0 {
        let stop = line[end + 1..]
            .iter()
            .position(|&byte| class_of(byte) & (class::SPACE | class::PUNCT) != 0)
            .map_or(line.len(), |length| end + 1 + length);
        return Some((Kind::Path, stop));
    }
    if flags & !(class::HEX | class::DIGIT) == 0 && end - start <= 4 {
        return hex_groups(line, start).map(|end| (Kind::Address, end));
    }
    None
}

fn url_end(line: &[u8], from: usize) -> usize {
    let mut end = line[from..]
        .iter()
        .position(|&byte| {
            class_of(byte) == class::SPACE
                || matches!(
                    byte,
                    b'"' | b'\'' | b'<' | b'>' | b')' | b']' | b'}' | b',' | b';'
                )
        })
        .map_or(line.len(), |length| from + length);
    while end > from + 3 && matches!(line[end - 1], b'.' | b':') {
        end -= 1;
    }
    end
}

/// The end of groups of at most four hexadecimal digits, parted by colons: an IPv6 address
/// (RFC 4291) or a hardware address. A time of day is none: it has fewer colons.
fn hex_groups(line: &[u8], start: usize) -> Option<usize> {
    let (mut at, mut colons, mut double, mut digits, mut group) = (start, 0, false, false, 0);
    while let Some(&byte) = line.get(at) {
        match byte {
            b':' => {
                double |= at > start && line[at - 1] == b':';
                colons += 1;
                group = 0;
            }
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => {
                digits |= byte.is_ascii_digit();
                group += 1;
                if group > 4 {
                    return None;
                }
            }
            _ => break,
        }
        at += 1;
    }
    if line
        .get(at)
        .is_some_and(|&byte| class_of(byte) & (class::ALPHA | class::HEX) != 0)
    {
        return None;
    }
    if line[at - 1] == b':' && !(at >= 2 && line[at - 2] == b':') {
        at -= 1;
        colons -= 1;
    }
    (colons >= 3 || (double && colons >= 2 && digits)).then_some(at)
}

/// An English month's name or abbreviation.
pub(super) fn is_month(word: &[u8]) -> bool {
    const FULL: [&[u8]; 12] = [
        b"January",
        b"February",
        b"March",
        b"April",
        b"May",
        b"June",
        b"July",
        b"August",
        b"September",
        b"October",
        b"November",
        b"December",
    ];
    FULL.iter()
        .any(|full| word == *full || (word.len() == 3 && *word == full[..3]))
}

/// The name or abbreviation of an English day of the week.
pub(super) fn is_weekday(word: &[u8]) -> bool {
    const FULL: [&[u8]; 7] = [
        b"Monday",
        b"Tuesday",
        b"Wednesday",
        b"Thursday",
        b"Friday",
        b"Saturday",
        b"Sunday",
    ];
    FULL.iter()
        .any(|full| word == *full || (word.len() == 3 && *word == full[..3]))
}

/// What may follow a time of day: a time zone's abbreviation, or half of the day.
pub(super) fn ends_time(word: &[u8]) -> bool {
    match word {
        b"UTC" | b"GMT" | b"Z" | b"AM" | b"PM" | b"am" | b"pm" => true,
        _ => {
            (3..=4).contains(&word.len())
                && word.iter().all(u8::is_ascii_uppercase)
                && word[word.len() - 1] == b'T'
        }
    }
}

/// A unit that programs change with the size of the number before it.
pub(super) fn is_unit(word: &[u8]) -> bool {
    let word = word
        .strip_suffix(b"/s")
        .or_else(|| word.strip_suffix(b"ps"))
        .unwrap_or(word);
    if matches!(word, b"ns" | b"us" | b"ms" | b"s" | b"B") || word == "µs".as_bytes() {
        return true;
    }
    let Some((&prefix, rest)) = word.split_first() else {
        return false;
    };
    matches!(prefix, b'k' | b'K' | b'M' | b'G' | b'T' | b'P')
        && matches!(rest, b"B" | b"iB" | b"b" | b"it" | b"bit")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::token::{Form, tokenise};

    fn kinds(line: &str) -> Vec<Option<Kind>> {
        let mut tokens = Vec::new();
        tokenise(line.as_bytes(), 100, true, &mut tokens);
        tokens
            .iter()
            .map(|token| match token.form {
                Form::Variable(kind) => Some(kind),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn forms_are_known() {
        for (text, kind) in [
            ("17", Kind::Number),
            ("-1.5", Kind::Number),
            ("10.0.0.1", Kind::Address),
            ("fe80::1", Kind::Address),
            ("aa:bb:cc:dd:ee:ff", Kind::Address),
            ("0xdead", Kind::Hex),
            ("deadbeef", Kind::Hex),
            ("/etc/passwd", Kind::Path),
            (r"C:\Windows\win.ini", Kind::Path),
            ("https://example.org/a?b=c", Kind::Url),
            ("123e4567-e89b-12d3-a456-426614174000", Kind::Uuid),
            ("mail.example.org", Kind::Host),
            ("www.example.co.uk", Kind::Host),
            ("root@example", Kind::Host),
            ("2026-11-22T10", Kind::Time),
            ("blk_42", Kind::Identifier),
        ] {
            assert_eq!(kinds(text), [Some(kind)], "{text}");
        }
    }

    #[test]
    fn words_stay() {
        for text in [
            "added",
            "load/store",
            "main.rs",
            "org.example.Thing",
            "r-o",
            "@",
            "n/a",
        ] {
            assert!(kinds(text).iter().all(Option::is_none), "{text}");
        }
        assert_eq!(kinds("bad: face"), [None, None, None]);
    }
}
