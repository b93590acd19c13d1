//! Finds the templates that a new shape belongs to, or nearly does.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::evidence;
use super::pattern::Pattern;

/// A map whose keys are numbers or hashes already.
pub(crate) type HashKeyed<K, V> = HashMap<K, V, BuildHasherDefault<KeyHasher>>;

/// A set of such.
pub(crate) type NumberSet<K> = HashSet<K, BuildHasherDefault<KeyHasher>>;

/// Spreads a number over 64 bits (Knuth's multiplicative hashing).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(u64::from(byte));
        }
    }
    fn write_u32(&mut self, value: u32) {
        self.write_u64(u64::from(value));
    }
    fn write_u64(&mut self, value: u64) {
        let product = (self.0 ^ value).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        self.0 = product ^ (product >> 32);
    }
}

/// Hashes a shape's key, with a seed that a sender of lines cannot know.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeededHash(u64);

impl Default for SeededHash {
    fn default() -> Self {
        Self(RandomState::new().hash_one(0))
    }
}

impl BuildHasher for SeededHash {
    type Hasher = Self;
    fn build_hasher(&self) -> Self {
        *self
    }
}

impl Hasher for SeededHash {
    fn finish(&self) -> u64 {
        self.0
    }
    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxh3_64_with_seed(bytes, self.0);
    }
    // The length of the key: it tells nothing that its bytes do not.
    fn write_usize(&mut self, _length: usize) {}
}

/// Most sets of places, for one number of tokens, at which wildcards were found. It bounds the
/// time of a look-up.
const MOST_MASKS: usize = 64;

/// All live templates, by what they are and by what they would be with one wildcard more.
#[derive(Clone, Debug, Default)]
pub(super) struct Index {
    /// Templates by the hash of their pattern.
    patterns: HashKeyed<u64, u32>,
    /// Templates by the hash of their pattern with a wildcard for one word.
    columns: HashKeyed<u64, Column>,
    /// Templates that have a canonical pattern other than their own, by its hash.
    spelled: HashKeyed<u64, Vec<u32>>,
    /// Templates by the hash of their pattern with a wildcard at every likely place.
    alike: HashKeyed<u64, Vec<u32>>,
    /// Templates with a run of wildcards, by the hash of their pattern with one for each run.
    runs: HashKeyed<u64, Vec<u32>>,
    /// By number of tokens: where wildcards were found, and in how many templates. A search of
    /// this "tuple space" (Srinivasan, Suri & Varghese, SIGCOMM 1999) takes one probe for each
    /// set of places, not one for each template.
    masks: HashMap<usize, Vec<(Vec<u16>, usize)>>,
}

/// Templates that differ in one word.
#[derive(Clone, Debug)]
pub(super) struct Column {
    /// Them, in the order in which they came, with how many different words each asks for.
    templates: Vec<(u32, usize)>,
    /// Where the word stands.
    pub(super) at: u16,
}

impl Column {
    /// Their ids.
    pub(super) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.templates.iter().map(|&(id, _)| id)
    }

    /// How many different words stand there.
    pub(super) fn words(&self) -> usize {
        self.templates.len()
    }

    /// How many are needed: the most that any template asks for.
    pub(super) fn needed(&self) -> usize {
        self.templates
            .iter()
            .map(|&(_, needed)| needed)
            .max()
            .unwrap_or(0)
    }
}

/// A word of a pattern that may be found to vary.
pub(super) struct Place {
    /// Where it stands.
    pub(super) at: u16,
    /// The hash of the pattern with a wildcard there.
    pub(super) hash: u64,
    /// How many different words are needed.
    pub(super) needed: usize,
}

/// The places of a pattern's words that may be found to vary.
pub(super) fn places(pattern: &Pattern) -> impl Iterator<Item = Place> + '_ {
    let count = if pattern.may_vary() {
        pattern.parts().len()
    } else {
        0
    };
    (0..count).filter_map(|at| {
        let needed = evidence::needed(pattern, at)?;
        let at = at as u16;
        Some(Place {
            at,
            hash: pattern.hash_with(&[at]),
            needed,
        })
    })
}

/// The places where the least evidence is enough. Two and more of them may vary together, so
/// that no two templates differ in one alone.
pub(super) fn likely(pattern: &Pattern) -> Vec<u16> {
    let likely = places(pattern).filter(|place| place.needed == evidence::LEAST);
    likely.map(|place| place.at).collect()
}

impl Index {
    /// The template whose pattern has this hash.
    pub(super) fn with_hash(&self, hash: u64) -> Option<u32> {
        self.patterns.get(&hash).copied()
    }

    /// The templates whose pattern, with wildcards for words that were found to vary, might
    /// cover this one; with their number of such wildcards.
    pub(super) fn covering<'a>(
        &'a self,
        pattern: &'a Pattern,
    ) -> impl Iterator<Item = (usize, u32)> + 'a {
        let masks = self.masks.get(&pattern.parts().len());
        masks.into_iter().flatten().filter_map(|(mask, _)| {
            let id = self.with_hash(pattern.hash_with(mask))?;
            Some((mask.len(), id))
        })
    }

    /// The templates that are this pattern but for one word, by the pattern's hash.
    pub(super) fn column(&self, hash: u64) -> Option<&Column> {
        self.columns.get(&hash)
    }

    /// The templates whose canonical pattern has this hash, and is not their own.
    pub(super) fn spelled(&self, hash: u64) -> &[u32] {
        self.spelled.get(&hash).map_or(&[], Vec::as_slice)
    }

    /// The templates that are equal but for their likely places, by the hash of the pattern
    /// with a wildcard at each.
    pub(super) fn alike(&self, hash: u64) -> &[u32] {
        self.alike.get(&hash).map_or(&[], Vec::as_slice)
    }

    /// The templates that differ from the pattern of this hash in the lengths of runs of
    /// wildcards.
    pub(super) fn runs(&self, hash: u64) -> &[u32] {
        self.runs.get(&hash).map_or(&[], Vec::as_slice)
    }

    /// Whether a template with these found wildcards can be taken in.
    pub(super) fn takes(&self, pattern: &Pattern) -> bool {
        let masks = self.masks.get(&pattern.parts().len());
        masks.is_none_or(|masks| {
            masks.len() < MOST_MASKS || masks.iter().any(|(mask, _)| mask == pattern.found())
        })
    }

    /// Takes a template in.
    pub(super) fn insert(&mut self, id: u32, pattern: &Pattern) {
        self.patterns.insert(pattern.hash(), id);
        for place in places(pattern) {
            let column = self.columns.entry(place.hash).or_insert(Column {
                templates: Vec::new(),
                at: place.at,
            });
            column.templates.push((id, place.needed));
        }
        let likely = likely(pattern);
        if likely.len() >= 2 {
            let hash = pattern.hash_with(&likely);
            self.alike.entry(hash).or_default().push(id);
        }
        if let Some(canonical) = pattern.canonical() {
            self.spelled.entry(canonical.hash()).or_default().push(id);
        }
        if let Some(collapsed) = pattern.collapsed() {
            self.runs.entry(collapsed.hash()).or_default().push(id);
        }
        if !pattern.found().is_empty() {
            let masks = self.masks.entry(pattern.parts().len()).or_default();
            match masks.iter_mut().find(|(mask, _)| mask == pattern.found()) {
                Some((_, count)) => *count += 1,
                None => masks.push((pattern.found().to_vec(), 1)),
            }
        }
    }

    /// Forgets a template.
    pub(super) fn remove(&mut self, id: u32, pattern: &Pattern) {
        if self.with_hash(pattern.hash()) == Some(id) {
            self.patterns.remove(&pattern.hash());
        }
        for place in places(pattern) {
            if let Some(column) = self.columns.get_mut(&place.hash) {
                column.templates.retain(|&(other, _)| other != id);
                if column.templates.is_empty() {
                    self.columns.remove(&place.hash);
                }
            }
        }
        let likely = likely(pattern);
        if likely.len() >= 2 {
            drop_id(&mut self.alike, pattern.hash_with(&likely), id);
        }
        if let Some(canonical) = pattern.canonical() {
            drop_id(&mut self.spelled, canonical.hash(), id);
        }
        if let Some(collapsed) = pattern.collapsed() {
            drop_id(&mut self.runs, collapsed.hash(), id);
        }
        let length = pattern.parts().len();
        if let Some(masks) = self.masks.get_mut(&length)
            && let Some(at) = masks.iter().position(|(mask, _)| mask == pattern.found())
        {
            masks[at].1 -= 1;
            if masks[at].1 == 0 {
                masks.remove(at);
            }
            if masks.is_empty() {
                self.masks.remove(&length);
            }
        }
    }
}

fn drop_id(map: &mut HashKeyed<u64, Vec<u32>>, hash: u64, id: u32) {
    if let Some(ids) = map.get_mut(&hash) {
        ids.retain(|&other| other != id);
        if ids.is_empty() {
            map.remove(&hash);
        }
    }
}
