//! Histograms that the kernel side counts.

use bytemuck::{Pod, Zeroable};

/// Number of buckets.
pub const BUCKETS: usize = 28;

/// The first bucket counts what took at most 2 to this power nanoseconds: about a microsecond. Each
/// next bound is twice the one before; the last bucket has none.
pub const FIRST_BOUND_LOG2: u32 = 10;

/// Counts by powers of two of nanoseconds.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct Histogram {
    /// How many fell into each bucket.
    pub buckets: [u64; BUCKETS],
    /// The sum of all, in nanoseconds.
    pub sum: u64,
}

/// Which histogram of block request latencies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
#[repr(C)]
pub struct BlockKey {
    /// Major number of the disk.
    pub major: u32,
    /// Number of the disk's first minor.
    pub minor: u32,
    /// The operation, `REQ_OP_*` of the kernel.
    pub operation: u32,
}

/// The bucket that counts a number of nanoseconds.
#[inline]
pub const fn bucket(nanos: u64) -> usize {
    // The number of bits of (nanos - 1) is the power of the least bound that is not below nanos.
    // By halves, because BPF has no instruction that counts leading zeros.
    let mut rest = nanos.saturating_sub(1) >> FIRST_BOUND_LOG2;
    let mut index = 0;
    let mut step = 32;
    while step > 0 {
        if rest >> step != 0 {
            rest >>= step;
            index += step;
        }
        step /= 2;
    }
    if rest != 0 {
        index += 1;
    }
    if index < BUCKETS { index } else { BUCKETS - 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_what_is_at_most_its_bound() {
        for index in 0..BUCKETS - 1 {
            let bound = 1u64 << (FIRST_BOUND_LOG2 as usize + index);
            assert_eq!(bucket(bound), index);
            assert_eq!(bucket(bound + 1), index + 1);
        }
        assert_eq!(bucket(0), 0);
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
    }
}
