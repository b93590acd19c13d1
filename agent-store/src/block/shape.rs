//! Values that share a shape: what is the same is kept once, what differs goes into columns.

use std::collections::HashMap;

use xxhash_rust::xxh3::xxh3_64;

/// Numbers shapes, in order of first sight.
#[derive(Debug, Default)]
pub(crate) struct Shapes {
    /// All keys, one after the other.
    keys: Vec<u8>,
    ends: Vec<usize>,
    by_hash: HashMap<u64, u32, Quick>,
}

impl Shapes {
    /// The number of the shape with this key.
    pub(crate) fn number(&mut self, key: &[u8]) -> u32 {
        let mut hash = xxh3_64(key);
        loop {
            match self.by_hash.get(&hash) {
                Some(known) if self.key(*known) == key => return *known,
                // Two keys with one hash: the next number is as good.
                Some(_) => hash = hash.wrapping_add(1),
                None => {
                    let number = self.ends.len() as u32;
                    self.keys.extend_from_slice(key);
                    self.ends.push(self.keys.len());
                    self.by_hash.insert(hash, number);
                    return number;
                }
            }
        }
    }

    pub(crate) fn key(&self, number: u32) -> &[u8] {
        let number = number as usize;
        let start = if number == 0 {
            0
        } else {
            self.ends[number - 1]
        };
        &self.keys[start..self.ends[number]]
    }

    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }
}

/// Hashes numbers, hashes and text faster than the standard library's hasher, which is made to
/// withstand chosen keys. Those here are of one block: at worst its sealing is slow.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Quick;

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct QuickHasher(u64);

impl std::hash::BuildHasher for Quick {
    type Hasher = QuickHasher;

    fn build_hasher(&self) -> QuickHasher {
        QuickHasher(0)
    }
}

impl std::hash::Hasher for QuickHasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0 ^= xxh3_64(bytes);
    }

    fn write_u64(&mut self, number: u64) {
        // Both halves of the product: every bit out depends on every bit in.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        self.0 = product as u64 ^ (product >> 64) as u64;
    }

    fn write_usize(&mut self, number: usize) {
        self.write_u64(number as u64);
    }

    fn write_i64(&mut self, number: i64) {
        self.write_u64(number as u64);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
