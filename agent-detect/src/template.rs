//! Mines the templates of log lines as they come, with one configuration for all sources.
//!
//! A line is cut into words; what carries a digit or is a path is a variable at once. The sequence
//! of the other words, hashed, finds the template of nearly every line in one look-up. A new
//! sequence is compared with the known ones of its length: where several differ in one word only,
//! that word is a variable (the branching that Yu et al., *Brain*, IEEE TSC 2023, looks for
//! offline; the fixed-depth look-up is in the spirit of He et al., *Drain*, ICWS 2017).

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Bounds of a [`Miner`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Most templates; beyond it the one not seen for the longest time is forgotten.
    pub max_templates: usize,
    /// Words that differ in one place before the place is a variable.
    pub branching: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_templates: 10_000,
            branching: 3,
        }
    }
}

/// Bytes of a line that are looked at.
const MAX_LINE: usize = 2048;
/// Words of a line that are looked at.
const MAX_WORDS: usize = 64;

/// Words that stay when another becomes a variable; the first always does.
const LEAST_CONSTANT: usize = 2;

/// The template of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mined {
    /// Its number; never used for another.
    pub template: u32,
    /// Whether the line is the first of its shape.
    pub new: bool,
}

/// A word: its hash, or [`ANY`].
type Word = u64;
const ANY: Word = 0;

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Template {
    words: Vec<Word>,
    text: String,
    seen: u64,
    last: u64,
    /// Made from several that differed in one word.
    wide: bool,
}

/// Keys are hashes already.
#[derive(Clone, Copy, Debug, Default)]
struct Identity(u64);

impl Hasher for Identity {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &b in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(b);
        }
    }
    fn write_u64(&mut self, value: u64) {
        self.0 = value;
    }
}

pub(crate) type HashKeyed<V> = HashMap<u64, V, BuildHasherDefault<IdentityHasher>>;

/// Passes a key that is a hash through.
#[derive(Clone, Copy, Debug, Default)]
pub struct IdentityHasher(Identity);

impl Hasher for IdentityHasher {
    fn finish(&self) -> u64 {
        self.0.finish()
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0.write(bytes);
    }
    fn write_u64(&mut self, value: u64) {
        self.0.write_u64(value);
    }
}

/// Learns templates line by line. Deterministic: the same lines give the same templates.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Miner {
    config: Config,
    templates: HashMap<u32, Template>,
    /// Templates that a wider one replaced, with the one that did.
    replaced: HashMap<u32, u32>,
    next: u32,
    lines: u64,
    /// Hash of a whole sequence of words → template.
    exact: HashKeyed<u32>,
    /// Hash of a sequence with one word left out → templates that have it.
    holes: HashKeyed<Vec<u32>>,
    /// Number of words → templates with a variable among them.
    wide: HashMap<usize, Vec<u32>>,
    words: Vec<Word>,
    spans: Vec<Range<u32>>,
    variables: Vec<Range<u32>>,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    config: Config,
    templates: Vec<(u32, Template)>,
    replaced: Vec<(u32, u32)>,
    next: u32,
    lines: u64,
}

impl From<Miner> for Stored {
    fn from(miner: Miner) -> Self {
        let mut templates: Vec<_> = miner.templates.into_iter().collect();
        templates.sort_unstable_by_key(|(id, _)| *id);
        let mut replaced: Vec<_> = miner.replaced.into_iter().collect();
        replaced.sort_unstable();
        Self {
            config: miner.config,
            templates,
            replaced,
            next: miner.next,
            lines: miner.lines,
        }
    }
}

impl From<Stored> for Miner {
    fn from(stored: Stored) -> Self {
        let mut miner = Self::new(stored.config);
        miner.next = stored.next;
        miner.lines = stored.lines;
        miner.replaced = stored.replaced.into_iter().collect();
        for (id, template) in stored.templates {
            miner.index(id, &template.words);
            if template.wide {
                miner.wide.entry(template.words.len()).or_default().push(id);
            }
            miner.templates.insert(id, template);
        }
        miner
    }
}

impl Miner {
    /// A miner that knows no template.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            templates: HashMap::new(),
            replaced: HashMap::new(),
            next: 1,
            lines: 0,
            exact: HashMap::default(),
            holes: HashMap::default(),
            wide: HashMap::new(),
            words: Vec::new(),
            spans: Vec::new(),
            variables: Vec::new(),
        }
    }

    /// Finds or makes the template of a line.
    pub fn push(&mut self, line: &str) -> Mined {
        let line = head(line);
        self.lines += 1;
        let key = scan(line, &mut self.words, &mut self.spans, &mut self.variables);
        if let Some(&id) = self.exact.get(&key) {
            let id = self.current(id);
            if let Some(template) = self.templates.get_mut(&id) {
                template.seen += 1;
                template.last = self.lines;
                return Mined {
                    template: id,
                    new: false,
                };
            }
        }
        self.learn(line, key)
    }

    /// Where the variables of the line last pushed lie in it, in bytes.
    pub fn variables(&self) -> &[Range<u32>] {
        &self.variables
    }

    /// The template that a number means now: the wider one that replaced it, or itself.
    pub fn current(&self, id: u32) -> u32 {
        let mut id = id;
        while let Some(&wider) = self.replaced.get(&id) {
            id = wider;
        }
        id
    }

    /// The text of a template, its variables written `<*>`.
    pub fn text(&self, id: u32) -> Option<&str> {
        self.templates
            .get(&self.current(id))
            .map(|t| t.text.as_str())
    }

    /// How many lines a template had.
    pub fn seen(&self, id: u32) -> u64 {
        self.templates.get(&self.current(id)).map_or(0, |t| t.seen)
    }

    /// The templates that are alive: number, text, lines.
    pub fn templates(&self) -> impl Iterator<Item = (u32, &str, u64)> {
        self.templates
            .iter()
            .map(|(&id, t)| (id, t.text.as_str(), t.seen))
    }

    /// How many templates are alive.
    pub fn len(&self) -> usize {
        self.templates.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.templates.is_empty()
    }

    fn learn(&mut self, line: &str, key: u64) -> Mined {
        if let Some(id) = self.match_wide() {
            self.remember(key, id);
            if let Some(template) = self.templates.get_mut(&id) {
                template.seen += 1;
                template.last = self.lines;
            }
            return Mined {
                template: id,
                new: false,
            };
        }
        if self.templates.len() >= self.config.max_templates {
            self.forget();
        }
        let id = self.next;
        self.next += 1;
        let words = self.words.clone();
        let text = render(line, &words, &self.spans);
        self.templates.insert(
            id,
            Template {
                words: words.clone(),
                text,
                seen: 1,
                last: self.lines,
                wide: false,
            },
        );
        self.index(id, &words);
        let widened = self.widen(id);
        Mined {
            template: self.current(id),
            new: !widened,
        }
    }

    fn remember(&mut self, key: u64, id: u32) {
        if self.exact.len() >= 16 * self.config.max_templates {
            self.exact.clear();
            let keys: Vec<_> = self
                .templates
                .iter()
                .map(|(&id, t)| (hash_words(&t.words), id))
                .collect();
            self.exact.extend(keys);
        }
        self.exact.insert(key, id);
    }

    fn index(&mut self, id: u32, words: &[Word]) {
        self.exact.insert(hash_words(words), id);
        for hole in holes(words) {
            let list = self.holes.entry(hole).or_default();
            if list.len() < 64 {
                list.push(id);
            }
        }
    }

    /// A template with variables in the place of some words, which the line fits.
    fn match_wide(&self) -> Option<u32> {
        let words = &self.words;
        self.wide.get(&words.len())?.iter().copied().find(|id| {
            self.templates
                .get(id)
                .is_some_and(|t| t.words.iter().zip(words).all(|(a, b)| a == b || *a == ANY))
        })
    }

    /// Makes a word a variable where enough templates differ in it alone. Says whether it did.
    fn widen(&mut self, id: u32) -> bool {
        let mut id = id;
        let mut widened = false;
        while let Some((place, others)) = self.branch(id) {
            let Some(model) = self.templates.get(&id) else {
                break;
            };
            let mut words = model.words.clone();
            words[place] = ANY;
            let text = blank(&model.text, place);
            let wider = self.next;
            self.next += 1;
            let (mut seen, mut last) = (0, 0);
            for other in &others {
                if let Some(old) = self.templates.remove(other) {
                    seen += old.seen;
                    last = last.max(old.last);
                    self.unindex(*other, &old.words);
                }
                self.replaced.insert(*other, wider);
            }
            self.templates.insert(
                wider,
                Template {
                    words: words.clone(),
                    text,
                    seen,
                    last,
                    wide: true,
                },
            );
            self.index(wider, &words);
            self.wide.entry(words.len()).or_default().push(wider);
            id = wider;
            widened = true;
        }
        widened
    }

    fn branch(&self, id: u32) -> Option<(usize, Vec<u32>)> {
        let words = &self.templates.get(&id)?.words;
        let constant = words.iter().filter(|&&w| w != ANY).count();
        for (place, hole) in holes(words).enumerate() {
            if words[place] == ANY || place == 0 || constant <= LEAST_CONSTANT {
                continue;
            }
            let mut others: Vec<u32> = self.holes.get(&hole)?.clone();
            others.retain(|o| self.templates.contains_key(o));
            if others.len() >= self.config.branching {
                return Some((place, others));
            }
        }
        None
    }

    fn unindex(&mut self, id: u32, words: &[Word]) {
        for hole in holes(words) {
            if let Some(list) = self.holes.get_mut(&hole) {
                list.retain(|&other| other != id);
                if list.is_empty() {
                    self.holes.remove(&hole);
                }
            }
        }
        if let Some(list) = self.wide.get_mut(&words.len()) {
            list.retain(|&other| other != id);
        }
    }

    /// Forgets the eighth of the templates that was not seen for the longest time.
    fn forget(&mut self) {
        let mut by_age: Vec<(u64, u32)> =
            self.templates.iter().map(|(&id, t)| (t.last, id)).collect();
        by_age.sort_unstable();
        for &(_, id) in by_age.iter().take(by_age.len() / 8 + 1) {
            if let Some(old) = self.templates.remove(&id) {
                self.unindex(id, &old.words);
            }
        }
        let alive = &self.templates;
        let replaced = std::mem::take(&mut self.replaced);
        let ends = |mut id: u32| {
            while let Some(&wider) = replaced.get(&id) {
                id = wider;
            }
            id
        };
        let kept: HashMap<u32, u32> = replaced
            .keys()
            .map(|&id| (id, ends(id)))
            .filter(|(_, end)| alive.contains_key(end))
            .collect();
        self.exact
            .retain(|_, id| alive.contains_key(kept.get(id).unwrap_or(id)));
        self.replaced = kept;
    }
}

/// The start of a line, cut at a character.
fn head(line: &str) -> &str {
    if line.len() <= MAX_LINE {
        return line;
    }
    let mut end = MAX_LINE;
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    &line[..end]
}

fn mix(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(23) ^ word).wrapping_mul(0x9E37_79B9_7F4A_7C15)
}

fn hash_words(words: &[Word]) -> u64 {
    words.iter().fold(words.len() as u64, |h, &w| mix(h, w))
}

/// Hashes of the sequence with each word left out in turn.
fn holes(words: &[Word]) -> impl Iterator<Item = u64> + use<'_> {
    (0..words.len()).map(move |hole| {
        let start = mix(0x5151_5151, (words.len() as u64) << 32 | hole as u64);
        words
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != hole)
            .fold(start, |h, (_, &w)| mix(h, w))
    })
}

/// Bytes that words are made of.
const WORD: [bool; 256] = {
    let mut table = [false; 256];
    let mut i = 0;
    while i < 256 {
        let b = i as u8;
        table[i] = b.is_ascii_alphanumeric()
            || b >= 0x80
            || matches!(
                b,
                b'_' | b'-'
                    | b'.'
                    | b'/'
                    | b'\\'
                    | b'@'
                    | b'$'
                    | b'#'
                    | b'%'
                    | b'+'
                    | b'~'
                    | b'*'
                    | b'&'
            );
        i += 1;
    }
    table
};

/// Cuts a line into words. Runs of variables become one.
fn scan(
    line: &str,
    words: &mut Vec<Word>,
    spans: &mut Vec<Range<u32>>,
    variables: &mut Vec<Range<u32>>,
) -> u64 {
    words.clear();
    spans.clear();
    variables.clear();
    let bytes = line.as_bytes();
    let mut i = 0;
    while i < bytes.len() && words.len() < MAX_WORDS {
        if !is_word(bytes, i) {
            i += 1;
            continue;
        }
        let start = i;
        let mut hash = SEED;
        let (mut digit, mut dots) = (false, 0);
        while i < bytes.len() && is_word(bytes, i) {
            let b = bytes[i];
            digit |= b.is_ascii_digit();
            dots += u32::from(b == b'.');
            hash = step(hash, b);
            i += 1;
        }
        // A stop at the end of a sentence is not part of the word.
        let mut end = i;
        if bytes[end - 1] == b'.' && end > start + 1 {
            end -= 1;
            dots -= 1;
            hash = bytes[start..end].iter().fold(SEED, |h, &b| step(h, b));
        }
        let word = &bytes[start..end];
        let path = word.len() > 1 && (word[0] == b'/' || word.starts_with(b"./"));
        let value = start > 0 && bytes[start - 1] == b'=';
        let numbered = is_numbered(bytes, end);
        let octet = is_octet(bytes, start, end);
        let previous = words.last() == Some(&ANY);
        if digit
            || path
            || value
            || numbered
            || octet
            || dots >= 2
            || is_date(word)
            || (previous && is_unit(word))
        {
            variables.push(start as u32..end as u32);
            if previous {
                if let Some(span) = spans.last_mut() {
                    span.end = end as u32;
                }
            } else {
                words.push(ANY);
                spans.push(start as u32..end as u32);
            }
        } else {
            words.push(hash.max(1));
            spans.push(start as u32..end as u32);
        }
    }
    hash_words(words)
}

/// Whether a word goes on or begins here. Dots in a row lead the eye, not a word.
fn is_word(bytes: &[u8], i: usize) -> bool {
    let b = bytes[i];
    WORD[usize::from(b)]
        && (b != b'.' || (bytes.get(i + 1) != Some(&b'.') && (i == 0 || bytes[i - 1] != b'.')))
}

/// Whether a number in parentheses follows at once, as in `LOCAL(0)`.
fn is_numbered(bytes: &[u8], end: usize) -> bool {
    let rest = bytes.get(end..).unwrap_or_default();
    let Some(inside) = rest.strip_prefix(b"(") else {
        return false;
    };
    let digits = inside.iter().take_while(|b| b.is_ascii_digit()).count();
    digits > 0 && inside.get(digits) == Some(&b')')
}

/// Whether it is two hexadecimal digits beside a colon, as in a MAC address.
fn is_octet(bytes: &[u8], start: usize, end: usize) -> bool {
    end - start == 2
        && bytes[start..end].iter().all(u8::is_ascii_hexdigit)
        && ((start > 0 && bytes[start - 1] == b':') || bytes.get(end) == Some(&b':'))
}

/// Names of months and days as they stand in dates.
fn is_date(word: &[u8]) -> bool {
    const NAMES: [&[u8; 3]; 19] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun",
    ];
    word.len() == 3 && word[0].is_ascii_uppercase() && NAMES.iter().any(|n| &n[..] == word)
}

/// Units that stand after a number and change with its size.
fn is_unit(word: &[u8]) -> bool {
    const UNITS: [&[u8]; 20] = [
        b"B", b"KB", b"kB", b"MB", b"GB", b"TB", b"KiB", b"MiB", b"GiB", b"TiB", b"ns", b"us",
        b"ms", b"s", b"sec", b"secs", b"min", b"h", b"MHz", b"GHz",
    ];
    word.len() <= 4 && UNITS.contains(&word)
}

const SEED: u64 = 0xCBF2_9CE4_8422_2325;

/// One step of FNV-1a.
fn step(hash: u64, b: u8) -> u64 {
    (hash ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3)
}

/// The line with its variables replaced by `<*>`.
fn render(line: &str, words: &[Word], spans: &[Range<u32>]) -> String {
    let mut text = String::with_capacity(line.len());
    let mut at = 0;
    for (word, span) in words.iter().zip(spans) {
        if *word == ANY {
            text.push_str(line.get(at..span.start as usize).unwrap_or_default());
            text.push_str("<*>");
            at = span.end as usize;
        }
    }
    text.push_str(line.get(at..).unwrap_or_default());
    text
}

/// A template's text with one more of its words replaced by `<*>`.
fn blank(text: &str, place: usize) -> String {
    // Words and wildcards come in the text in the order of the template's words.
    let bytes = text.as_bytes();
    let (mut index, mut i) = (0, 0);
    while i < bytes.len() {
        if bytes[i..].starts_with(b"<*>") {
            if index == place {
                break;
            }
            index += 1;
            i += 3;
            continue;
        }
        if !is_word(bytes, i) {
            i += 1;
            continue;
        }
        let start = i;
        while i < bytes.len() && is_word(bytes, i) {
            i += 1;
        }
        let end = if bytes[i - 1] == b'.' && i > start + 1 {
            i - 1
        } else {
            i
        };
        if index == place {
            let (before, after) = (text.get(..start), text.get(end..));
            return format!(
                "{}<*>{}",
                before.unwrap_or_default(),
                after.unwrap_or_default()
            );
        }
        index += 1;
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_and_paths_are_variables() {
        let mut miner = Miner::new(Config::default());
        let a = miner.push("Accepted password for root from 10.0.0.1 port 22");
        let b = miner.push("Accepted password for root from 10.0.0.77 port 4711");
        assert!(a.new && !b.new);
        assert_eq!(a.template, b.template);
        assert_eq!(
            miner.text(a.template),
            Some("Accepted password for root from <*> port <*>")
        );
        assert_eq!(miner.variables().len(), 2);
    }

    #[test]
    fn a_word_that_varies_becomes_a_variable() {
        let mut miner = Miner::new(Config::default());
        for user in ["root", "guest", "alice", "bob", "carol"] {
            miner.push(&format!("session opened for user {user} by (uid=0)"));
        }
        let mined = miner.push("session opened for user mallory by (uid=7)");
        assert!(!mined.new);
        assert_eq!(
            miner.text(mined.template),
            Some("session opened for user <*> by (uid=<*>)")
        );
        assert_eq!(miner.len(), 1);
    }

    #[test]
    fn the_number_of_templates_is_bounded() {
        let mut miner = Miner::new(Config {
            max_templates: 100,
            branching: 1000,
        });
        for i in 0..5000_u32 {
            let word: String = (0..6)
                .map(|d| char::from(b'a' + (i >> (3 * d) & 7) as u8))
                .collect();
            miner.push(&format!("unheard of {word}"));
        }
        assert!(miner.len() <= 100);
        assert!(miner.exact.len() <= 1700 && miner.holes.len() <= 500);
    }

    proptest! {
        #[test]
        fn any_text_has_a_template_and_a_checkpoint_continues(
            lines in prop::collection::vec("[a-d1 <*>/.é]{0,30}", 1..60),
        ) {
            let mut miner = Miner::new(Config { max_templates: 20, branching: 2 });
            let half = lines.len() / 2;
            for line in &lines[..half] {
                miner.push(line);
            }
            let bytes = postcard::to_stdvec(&miner).expect("serialises");
            let mut twin: Miner = postcard::from_bytes(&bytes).expect("reads back");
            for line in &lines[half..] {
                let a = miner.push(line);
                prop_assert!(miner.text(a.template).is_some());
                let b = twin.push(line);
                prop_assert_eq!(miner.text(a.template), twin.text(b.template));
            }
        }
    }
}
