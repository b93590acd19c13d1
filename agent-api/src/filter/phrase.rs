//! Words in a message.

use crate::filter::expr::Regex;

/// Words one after the other. Matches in any case of ASCII letters, and only whole words, but for
/// the ends that a wild card opens.
#[derive(Clone, Debug, PartialEq)]
pub struct Phrase {
    /// What is between the wild cards, in order.
    parts: Vec<Regex>,
    /// The text as it must occur, in lower case; with `*` where the middle is open.
    text: String,
    /// Whether a word may begin before the phrase.
    open_start: bool,
    /// Whether a word may go on after the phrase.
    open_end: bool,
}

/// Whether the byte is part of a word: ASCII letters, digits, `_`, and all of every character
/// beyond ASCII.
const fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

/// The words of a text, as they are written.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    // Splitting between ASCII characters and others never splits a character.
    text.split(|c: char| c.is_ascii() && !is_word(c as u8))
        .filter(|word| !word.is_empty())
}

impl Phrase {
    /// Text in quotes: exactly this.
    ///
    /// # Errors
    /// Where it is empty or too large to search for.
    pub fn exact(text: &str) -> Result<Self, String> {
        Self::build(text, false, false, false)
    }

    /// A bare word, in which `*` stands for anything.
    ///
    /// # Errors
    /// Where nothing but `*` is left, or it is too large to search for.
    pub fn wild(text: &str) -> Result<Self, String> {
        let inner = text.trim_matches('*');
        Self::build(inner, text.starts_with('*'), text.ends_with('*'), true)
    }

    fn build(text: &str, open_start: bool, open_end: bool, wild: bool) -> Result<Self, String> {
        if text.is_empty() {
            return Err("nothing to search for; to let everything through leave it out".into());
        }
        let parts = if wild {
            let parts = text.split('*').filter(|part| !part.is_empty());
            parts
                .map(|part| case_folded(part, false))
                .collect::<Result<_, _>>()?
        } else {
            vec![case_folded(text, false)?]
        };
        Ok(Self {
            parts,
            text: text.to_ascii_lowercase(),
            open_start,
            open_end,
        })
    }

    /// Whether the message has the words.
    pub fn is_in(&self, message: &str) -> bool {
        let last = self.parts.len() - 1;
        let mut from = 0;
        // Each part as early as it can be leaves most room for the next.
        self.parts.iter().enumerate().all(|(i, part)| {
            let open_start = i > 0 || self.open_start;
            let open_end = i < last || self.open_end;
            match find(&part.0, message, from, open_start, open_end) {
                Some(end) => {
                    from = end;
                    true
                }
                None => false,
            }
        })
    }

    /// Words, in lower case, that every message with the phrase has as whole words.
    pub fn whole_words(&self) -> Vec<&str> {
        let text = self.text.as_str();
        words(text)
            .filter(|word| {
                let start = word.as_ptr() as usize - text.as_ptr() as usize;
                let end = start + word.len();
                let star =
                    |i: Option<usize>| i.is_some_and(|i| text.as_bytes().get(i) == Some(&b'*'));
                !(start == 0 && self.open_start
                    || end == text.len() && self.open_end
                    || star(start.checked_sub(1))
                    || star(Some(end)))
            })
            .collect()
    }
}

/// Where the first match from `from` on ends that cuts no word at an end that is not open.
fn find(
    part: &regex::Regex,
    message: &str,
    mut from: usize,
    open_start: bool,
    open_end: bool,
) -> Option<usize> {
    let bytes = message.as_bytes();
    // Whether the bytes on both sides of a place are of a word.
    let inside = |at: usize| {
        at.checked_sub(1)
            .is_some_and(|before| is_word(bytes[before]))
            && bytes.get(at).copied().is_some_and(is_word)
    };
    loop {
        let found = part.find_at(message, from)?;
        if (open_start || !inside(found.start())) && (open_end || !inside(found.end())) {
            return Some(found.end());
        }
        from = found.start() + message[found.start()..].chars().next()?.len_utf8();
    }
}

/// A regular expression for the text in any case of ASCII letters; with `*` for anything if
/// `wild`.
pub(crate) fn case_folded(text: &str, wild: bool) -> Result<Regex, String> {
    let mut pattern = String::with_capacity(text.len() * 4 + 8);
    pattern.push_str("(?s)");
    for c in text.chars() {
        if wild && c == '*' {
            pattern.push_str(".*?");
        } else if c.is_ascii_alphabetic() {
            pattern.extend(['[', c.to_ascii_lowercase(), c.to_ascii_uppercase(), ']']);
        } else {
            pattern.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        }
    }
    compile(&pattern)
}

/// Compiles a regular expression within bounds.
pub(crate) fn compile(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(pattern)
        .size_limit(1 << 20)
        .dfa_size_limit(4 << 20)
        .nest_limit(64)
        .build()
        .map(Regex)
        .map_err(|error| {
            let text = error.to_string();
            let last = text.lines().last().unwrap_or_default();
            last.trim_start_matches("error: ").to_owned()
        })
}
