//! Made-up series and heat maps.

use hark_api::{Band, SeriesData, SeriesEntry, SeriesPoint};

use super::NOON;
use crate::console::state::heat::{Column, Map, Of};

/// Series of these names, without bands.
pub(crate) fn series(names: &[&str]) -> Vec<SeriesEntry> {
    let entry = |name: &&str| SeriesEntry {
        key: (*name).into(),
        first: NOON.plus_nanos(-3_600_000_000_000),
        last: NOON,
        band: None,
    };
    names.iter().map(entry).collect()
}

/// The series of a host whose load is above what is expected, and whose memory is within; the name
/// stands in every text.
pub(crate) fn listed(name: Option<&str>) -> Vec<SeriesEntry> {
    let usual = ["node_load1", "node_memory_MemAvailable_bytes"];
    let names = usual.map(|usual| name.unwrap_or(usual));
    let mut entries = series(&names);
    entries[0].band = Some(LOAD_BAND);
    entries[1].band = Some(Band {
        low: 4.2e9,
        high: 5.6e9,
    });
    entries
}

/// Where the load is expected to lie.
const LOAD_BAND: Band = Band {
    low: 0.3,
    high: 1.1,
};

/// A quarter of an hour of a load that leaves its band for the last minutes.
pub(crate) fn load_points() -> Vec<SeriesPoint> {
    let load = |second: i64| {
        let wave = (second as f64 / 40.0).sin().mul_add(0.3, 0.7);
        let rise = (second - 700).max(0) as f64 / 60.0;
        let value = wave + rise;
        SeriesPoint {
            time: NOON.plus_nanos((second - 900) * 1_000_000_000),
            mean: value,
            min: value,
            max: value,
        }
    };
    (0..900).map(load).collect()
}

/// The same time of memory that shrinks, and that has no band yet.
pub(crate) fn memory_data() -> SeriesData {
    let mut points = load_points();
    for point in &mut points {
        let bytes = 6e9 - point.mean * 1e9;
        (point.mean, point.min, point.max) = (bytes, bytes, bytes);
    }
    SeriesData {
        key: "node_memory_MemAvailable_bytes".into(),
        step: 1,
        points,
        band: None,
        periods: Vec::new(),
    }
}

/// A quarter of an hour of waits: mostly short, with a slow stretch before the end.
pub(crate) fn heat() -> Vec<Map> {
    let bounds: Vec<f64> = (0..11)
        .map(|at| 2.048e-6 * f64::from(1 << (2 * at)))
        .collect();
    let map = |of, middle: f64| Map {
        of,
        bounds: bounds.clone(),
        columns: (0..90)
            .map(|at| {
                let slow = if (60..75).contains(&at) { 3.0 } else { 0.0 };
                let rate = |bucket: usize| {
                    let far = (bucket as f64 - middle - slow).abs();
                    (400.0 / 8_f64.powf(far)).floor() as f32
                };
                Column {
                    time: NOON.plus_nanos((at - 90) * 10_000_000_000),
                    rates: (0..12).map(rate).collect(),
                }
            })
            .collect(),
    };
    vec![
        map(Of::RunQueue, 2.0),
        map(Of::Read, 4.0),
        map(Of::Write, 5.0),
    ]
}
