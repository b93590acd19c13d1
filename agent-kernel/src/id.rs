//! Hashing of ids that the kernel gives: of processes and control groups.

use std::hash::{BuildHasherDefault, Hasher};

/// For maps by such ids. Nobody can choose them so that they collide, as keys from outside could be.
pub(crate) type ById = BuildHasherDefault<IdHasher>;

/// By one multiplication: neighbours, as ids are, end up far from each other.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(u64::from(*byte));
        }
    }

    fn write_u32(&mut self, id: u32) {
        self.write_u64(u64::from(id));
    }

    fn write_u64(&mut self, id: u64) {
        // The golden ratio, as in Fibonacci hashing (Knuth, volume 3, section 6.4).
        let mixed = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::hash::BuildHasher as _;

    use super::*;

    #[test]
    fn neighbours_are_kept_apart() {
        // As a hash map takes them: the lower bits for the place, the upper seven to compare.
        let by_id = ById::default();
        let hashes: Vec<u64> = (1..=4096_u32).map(|id| by_id.hash_one(id)).collect();
        let places: HashSet<u64> = hashes.iter().map(|hash| hash % 8192).collect();
        assert!(places.len() > 2048, "{} places", places.len());
        let tags: HashSet<u64> = hashes.iter().map(|hash| hash >> 57).collect();
        assert_eq!(tags.len(), 128);
    }
}
