//! Reads the configuration: file, then environment, then flags.

use std::path::{Path, PathBuf};

use serde::Deserialize as _;
use toml::{Table, Value};

use super::Config;

/// Where the configuration is looked for when none is named; it may be missing there.
const DEFAULT_PATH: &str = "/etc/hark/agent.toml";

/// What is wrong with the configuration, and where.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no configuration. The message shows line, column and the line itself.
    #[error("{path}: {error}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: Box<toml::de::Error>,
    },
    /// A variable or flag has a name that no key has.
    #[error("{origin} sets no key of the configuration; {hint}")]
    UnknownKey {
        /// The variable or flag.
        origin: String,
        /// What would.
        hint: String,
    },
    /// A variable or flag has a value that its key cannot have.
    #[error("{origin}: {reason}")]
    Override {
        /// The variable or flag.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// Values that make no sense, one a line.
    #[error("{}", .0.iter().map(|(key, reason)| format!("{key} {reason}")).collect::<Vec<_>>().join("\n"))]
    Values(Vec<(&'static str, String)>),
}

/// What comes over the file.
#[derive(Clone, Debug, Default)]
pub struct Overrides {
    /// The file named by a flag or `HARK_CONFIG`; it must exist.
    pub file: Option<PathBuf>,
    /// The environment.
    pub environment: Vec<(String, String)>,
    /// `key=value` from flags, with the flag's name.
    pub flags: Vec<(String, String, String)>,
}

impl Overrides {
    /// The file that counts.
    pub fn path(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(DEFAULT_PATH))
    }
}

/// Reads and checks the configuration.
///
/// # Errors
/// What is wrong with it, naming file, variable or flag.
pub fn load(overrides: &Overrides) -> Result<Config, ConfigError> {
    let mut table = read_file(overrides)?;
    let keys = leaf_keys();
    for (name, value) in &overrides.environment {
        let Some(rest) = name.strip_prefix("HARK_") else {
            continue;
        };
        let Some(key) = keys.iter().find(|(key, _)| variable(key) == *name) else {
            // Others may be the console's; those that begin like a section are slips.
            if is_in_section(rest, &keys) {
                return Err(ConfigError::UnknownKey {
                    origin: format!("the environment variable {name}"),
                    hint: "names are HARK_ and the key, as in HARK_STORE_MAX_AGE for store.max_age"
                        .into(),
                });
            }
            continue;
        };
        set(&mut table, &key.0, &key.1, value, name)?;
    }
    for (flag, name, value) in &overrides.flags {
        let key =
            keys.iter()
                .find(|(key, _)| key == name)
                .ok_or_else(|| ConfigError::UnknownKey {
                    origin: format!("{flag} {name}"),
                    hint: "`hark-agent config show` lists all keys".into(),
                })?;
        set(&mut table, &key.0, &key.1, value, flag)?;
    }
    let config = Config::deserialize(table).map_err(|error| ConfigError::Override {
        origin: "configuration".into(),
        reason: error.message().to_owned(),
    })?;
    let wrong = config.check();
    if wrong.is_empty() {
        Ok(config)
    } else {
        Err(ConfigError::Values(wrong))
    }
}

/// Whether a variable's name, without `HARK_`, begins with the name of a section.
fn is_in_section(name: &str, keys: &[(String, Value)]) -> bool {
    keys.iter()
        .filter_map(|(key, _)| key.split_once('.'))
        .any(|(section, _)| name.starts_with(&format!("{}_", section.to_ascii_uppercase())))
}

fn read_file(overrides: &Overrides) -> Result<Table, ConfigError> {
    let path = overrides.path();
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && overrides.file.is_none() => {
            return Ok(Table::new());
        }
        Err(source) => {
            return Err(ConfigError::Read {
                path: path.to_owned(),
                source,
            });
        }
    };
    let bad = |error| ConfigError::File {
        path: path.to_owned(),
        error: Box::new(error),
    };
    // Straight from the text, so that an error shows its place.
    toml::from_str::<Config>(&text).map_err(bad)?;
    toml::from_str(&text).map_err(bad)
}

/// Every key with its default, as in `store.max_age`.
pub(super) fn leaf_keys() -> Vec<(String, Value)> {
    flatten(&Config::default())
}

/// Every key of a configuration with its value.
pub(super) fn flatten(config: &Config) -> Vec<(String, Value)> {
    fn walk(prefix: &str, table: &Table, into: &mut Vec<(String, Value)>) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.clone()
            } else {
                format!("{prefix}.{name}")
            };
            match value {
                Value::Table(table) => walk(&key, table, into),
                value => into.push((key, value.clone())),
            }
        }
    }
    let mut keys = Vec::new();
    if let Ok(table) = Table::try_from(config) {
        walk("", &table, &mut keys);
    }
    keys
}

/// The environment variable of a key.
pub(super) fn variable(key: &str) -> String {
    format!("HARK_{}", key.replace('.', "_").to_ascii_uppercase())
}

/// Sets a key to a value given as text; lists are given with commas.
fn set(
    table: &mut Table,
    key: &str,
    default: &Value,
    text: &str,
    origin: &str,
) -> Result<(), ConfigError> {
    let bad = |reason: String| ConfigError::Override {
        origin: origin.to_owned(),
        reason,
    };
    let value = match default {
        Value::Boolean(_) => Value::Boolean(
            text.parse()
                .map_err(|_| bad(format!("{key} is true or false, not `{text}`")))?,
        ),
        Value::Integer(_) => Value::Integer(
            text.parse()
                .map_err(|_| bad(format!("{key} is a whole number, not `{text}`")))?,
        ),
        Value::Array(_) => Value::Array(
            text.split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|item| Value::String(item.to_owned()))
                .collect(),
        ),
        _ => Value::String(text.to_owned()),
    };
    let mut at = table;
    let (parents, leaf) = key
        .rsplit_once('.')
        .map_or((None, key), |(p, l)| (Some(p), l));
    for name in parents.into_iter().flat_map(|p| p.split('.')) {
        let entry = at.entry(name).or_insert_with(|| Value::Table(Table::new()));
        match entry {
            Value::Table(inner) => at = inner,
            _ => return Err(bad(format!("{name} is no section"))),
        }
    }
    // A list is of texts or of numbers: its type knows.
    let numbers = numbers_of(&value).filter(|numbers| check_alone(key, numbers).is_ok());
    let value = numbers.unwrap_or(value);
    let checked = check_alone(key, &value).map_err(|error| bad(error.message().to_owned()));
    at.insert(leaf.to_owned(), value);
    checked
}

/// A list of texts that are all whole numbers, as these.
fn numbers_of(list: &Value) -> Option<Value> {
    let number = |item: &Value| Some(Value::Integer(item.as_str()?.parse().ok()?));
    Some(Value::Array(
        list.as_array()?.iter().map(number).collect::<Option<_>>()?,
    ))
}

/// Asks the type's own parser, for an error that names who gave the value.
fn check_alone(key: &str, value: &Value) -> Result<(), toml::de::Error> {
    let mut nested = value.clone();
    for name in key.split('.').rev() {
        let mut outer = Table::new();
        outer.insert(name.to_owned(), nested);
        nested = Value::Table(outer);
    }
    Config::deserialize(nested).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;

    fn load_text(text: &str) -> Result<Config, ConfigError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        load(&Overrides {
            file: Some(file.path().to_owned()),
            ..Overrides::default()
        })
    }

    #[test]
    fn the_example_is_the_default() {
        let text = include_str!("../../../deploy/agent.toml");
        assert_eq!(
            load_text(text).expect("the example loads"),
            Config::default()
        );
        for (key, _) in leaf_keys() {
            let name = key.rsplit('.').next().expect("a name");
            assert!(
                text.lines()
                    .any(|line| line.starts_with(&format!("{name} = "))),
                "the example lacks {key}"
            );
        }
    }

    #[test]
    fn unknown_keys_are_named_with_their_place() {
        let error = load_text("[store]\nmax_agee = \"3d\"\n").expect_err("a slip");
        let text = error.to_string();
        assert!(text.contains("line 2, column 1"), "{text}");
        assert!(text.contains("unknown field `max_agee`"), "{text}");
    }

    #[test]
    fn wrong_values_are_named_with_their_place() {
        let error = load_text("[store]\nmax_age = \"3 weeks\"\n").expect_err("a slip");
        let text = error.to_string();
        assert!(text.contains("line 2, column 11"), "{text}");
        assert!(
            text.contains("use a whole number with ms, s, m, h or d"),
            "{text}"
        );
        let error = load_text("[ingest]\nmax_depth = 0\n").expect_err("no depth");
        assert_eq!(error.to_string(), "ingest.max_depth must be from 1 to 100");
    }

    #[test]
    fn environment_comes_over_the_file_and_flags_over_both() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), "[store]\nmax_age = \"1d\"\nmax_series = 5\n")
            .expect("written");
        let mut overrides = Overrides {
            file: Some(file.path().to_owned()),
            environment: vec![
                ("HARK_STORE_MAX_AGE".into(), "2d".into()),
                ("HARK_API_LISTEN".into(), "127.0.0.1:1,[::1]:2".into()),
                ("PATH".into(), "/bin".into()),
            ],
            flags: vec![("--set".into(), "store.max_age".into(), "3d".into())],
        };
        let config = load(&overrides).expect("loads");
        assert_eq!(config.store.max_age, Span::days(3));
        assert_eq!(config.store.max_series, 5);
        assert_eq!(config.api.listen.len(), 2);
        overrides.flags.clear();
        assert_eq!(
            load(&overrides).expect("loads").store.max_age,
            Span::days(2)
        );
        overrides
            .environment
            .push(("HARK_STORE_MAXAGE".into(), "2d".into()));
        let error = load(&overrides).expect_err("a slip").to_string();
        assert!(error.contains("HARK_STORE_MAXAGE sets no key"), "{error}");
        overrides.environment.pop();
        overrides
            .environment
            .push(("HARK_STORE_MAX_SERIES".into(), "many".into()));
        let error = load(&overrides).expect_err("a slip").to_string();
        assert_eq!(
            error,
            "HARK_STORE_MAX_SERIES: store.max_series is a whole number, not `many`"
        );
    }
}
