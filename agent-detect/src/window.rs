//! The last values of a stream, kept both in the order of time and in the order of size.

use serde::{Deserialize, Serialize};

/// A sliding window of numbers with order statistics. Holds eight bytes a value. A push moves at
/// most the part of the sorted copy between the value that leaves and the one that comes, which for
/// a few thousand values is faster than any tree.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(from = "Stored", into = "Stored")]
pub struct Window {
    capacity: usize,
    /// Values in the order of arrival; once full, `head` is the oldest.
    ring: Vec<f32>,
    head: usize,
    sorted: Vec<f32>,
}

/// What is kept of a window in a checkpoint: the sorted copy is made anew.
#[derive(Serialize, Deserialize)]
struct Stored {
    capacity: usize,
    values: Vec<f32>,
}

impl From<Stored> for Window {
    fn from(stored: Stored) -> Self {
        let capacity = stored.capacity.max(1);
        let mut ring = stored.values;
        ring.retain(|v| v.is_finite());
        ring.truncate(capacity);
        let mut sorted = ring.clone();
        sorted.sort_unstable_by(f32::total_cmp);
        Self {
            capacity,
            ring,
            head: 0,
            sorted,
        }
    }
}

impl From<Window> for Stored {
    fn from(window: Window) -> Self {
        Self {
            capacity: window.capacity,
            values: window.iter().collect(),
        }
    }
}

impl Window {
    /// An empty window for this many values, at least one.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity: capacity.max(1),
            ring: Vec::new(),
            head: 0,
            sorted: Vec::new(),
        }
    }

    /// Bytes that it takes beside itself.
    pub fn size(&self) -> usize {
        (self.ring.capacity() + self.sorted.capacity()) * size_of::<f32>()
    }

    /// How many values it holds.
    pub fn len(&self) -> usize {
        self.ring.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ring.is_empty()
    }

    /// The values, oldest first.
    pub fn iter(&self) -> impl Iterator<Item = f32> {
        let (newer, older) = self.ring.split_at(self.head.min(self.ring.len()));
        older.iter().chain(newer).copied()
    }

    /// The value so many steps before the newest; `None` where it is not remembered any more.
    pub fn before(&self, steps: usize) -> Option<f32> {
        let len = self.ring.len();
        if steps >= len {
            return None;
        }
        self.ring.get((self.head + len - 1 - steps) % len).copied()
    }

    /// The values, smallest first.
    pub fn sorted(&self) -> &[f32] {
        &self.sorted
    }

    /// The value below which this share of the window lies; `None` when empty.
    pub fn quantile(&self, share: f64) -> Option<f32> {
        let last = self.sorted.len().checked_sub(1)?;
        self.sorted
            .get((share.clamp(0.0, 1.0) * last as f64).round() as usize)
            .copied()
    }

    /// How many of the values are smaller.
    pub fn place(&self, value: f32) -> usize {
        self.sorted.partition_point(|&v| v < value)
    }

    /// Adds a finite value, forgets the oldest when full, and says how far the nearest of the
    /// values so far was; no distance for the first.
    pub fn push(&mut self, value: f32) -> Option<f32> {
        let value = if value.is_finite() { value } else { 0.0 };
        self.push_at(value, self.place(value))
    }

    /// The same for a finite value whose [`place`](Self::place) is known.
    pub(crate) fn push_at(&mut self, value: f32, at: usize) -> Option<f32> {
        let above = self.sorted.get(at).map(|&v| v - value);
        let below = at
            .checked_sub(1)
            .and_then(|i| self.sorted.get(i))
            .map(|&v| value - v);
        let gap = match (above, below) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        if self.ring.len() < self.capacity {
            if self.ring.len() == self.ring.capacity() {
                // Doubles like a vector does, but never past what it may hold.
                let more = self.ring.len().max(16).min(self.capacity - self.ring.len());
                self.ring.reserve_exact(more);
                self.sorted.reserve_exact(more);
            }
            self.ring.push(value);
            self.sorted.insert(at, value);
            return gap;
        }
        let old = std::mem::replace(&mut self.ring[self.head], value);
        self.head = if self.head + 1 == self.capacity {
            0
        } else {
            self.head + 1
        };
        let from = self.sorted.partition_point(|&v| v < old);
        if from < at {
            self.sorted.copy_within(from + 1..at, from);
            self.sorted[at - 1] = value;
        } else {
            self.sorted.copy_within(at..from, at + 1);
            self.sorted[at] = value;
        }
        gap
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn stays_sorted_and_finds_the_nearest(
            capacity in 1usize..40,
            values in prop::collection::vec(-20i32..20, 1..200),
        ) {
            let mut window = Window::new(capacity);
            let mut seen: Vec<f32> = Vec::new();
            for v in values {
                let v = v as f32 * 0.5;
                let last = &seen[seen.len().saturating_sub(capacity)..];
                let expected = last.iter().map(|s| (s - v).abs()).reduce(f32::min);
                prop_assert_eq!(window.push(v), expected);
                seen.push(v);
                let mut last = seen[seen.len().saturating_sub(capacity)..].to_vec();
                prop_assert_eq!(window.iter().collect::<Vec<_>>(), last.clone());
                last.sort_unstable_by(f32::total_cmp);
                prop_assert_eq!(window.sorted(), &last[..]);
            }
        }
    }
}
