//! The events that are sent.

use std::path::Path;
use std::process::Command;

/// The shared events where they are, or ones made alike.
pub(crate) fn events(root: &Path) -> Result<Vec<String>, String> {
    let shared = root.join("../shared/bench/ingest/events200k.ndjson.gz");
    if !shared.exists() {
        println!("the shared events are not here: using ones made alike");
        return Ok(made_alike(200_000));
    }
    let unpacked = Command::new("gzip")
        .arg("-dc")
        .arg(&shared)
        .output()
        .map_err(|e| format!("gzip: {e}"))?;
    String::from_utf8(unpacked.stdout)
        .map(|text| text.lines().map(str::to_owned).collect())
        .map_err(|e| format!("{}: {e}", shared.display()))
}

/// Service log events of about 200 bytes from a few shapes, with varying parameters.
fn made_alike(count: usize) -> Vec<String> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let services = ["auth", "search", "cart", "checkout", "scheduler"];
    (0..count)
        .map(|_| {
            let (level, message) = match next(5) {
                0 => ("info", format!(
                    "10.{}.{}.{} \\\"GET /api/v1/users/{}\\\" 200 {} {}ms req={:016x} ua=curl/8.{}",
                    next(9), next(250), next(250), next(99_999), next(20_000), next(300),
                    next(u64::MAX), next(9)
                )),
                1 => ("info", format!(
                    "Accepted publickey for deploy from 192.168.{}.{} port {} ssh2: ED25519 SHA256:{:016x}{:016x}",
                    next(250), next(250), next(65_535), next(u64::MAX), next(u64::MAX)
                )),
                2 => ("info", format!(
                    "user {} added item monitor qty {} to cart session={:016x} took {}us",
                    next(9_999), next(9), next(u64::MAX), next(99_999)
                )),
                3 => ("warning", format!(
                    "slow query: SELECT * FROM orders WHERE id = {} took {} ms, {} rows",
                    next(999_999), next(5_000), next(1_000)
                )),
                _ => ("error", format!(
                    "connection to 10.0.{}.{}:5432 failed: timed out after {} ms (attempt {})",
                    next(250), next(250), next(30_000), next(5)
                )),
            };
            format!(
                r#"{{"message":"{message}","level":"{level}","service":"{}","host":"web-{:02}","pid":{},"env":"prod","ver":"1.14.{}"}}"#,
                services[next(5) as usize], next(8), 800 + next(200), next(4)
            )
        })
        .collect()
}

pub(super) fn mean_length(lines: &[String]) -> usize {
    lines.iter().map(String::len).sum::<usize>() / lines.len().max(1)
}
