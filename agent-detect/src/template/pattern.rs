//! A pattern: the tokens of a template, wildcards among them.

use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;

use super::shape::{JOINT, WILD};
use super::token::{class, class_of};

/// Longest pattern, in tokens, whose words may be found to vary. Longer lines are told apart by
/// their shape alone.
const LONGEST: usize = 160;

/// The tokens of a template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pattern {
    /// As [`super::shape::Shaper::key`] writes it.
    key: Box<[u8]>,
    parts: Vec<Part>,
    /// Which wildcards stand for words that were found to vary, ascending. The others are
    /// variables by their form.
    found: Vec<u16>,
    /// Sum of the parts' hashes, so that one part can be changed without adding up the others.
    hash: u64,
}

/// One token of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Part {
    start: u32,
    end: u32,
    /// White space stood before it.
    pub(super) spaced: bool,
    /// What it is.
    pub(super) role: Role,
}

/// What a token of a pattern is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// `<*>`.
    Wild,
    /// A constant with a letter in it.
    Word,
    /// Punctuation.
    Mark,
}

impl Pattern {
    /// The pattern of a shape's key.
    pub(super) fn of_key(key: &[u8], found: Vec<u16>) -> Self {
        let mut parts = Vec::new();
        let mut start = 0;
        let mut spaced = false;
        while start < key.len() {
            let end = key[start..]
                .iter()
                .position(|&byte| byte == b' ' || byte == JOINT)
                .map_or(key.len(), |length| start + length);
            let text = &key[start..end];
            let letter = class::ALPHA | class::HEX | class::DIGIT;
            let role = if text == [WILD] {
                Role::Wild
            } else if text.iter().any(|&byte| class_of(byte) & letter != 0) {
                Role::Word
            } else {
                Role::Mark
            };
            parts.push(Part {
                start: start as u32,
                end: end as u32,
                spaced,
                role,
            });
            spaced = key.get(end) == Some(&b' ');
            start = end + 1;
        }
        let mut pattern = Self {
            key: key.into(),
            parts,
            found,
            hash: 0,
        };
        let parts = pattern.parts.iter().enumerate();
        pattern.hash = parts.fold(0, |sum: u64, (at, part)| {
            sum.wrapping_add(hash_at(at, part.spaced, pattern.bytes(part)))
        });
        pattern
    }

    /// Its key.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// Its tokens.
    pub(super) fn parts(&self) -> &[Part] {
        &self.parts
    }

    /// The wildcards that were found, ascending.
    pub(super) fn found(&self) -> &[u16] {
        &self.found
    }

    /// Its hash; equal for equal keys.
    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    /// The bytes of a token.
    pub(super) fn bytes(&self, part: &Part) -> &[u8] {
        &self.key[part.start as usize..part.end as usize]
    }

    /// The token at `at`.
    pub(super) fn at(&self, at: usize) -> &[u8] {
        self.bytes(&self.parts[at])
    }

    /// Whether its words may be found to vary.
    pub(super) fn may_vary(&self) -> bool {
        self.parts.len() <= LONGEST
    }

    /// The hash of this pattern with wildcards at `places`.
    pub(super) fn hash_with(&self, places: &[u16]) -> u64 {
        places.iter().fold(self.hash, |sum, &place| {
            let at = usize::from(place);
            let part = &self.parts[at];
            sum.wrapping_sub(hash_at(at, part.spaced, self.bytes(part)))
                .wrapping_add(hash_at(at, part.spaced, &[WILD]))
        })
    }

    /// This pattern with a wildcard for the tokens of `range`; `found` says that the wildcard was
    /// found, not seen by its form.
    pub(super) fn with_wildcard(&self, range: Range<usize>, found: bool) -> Self {
        let (first, last) = (self.parts[range.start], self.parts[range.end - 1]);
        let mut key = self.key[..first.start as usize].to_vec();
        key.push(WILD);
        key.extend_from_slice(&self.key[last.end as usize..]);
        let shorter = range.len() as u16 - 1;
        let (start, end) = (range.start as u16, range.end as u16);
        let mut places: Vec<_> = self
            .found
            .iter()
            .filter(|&&place| place < start || place >= end)
            .map(|&place| {
                if place < start {
                    place
                } else {
                    place - shorter
                }
            })
            .collect();
        if found {
            add(&mut places, start);
        }
        Self::of_key(&key, places)
    }

    /// Adds wildcards to those that were found.
    pub(super) fn add_found(&mut self, places: &[u16]) {
        for &place in places {
            add(&mut self.found, place);
        }
    }

    /// The groups of tokens without white space between them.
    pub(super) fn chunks(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        let mut start = 0;
        std::iter::from_fn(move || {
            if start >= self.parts.len() {
                return None;
            }
            let end = self.parts[start + 1..]
                .iter()
                .position(|part| part.spaced)
                .map_or(self.parts.len(), |length| start + 1 + length);
            let chunk = start..end;
            start = end;
            Some(chunk)
        })
    }

    /// Parts of chunks that may be one value written in two ways, as `LOCAL(0)` beside
    /// `10.0.0.1`: a word and a variable without white space between them, no key and its value.
    fn compounds(&self) -> impl Iterator<Item = Range<usize>> + '_ {
        self.chunks().filter_map(|mut chunk| {
            let closed = |at: usize| matches!(self.at(at), b"," | b";" | b":" | b"." | b"!" | b"?");
            while !chunk.is_empty() && closed(chunk.end - 1) {
                chunk.end -= 1;
            }
            let has = |role| {
                self.parts[chunk.clone()]
                    .iter()
                    .any(|part| part.role == role)
            };
            let keyed = chunk
                .clone()
                .any(|at| matches!(self.at(at), b"=" | b"\"" | b"<"));
            let open = chunk
                .clone()
                .filter(|&at| matches!(self.at(at), b"(" | b"[" | b"{"))
                .count();
            let close = chunk
                .clone()
                .filter(|&at| matches!(self.at(at), b")" | b"]" | b"}"))
                .count();
            (chunk.len() > 1
                && self.may_vary()
                && has(Role::Wild)
                && has(Role::Word)
                && self.parts[chunk.start].role == Role::Word
                && !keyed
                && open == close)
                .then_some(chunk)
        })
    }

    /// Whether `other` is this pattern but for words at the wildcards that were found.
    pub(super) fn covers(&self, other: &Self) -> bool {
        self.parts.len() == other.parts.len()
            && self
                .parts
                .iter()
                .zip(&other.parts)
                .enumerate()
                .all(|(at, (a, b))| {
                    a.spaced == b.spaced
                        && (self.bytes(a) == other.bytes(b)
                            || (a.role == Role::Wild
                                && b.role == Role::Word
                                && self.found.binary_search(&(at as u16)).is_ok()))
                })
    }

    /// This pattern with one wildcard for each run of them that has only spaces inside, if it
    /// has such a run.
    pub(super) fn collapsed(&self) -> Option<Self> {
        let mut key = Vec::with_capacity(self.key.len());
        let mut found = Vec::new();
        let (mut count, mut last_wild) = (0, false);
        for (at, part) in self.parts.iter().enumerate() {
            let wild = part.role == Role::Wild;
            if wild && last_wild && part.spaced {
                continue;
            }
            if at > 0 {
                key.push(if part.spaced { b' ' } else { JOINT });
            }
            key.extend_from_slice(self.bytes(part));
            if self.found.binary_search(&(at as u16)).is_ok() {
                found.push(count);
            }
            count += 1;
            last_wild = wild;
        }
        (usize::from(count) < self.parts.len()).then(|| Self::of_key(&key, found))
    }

    /// This pattern with one wildcard for each compound and for each run of wildcards, if it has
    /// any.
    pub(super) fn canonical(&self) -> Option<Self> {
        let compounds: Vec<_> = self.compounds().collect();
        if compounds.is_empty() {
            return self.collapsed();
        }
        let plain = compounds
            .into_iter()
            .rev()
            .fold(self.clone(), |pattern, range| {
                pattern.with_wildcard(range, false)
            });
        Some(plain.collapsed().unwrap_or(plain))
    }

    /// For each wildcard of this pattern, the tokens of a covered shape that it stands for: one,
    /// or several where the shape has a compound or a run of wildcards.
    pub(super) fn align(&self, shape: &Self) -> Vec<(u16, u16)> {
        let (mine, theirs) = (self.parts.len(), shape.parts.len());
        let wild = |at: usize| self.parts[at].role == Role::Wild;
        if mine == theirs {
            return (0..mine)
                .filter(|&at| wild(at))
                .map(|at| (at as u16, at as u16 + 1))
                .collect();
        }
        // fits[i][j]: the tokens from i on can stand for those of the shape from j on.
        let width = theirs + 1;
        let mut fits = vec![false; (mine + 1) * width];
        fits[mine * width + theirs] = true;
        for i in (0..mine).rev() {
            for j in (0..theirs).rev() {
                fits[i * width + j] = if wild(i) {
                    fits[(i + 1) * width + j + 1] || fits[i * width + j + 1]
                } else {
                    self.at(i) == shape.at(j) && fits[(i + 1) * width + j + 1]
                };
            }
        }
        let mut ranges = Vec::new();
        let mut j = 0;
        for i in 0..mine {
            let start = j.min(theirs);
            j = (start + 1).min(theirs);
            if wild(i) {
                while j < theirs && !fits[(i + 1) * width + j] {
                    j += 1;
                }
                ranges.push((start as u16, j as u16));
            }
        }
        ranges
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.parts.iter().enumerate() {
            if part.spaced && at > 0 {
                f.write_str(" ")?;
            }
            match part.role {
                Role::Wild => f.write_str("<*>")?,
                _ => f.write_str(&String::from_utf8_lossy(self.bytes(part)))?,
            }
        }
        Ok(())
    }
}

fn add(places: &mut Vec<u16>, place: u16) {
    if let Err(at) = places.binary_search(&place) {
        places.insert(at, place);
    }
}

fn hash_at(at: usize, spaced: bool, bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    (at, spaced, bytes).hash(&mut hasher);
    hasher.finish()
}
