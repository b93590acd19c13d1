//! Points in time as people write and read them.

use hark_api::Timestamp;

const UNITS: [(&str, i64); 5] = [
    ("s", 1),
    ("m", 60),
    ("h", 3_600),
    ("d", 86_400),
    ("w", 7 * 86_400),
];

/// Parses RFC 3339, `now`, or a time ago as in `90s`, `5m`, `2h`, `7d`, `1w`.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    if text == "now" {
        return Ok(Timestamp::now());
    }
    if let Some(secs) = ago(text) {
        return Ok(Timestamp::now().plus_nanos(-secs.saturating_mul(1_000_000_000)));
    }
    text.parse().map_err(|_| {
        "write RFC 3339, as in 2026-01-31T23:59:59Z, or a time ago, as in 90s, 5m, 2h, 7d"
            .to_owned()
    })
}

/// The same, and a time of day in UTC, as in `14:05` or `14:05:30`: the last one before `now`.
/// Times ago are before `now` too.
pub(crate) fn parse_at(text: &str, now: Timestamp) -> Result<Timestamp, String> {
    if let Some(secs) = ago(text) {
        return Ok(now.plus_nanos(-secs.saturating_mul(1_000_000_000)));
    }
    let Some(secs) = time_of_day(text) else {
        return text
            .parse()
            .map_err(|_| "write 5m, 14:05 or 2026-01-31T14:05:00Z".to_owned());
    };
    let day = 86_400_000_000_000;
    let midnight = now.as_nanos() - now.as_nanos().rem_euclid(day);
    let today = Timestamp::from_nanos(midnight + secs * 1_000_000_000);
    Ok(if today > now {
        today.plus_nanos(-day)
    } else {
        today
    })
}

/// Seconds since midnight.
fn time_of_day(text: &str) -> Option<i64> {
    let parts: Vec<i64> = text
        .split(':')
        .map(|part| part.parse::<u8>().ok().map(i64::from))
        .collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts[..] {
        [hours, minutes] => (hours, minutes, 0),
        [hours, minutes, seconds] => (hours, minutes, seconds),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60).then_some(hours * 3_600 + minutes * 60 + seconds)
}

fn ago(text: &str) -> Option<i64> {
    UNITS.iter().find_map(|(unit, secs)| {
        let count: u32 = text.strip_suffix(unit)?.parse().ok()?;
        i64::from(count).checked_mul(*secs)
    })
}

/// The time of day in UTC to the millisecond: `23:59:59.123`.
pub(crate) fn clock(time: Timestamp) -> String {
    let day = 86_400_000;
    let ms = time.as_nanos().div_euclid(1_000_000).rem_euclid(day);
    format!(
        "{:02}:{:02}:{:02}.{:03}",
        ms / 3_600_000,
        ms / 60_000 % 60,
        ms / 1_000 % 60,
        ms % 1_000
    )
}

/// The day in UTC: `2026-01-31`.
pub(crate) fn day(time: Timestamp) -> String {
    let mut text = time.to_string();
    text.truncate(10);
    text
}

/// How long ago, in two characters and more: `now`, `5s`, `12m`, `3h`, `9d`.
pub(crate) fn age(then: Timestamp, now: Timestamp) -> String {
    span((now.as_nanos().saturating_sub(then.as_nanos())) as f64 / 1e9)
}

/// How long ago, as one says it: `just now`, `5s ago`.
pub(crate) fn in_words(then: Timestamp, now: Timestamp) -> String {
    match age(then, now).as_str() {
        "now" => "just now".to_owned(),
        age => format!("{age} ago"),
    }
}

/// A length of time in seconds, in its largest unit.
pub(crate) fn span(secs: f64) -> String {
    match secs {
        s if s < 1.0 => "now".to_owned(),
        s if s < 60.0 => format!("{s:.0}s"),
        s if s < 3_600.0 => format!("{:.0}m", (s / 60.0).floor()),
        s if s < 48.0 * 3_600.0 => format!("{:.0}h", (s / 3_600.0).floor()),
        s => format!("{:.0}d", (s / 86_400.0).floor()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_ago_are_understood() {
        assert_eq!(ago("90s"), Some(90));
        assert_eq!(ago("2h"), Some(7_200));
        assert_eq!(ago("1w"), Some(604_800));
        assert_eq!(ago("h"), None);
        assert_eq!(ago("-1h"), None);
        assert!(parse("yesterday").is_err());
        assert_eq!(
            parse("1970-01-01T00:00:01Z"),
            Ok(Timestamp::from_nanos(1_000_000_000))
        );
    }

    #[test]
    fn times_of_day_are_the_last_ones() {
        let now = "2026-01-31T12:00:00Z".parse().expect("a time");
        let at = |text| parse_at(text, now).map(|at| at.to_string());
        assert_eq!(at("11:30"), Ok("2026-01-31T11:30:00Z".to_owned()));
        assert_eq!(at("13:00:05"), Ok("2026-01-30T13:00:05Z".to_owned()));
        assert_eq!(at("2h"), Ok("2026-01-31T10:00:00Z".to_owned()));
        assert!(at("25:00").is_err() && at("soon").is_err());
    }

    #[test]
    fn clocks_read_well_before_1970_too() {
        assert_eq!(clock(Timestamp::from_nanos(-1)), "23:59:59.999");
        assert_eq!(
            clock(Timestamp::from_nanos(3_661_001_000_000)),
            "01:01:01.001"
        );
        assert_eq!(day(Timestamp::from_nanos(0)), "1970-01-01");
    }
}
