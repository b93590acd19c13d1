//! Numbers with units, short enough for columns.

/// What the value of a metric is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A plain number.
    Count,
    /// A growth a second.
    PerSecond,
    /// Bytes.
    Bytes,
    /// Bytes a second.
    BytesPerSecond,
    /// Seconds.
    Seconds,
    /// A part of a whole: of a second, where seconds grow.
    Share,
}

impl Unit {
    /// The unit that a metric's name ends with, after the naming conventions of Prometheus
    /// (<https://prometheus.io/docs/practices/naming/>). Of what only grows, the growth a second is
    /// meant.
    pub fn of_metric(name: &str) -> Self {
        let (name, grows) = match name.strip_suffix("_total") {
            Some(name) => (name, true),
            None => (name, false),
        };
        let last = name.rsplit('_').next();
        match (last, grows) {
            (Some("bytes"), false) => Self::Bytes,
            (Some("bytes"), true) => Self::BytesPerSecond,
            (Some("seconds"), false) => Self::Seconds,
            (Some("seconds"), true) | (Some("ratio"), _) => Self::Share,
            (_, true) => Self::PerSecond,
            _ => Self::Count,
        }
    }

    /// Whether it counts bytes, whose prefixes are powers of 1024.
    pub const fn is_bytes(self) -> bool {
        matches!(self, Self::Bytes | Self::BytesPerSecond)
    }

    /// A value in this unit, with three significant digits.
    pub fn show(self, value: f64) -> String {
        // Rounded away, a negative zero would keep its sign.
        let value = if value.abs() < 1e-9 { 0.0 } else { value };
        match self {
            Self::Count => number(value),
            Self::PerSecond => format!("{}/s", number(value)),
            Self::Bytes => bytes(value),
            Self::BytesPerSecond => format!("{}/s", bytes(value)),
            Self::Seconds => seconds(value),
            Self::Share => format!("{} %", number(value * 100.0)),
        }
    }
}

/// Seconds as they are said: `250 µs`, `1.50 s`, `90 s`, `2.0 h`.
fn seconds(value: f64) -> String {
    match value.abs() {
        0.0 => "0 s".to_owned(),
        s if s < 1e-3 => format!("{} µs", number(value * 1e6)),
        s if s < 1.0 => format!("{} ms", number(value * 1e3)),
        s if s < 120.0 => format!("{} s", number(value)),
        s if s < 7200.0 => format!("{} min", number(value / 60.0)),
        s if s < 172_800.0 => format!("{} h", number(value / 3600.0)),
        _ => format!("{} days", number(value / 86_400.0)),
    }
}

/// A number that may be below one: `0.0123`, `4.5`, `12.3 k`.
pub fn number(value: f64) -> String {
    let size = value.abs();
    if value.fract() == 0.0 || size >= 100.0 {
        return count(value.round());
    }
    // Three significant digits, without zeros at the end.
    let decimals = (2.0 - size.log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.decimals$}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.to_owned()
}

/// Bytes in binary units, three significant digits: `999 B`, `1.50 KiB`, `63.2 GiB`.
pub fn bytes(value: f64) -> String {
    scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// A count in decimal units: `950`, `12.3 k`, `1.20 M`.
pub fn count(value: f64) -> String {
    scaled(value, 1000.0, &["", "k", "M", "G", "T"])
}

fn scaled(value: f64, step: f64, units: &[&str]) -> String {
    let mut scaled = value.abs();
    let mut unit = 0;
    // Compared as it will be printed, so that 1023.99 does not become "1024 KiB".
    while scaled >= step - 0.5 && unit + 1 < units.len() {
        scaled /= step;
        unit += 1;
    }
    let sign = if value < 0.0 { "-" } else { "" };
    let number = match scaled {
        s if unit == 0 && s.fract() == 0.0 => format!("{s:.0}"),
        s if unit == 0 && s < 10.0 => format!("{s:.1}"),
        s if s < 9.995 => format!("{s:.2}"),
        s if s < 99.95 => format!("{s:.1}"),
        s => format!("{s:.0}"),
    };
    match units[unit] {
        "" => format!("{sign}{number}"),
        unit => format!("{sign}{number} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_shown_in_the_unit_of_its_name() {
        let show = |name: &str, value| Unit::of_metric(name).show(value);
        assert_eq!(
            show("node_disk_read_bytes_total", 1_888_236.9),
            "1.80 MiB/s"
        );
        assert_eq!(
            show("node_memory_Committed_AS_bytes", 535_535_616.0),
            "511 MiB"
        );
        assert_eq!(show("node_cpu_seconds_total", 0.27), "27 %");
        assert_eq!(show("hark_cpu_seconds_total", 1.8604), "186 %");
        assert_eq!(show("node_vmstat_pgpgin", 1843.9813), "1.84 k");
        assert_eq!(show("node_forks_total", 0.333_33), "0.333/s");
        assert_eq!(show("node_load1", 4.1), "4.1");
        assert_eq!(show("node_time_seconds", 0.00025), "250 µs");
        assert_eq!(show("node_time_seconds", 5400.0), "90 min");
        assert_eq!(show("node_load1", -1e-12), "0");
        assert_eq!(show("node_load1", f64::NAN), "NaN");
    }

    #[test]
    fn numbers_stay_short() {
        assert_eq!(bytes(0.0), "0 B");
        assert_eq!(bytes(999.0), "999 B");
        assert_eq!(bytes(1536.0), "1.50 KiB");
        assert_eq!(bytes(1024.0 * 1024.0 - 1.0), "1.00 MiB");
        assert_eq!(bytes(67.9e9), "63.2 GiB");
        assert_eq!(count(999.6), "1.00 k");
        assert_eq!(count(12_345.0), "12.3 k");
        assert_eq!(count(0.25), "0.2");
        for n in 0..2_000_000_u32 {
            assert!(bytes(f64::from(n)).len() <= 8, "{}", bytes(f64::from(n)));
        }
    }
}
