//! Times and durations as people write them.

use crate::Timestamp;

/// A duration as in `90s`, `1h30m`, `2d`, `1.5h`; in nanoseconds.
pub(crate) fn duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, f64); 7] = [
        ("ms", 1e6),
        ("s", 1e9),
        ("m", 60e9),
        ("h", 3_600e9),
        ("d", 86_400e9),
        ("w", 7.0 * 86_400e9),
        ("y", 365.0 * 86_400e9),
    ];
    let mut rest = text;
    let mut nanos = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(rest.len());
        let (_, unit) = UNITS.iter().find(|(name, _)| *name == &rest[..letters])?;
        nanos += number * unit;
        rest = &rest[letters..];
    }
    (!text.is_empty() && nanos < i64::MAX as f64).then_some(nanos as i64)
}

/// A point in time: RFC 3339, a date, a date and time in UTC, seconds since 1970, `now`, or how
/// long ago.
pub(crate) fn time(text: &str, now: Timestamp) -> Option<Timestamp> {
    if text.eq_ignore_ascii_case("now") {
        return Some(now);
    }
    if let Some(ago) = duration(text) {
        return Some(now.plus_nanos(ago.checked_neg()?));
    }
    if let Ok(secs) = text.parse::<f64>() {
        return (secs.is_finite() && secs.abs() < 9.2e9).then(|| Timestamp::from_secs_f64(secs));
    }
    let text = text.to_ascii_uppercase();
    [
        text.clone(),
        format!("{text}Z"),
        format!("{text}T00:00:00Z"),
    ]
    .iter()
    .find_map(|text| text.parse().ok())
}
