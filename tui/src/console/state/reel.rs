//! The vital signs with all processes as they were seen, for moments to come back to: an agent
//! stores its metrics, but not who used what.

use std::collections::VecDeque;

use hark_api::{Timestamp, Vitals};

/// A frame each so many nanoseconds.
const EVERY: i64 = 2_000_000_000;
/// Frames that are kept: an hour.
const FRAMES: usize = 1_800;
/// A frame stands for the moments after it up to this, in nanoseconds.
const HOLDS: i64 = 5_000_000_000;
/// zstd's fastest ordinary level.
const ZSTD_LEVEL: i32 = 1;

struct Frame {
    time: Timestamp,
    /// zstd over JSON.
    packed: Box<[u8]>,
    unpacked_len: usize,
}

/// The frames, oldest first.
#[derive(Default)]
pub(crate) struct Reel(VecDeque<Frame>);

impl Reel {
    /// Keeps a reading, unless the last one is as new.
    pub(crate) fn push(&mut self, vitals: &Vitals) {
        let next = self.0.back().map(|frame| frame.time.plus_nanos(EVERY));
        if next.is_some_and(|next| vitals.time < next) {
            return;
        }
        let Ok(json) = serde_json::to_vec(vitals) else {
            return;
        };
        let Ok(packed) = zstd::bulk::compress(&json, ZSTD_LEVEL) else {
            return;
        };
        if self.0.len() == FRAMES {
            self.0.pop_front();
        }
        self.0.push_back(Frame {
            time: vitals.time,
            packed: packed.into_boxed_slice(),
            unpacked_len: json.len(),
        });
    }

    /// The reading of a moment; `None` where none was seen then.
    pub(crate) fn at(&self, at: Timestamp) -> Option<Vitals> {
        let after = self.0.partition_point(|frame| frame.time <= at);
        let frame = self.0.get(after.checked_sub(1)?)?;
        if at > frame.time.plus_nanos(HOLDS) {
            return None;
        }
        let json = zstd::bulk::decompress(&frame.packed, frame.unpacked_len).ok()?;
        serde_json::from_slice(&json).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    #[test]
    fn a_moment_that_was_seen_comes_back() {
        let mut reel = Reel::default();
        for second in 1..=20 {
            reel.push(&sample::vitals(second, None));
        }
        let at = |second| sample::vitals(second, None).time;
        let seen = reel.at(at(8)).expect("seen");
        assert_eq!((seen.time, seen.processes.len()), (at(7), 14));
        assert!(reel.at(at(0)).is_none());
        assert!(reel.at(at(30)).is_none());
    }
}
