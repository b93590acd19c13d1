//! Detectors that anybody could write in a minute: what is no better than these is no good.

/// A number between 0 and 1 for a place, without a pattern.
pub(super) fn random(place: u64) -> f64 {
    let mut x = place.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 29;
    x = x.wrapping_mul(0xBF58_476D_1CE4_E5B9);
    x ^= x >> 32;
    (x >> 11) as f64 / (1u64 << 53) as f64
}

/// Distance from the running mean in running standard deviations.
#[derive(Clone, Default)]
pub(super) struct ZScore {
    count: f64,
    mean: f64,
    squares: f64,
}

impl ZScore {
    pub(super) fn push(&mut self, value: f64) -> f64 {
        let deviation = (self.squares / self.count.max(1.0)).sqrt();
        let z = if deviation > 0.0 {
            (value - self.mean).abs() / deviation
        } else {
            0.0
        };
        self.count += 1.0;
        let off = value - self.mean;
        self.mean += off / self.count;
        self.squares += off * (value - self.mean);
        z
    }
}
