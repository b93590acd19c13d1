//! How the detectors watch what is replayed.

use hark_detect::{Config, host, series};
use serde_json::Value;

use super::Error;

/// The live agent's settings, fitted to the distance between two rows.
///
/// The live agent reads once a second. Other distances get one level with a long memory; with
/// many series as long a memory each as live, so that they fit.
pub(super) fn fitted(step: f64, width: usize) -> Config {
    let live = Config::default();
    if (step - 1.0).abs() < 0.01 {
        return live;
    }
    let mut series = series::Config::single(step);
    if width > 1 {
        series.memory = live.series.memory;
    }
    Config {
        series,
        host: if step >= 60.0 {
            host::Config::minutes()
        } else {
            live.host.clone()
        },
        host_step: step.max(live.host_step),
        ..live
    }
}

/// Changes settings: `KEY=VALUE`, with the keys of [`Config`] joined by dots.
pub(super) fn changed(config: Config, changes: &[String]) -> Result<Config, Error> {
    if changes.is_empty() {
        return Ok(config);
    }
    let bad = |key: &str, reason: String| Error::Setting {
        key: key.to_owned(),
        reason,
    };
    let mut all = serde_json::to_value(&config).map_err(|e| bad("", e.to_string()))?;
    for change in changes {
        let (key, value) = change
            .split_once('=')
            .ok_or_else(|| bad(change, "give KEY=VALUE, as in series.memory=4000".into()))?;
        let mut place = &mut all;
        for part in key.split('.') {
            let known = match place {
                Value::Object(map) => map.keys().cloned().collect::<Vec<_>>().join(", "),
                _ => "none".to_owned(),
            };
            place = place
                .get_mut(part)
                .ok_or_else(|| bad(key, format!("`{part}` is unknown; known here: {known}")))?;
        }
        *place = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        // Each by itself, so that the error names the right one.
        serde_json::from_value::<Config>(all.clone()).map_err(|e| bad(key, e.to_string()))?;
    }
    serde_json::from_value(all).map_err(|e| bad("", e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_changed_by_name_or_refused_by_name() {
        let changes = ["series.memory=77".to_owned(), "max_series=3".to_owned()];
        let config = changed(Config::default(), &changes).expect("known");
        assert_eq!((config.series.memory, config.max_series), (77, 3));
        for (change, said) in [
            (
                "series.memry=7",
                "`memry` is unknown; known here: explain_from",
            ),
            ("series.memory=much", "--detect series.memory: invalid type"),
            ("series", "give KEY=VALUE"),
        ] {
            let error = changed(Config::default(), &[change.to_owned()]).expect_err("refused");
            assert!(error.to_string().contains(said), "{error}");
        }
    }
}
