//! Numbers with units, short enough for columns.

/// Bytes in binary units, three significant digits: `999 B`, `1.50 KiB`, `63.2 GiB`.
pub(crate) fn bytes(value: f64) -> String {
    scaled(value, 1024.0, &["B", "KiB", "MiB", "GiB", "TiB", "PiB"])
}

/// A count in decimal units: `950`, `12.3 k`, `1.20 M`.
pub(crate) fn count(value: f64) -> String {
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
