//! Which words and field values a block may have: a Bloom filter (Bloom, "Space/time trade-offs
//! in hash coding with allowable errors", CACM 13(7), 1970), with the two hashes of Kirsch and
//! Mitzenmacher ("Less Hashing, Same Performance", ESA 2006).

use std::collections::HashSet;

use xxhash_rust::xxh3::xxh3_64;

use crate::block::shape::Quick;

/// Gathers the words and values of a block.
#[derive(Debug)]
pub(crate) struct Gather {
    hashes: HashSet<u64, Quick>,
    lower: Vec<u8>,
}

/// The hash of a word, whatever the case of its ASCII letters.
fn word_hash(word: &[u8], lower: &mut Vec<u8>) -> u64 {
    lower.clear();
    lower.extend_from_slice(word);
    lower.make_ascii_lowercase();
    xxh3_64(lower)
}

/// The hash of a field's value.
fn value_hash(name: &str, value: &[u8], lower: &mut Vec<u8>) -> u64 {
    lower.clear();
    lower.extend_from_slice(name.as_bytes());
    // No word has this in it, so that words and values never meet.
    lower.push(b'=');
    lower.extend_from_slice(value);
    let start = name.len() + 1;
    lower[start..].make_ascii_lowercase();
    xxh3_64(lower)
}

impl Gather {
    /// Of so many events.
    pub(crate) fn new(events: usize) -> Self {
        // About as many words of an event are in no other of its block.
        const DISTINCT: usize = 4;
        Self {
            hashes: HashSet::with_capacity_and_hasher(events * DISTINCT, Quick),
            lower: Vec::new(),
        }
    }

    pub(crate) fn word(&mut self, word: &str) {
        self.hashes
            .insert(word_hash(word.as_bytes(), &mut self.lower));
    }

    pub(crate) fn value(&mut self, name: &str, value: &[u8]) {
        self.hashes.insert(value_hash(name, value, &mut self.lower));
    }

    /// The filter, as it is stored: the number of probes, then the bits.
    pub(crate) fn finish(&self) -> Vec<u8> {
        let len = filter_len(self.hashes.len());
        let bits = (len as u64 - 1) * 8;
        let per_key = bits as f64 / self.hashes.len().max(1) as f64;
        let probes = (per_key * std::f64::consts::LN_2).round().clamp(1.0, 8.0) as u8;
        let mut out = vec![0; len];
        out[0] = probes;
        for hash in &self.hashes {
            for bit in probe(*hash, probes, bits) {
                out[1 + (bit / 8) as usize] |= 1 << (bit % 8);
            }
        }
        out
    }
}

/// At least this many bits for each key: one in seven lookups of an absent word says "perhaps".
const MIN_BITS: usize = 4;

/// The filter's length in bytes. Values of more than a page take a power of two of pages in redb,
/// so that the bits up to there cost nothing.
fn filter_len(keys: usize) -> usize {
    const PAGE: usize = 4096;
    /// What redb keeps beside a value in its page, with room to spare.
    const BESIDE: usize = 64;
    let len = 1 + (keys * MIN_BITS).div_ceil(8).max(8);
    if len <= PAGE / 2 {
        len
    } else {
        (len + BESIDE).next_power_of_two() - BESIDE
    }
}

fn probe(hash: u64, probes: u8, bits: u64) -> impl Iterator<Item = u64> {
    let (first, step) = (hash, hash.rotate_left(32) | 1);
    (0..u64::from(probes)).map(move |i| {
        let mixed = first.wrapping_add(step.wrapping_mul(i));
        // The high half of the product: as good as a remainder, and faster (Lemire, "Fast Random
        // Integer Generation in an Interval", 2019).
        ((u128::from(mixed) * u128::from(bits)) >> 64) as u64
    })
}

/// A filter as it is read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tokens<'a> {
    probes: u8,
    bits: &'a [u8],
}

impl<'a> Tokens<'a> {
    /// From what [`Gather::finish`] gave; `None` where it cannot be that, and then nothing can be
    /// skipped by it.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (probes, bits) = bytes.split_first()?;
        (!bits.is_empty() && (1..=8).contains(probes)).then_some(Self {
            probes: *probes,
            bits,
        })
    }

    fn may_have(self, hash: u64) -> bool {
        probe(hash, self.probes, self.bits.len() as u64 * 8)
            .all(|bit| self.bits[(bit / 8) as usize] & 1 << (bit % 8) != 0)
    }

    /// Whether a message may have this word; false is certain.
    pub(crate) fn may_have_word(self, word: &str) -> bool {
        self.may_have(word_hash(word.as_bytes(), &mut Vec::new()))
    }

    /// Whether a field may have this value, in whatever letter case; false is certain.
    pub(crate) fn may_have_value(self, name: &str, value: &[u8]) -> bool {
        self.may_have(value_hash(name, value, &mut Vec::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_gathered_is_there_and_little_else_is() {
        for keys in [1usize, 10, 1000, 20_000] {
            let mut gather = Gather::new(0);
            for key in 0..keys {
                gather.word(&format!("Word{key}"));
            }
            gather.value("pid", b"12");
            let bytes = gather.finish();
            let tokens = Tokens::new(&bytes).expect("a filter");
            assert!((0..keys).all(|key| tokens.may_have_word(&format!("wORD{key}"))));
            assert!(tokens.may_have_value("pid", b"12"));
            let wrong = (0..10_000)
                .filter(|n| tokens.may_have_word(&format!("absent{n}")))
                .count();
            assert!(
                wrong < 2000,
                "{wrong} of 10000 absent words pass with {keys} keys"
            );
        }
    }
}
