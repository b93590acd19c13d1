//! Where vital signs are expected to lie.
//!
//! A band is of one series. A vital sign that sums several, as the bytes of two network interfaces,
//! has none: the sum of bands is not the band of the sum.

use hark_api::{Band, SeriesEntry, SeriesKey, Vitals};

use super::history::{CURVES, Curve};
use crate::console::past;

/// Of each curve, where it is expected to lie; of memory and swap, the bytes that are left.
#[derive(Default)]
pub(crate) struct Expected([Option<Band>; CURVES]);

impl Expected {
    /// What is expected, by the series that there are.
    pub(crate) fn of(entries: &[SeriesEntry]) -> Self {
        let keys: Vec<SeriesKey> = entries.iter().map(|entry| entry.key.clone()).collect();
        let band = |key: &SeriesKey| entries.iter().find(|entry| entry.key == *key)?.band;
        let mut bands = [None; CURVES];
        let mut counts = [0; CURVES];
        for part in past::parts(&keys) {
            let at = part.curve as usize;
            counts[at] += 1;
            bands[at] = (counts[at] == 1)
                .then(|| band(&part.key))
                .flatten()
                .map(|band| Band {
                    low: band.low * part.weight,
                    high: band.high * part.weight,
                });
        }
        bands[Curve::Memory as usize] = band(&"node_memory_MemAvailable_bytes".into());
        bands[Curve::Swap as usize] = band(&"node_memory_SwapFree_bytes".into());
        bands[Curve::Cpu as usize] = band(&"hark_cpu_seconds_total{mode=\"idle\"}".into());
        Self(bands)
    }

    /// Where a curve is expected to lie, in its own unit.
    pub(crate) fn band(&self, curve: Curve, vitals: &Vitals) -> Option<Band> {
        let band = self.0[curve as usize]?;
        let used = |total: f64| {
            (total > 0.0).then(|| Band {
                low: (1.0 - band.high / total).clamp(0.0, 1.0),
                high: (1.0 - band.low / total).clamp(0.0, 1.0),
            })
        };
        match curve {
            Curve::Memory => used(vitals.memory.total as f64),
            Curve::Swap => used(vitals.memory.swap_total as f64),
            Curve::Cpu => used(vitals.cpus.len() as f64),
            _ => Some(band),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    fn entry(key: &str, low: f64, high: f64) -> SeriesEntry {
        SeriesEntry {
            band: Some(Band { low, high }),
            ..sample::series(&[key]).remove(0)
        }
    }

    #[test]
    fn only_a_sign_of_one_series_has_a_band() {
        let one = [entry("node_disk_read_bytes_total{device=\"a\"}", 1.0, 2.0)];
        let vitals = sample::vitals(1, None);
        let band = Expected::of(&one).band(Curve::DiskRead, &vitals);
        assert_eq!(band, one[0].band);
        let two = [
            one[0].clone(),
            entry("node_disk_read_bytes_total{device=\"b\"}", 1.0, 2.0),
        ];
        assert_eq!(Expected::of(&two).band(Curve::DiskRead, &vitals), None);
    }

    #[test]
    fn what_is_used_is_what_is_not_left() {
        let vitals = sample::vitals(1, None);
        let total = vitals.memory.total as f64;
        let left = [entry(
            "node_memory_MemAvailable_bytes",
            total * 0.25,
            total * 0.5,
        )];
        let band = Expected::of(&left).band(Curve::Memory, &vitals);
        assert_eq!(
            band,
            Some(Band {
                low: 0.5,
                high: 0.75
            })
        );
    }
}
