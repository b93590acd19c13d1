//! The console's configuration file: colours, keys and hosts.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum as _;
use serde::Deserialize;
use toml::Spanned;

use super::keys::{BINDINGS, Key, Keymap};
use super::theme::Role;
use crate::cli::ThemeName;
use crate::error::Error;

/// Bytes of a file at most.
const MAX_BYTES: u64 = 1 << 20;
/// Hosts at most.
const MAX_HOSTS: usize = 64;

/// What the file says.
#[derive(Debug, Default)]
pub(crate) struct Config {
    pub(crate) theme: Option<ThemeName>,
    pub(crate) keep: Option<u32>,
    pub(crate) colours: Vec<(Role, u32)>,
    pub(crate) keys: Keymap,
    pub(crate) hosts: Vec<Host>,
}

/// A host of several that are looked at.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Host {
    /// What it is called; its URL where there is no name.
    pub(crate) name: Option<String>,
    pub(crate) url: String,
    /// A file with the token for it.
    pub(crate) token_file: Option<PathBuf>,
}

/// The file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    theme: Option<Spanned<String>>,
    keep: Option<Spanned<u32>>,
    #[serde(default)]
    colours: BTreeMap<Spanned<String>, Spanned<String>>,
    #[serde(default)]
    keys: BTreeMap<Spanned<String>, Spanned<Vec<String>>>,
    #[serde(default)]
    hosts: Vec<Host>,
}

/// Where the file is unless told otherwise: `$XDG_CONFIG_HOME/hark/console.toml`, or
/// `~/.config/hark/console.toml`.
pub(crate) fn default_path() -> Option<PathBuf> {
    let dir = |name| std::env::var_os(name).filter(|dir| !dir.is_empty());
    let base = dir("XDG_CONFIG_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(Path::new(&dir("HOME")?).join(".config")))?;
    Some(base.join("hark/console.toml"))
}

/// Reads the file that is asked for, or the one at the default place where there is one.
///
/// # Errors
/// It cannot be read, or something in it is wrong: the line is named, and what is allowed.
pub(crate) fn load(asked: Option<&Path>) -> Result<Config, Error> {
    let path = match asked {
        Some(path) => path.to_owned(),
        None => match default_path().filter(|path| path.exists()) {
            Some(path) => path,
            None => return Ok(Config::default()),
        },
    };
    let shown = path.display();
    let wrong = |why: String| Error::Config(format!("{shown}: {why}"));
    let size = std::fs::metadata(&path).map_err(|error| wrong(error.to_string()))?;
    if size.len() > MAX_BYTES {
        return Err(wrong("it is larger than 1 MiB".to_owned()));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| wrong(error.to_string()))?;
    parse(&text).map_err(|(line, why)| wrong(format!("line {line}: {why}")))
}

/// What is wrong, and on which line.
type Wrong = (usize, String);

fn parse(text: &str) -> Result<Config, Wrong> {
    let line = |at: usize| text.bytes().take(at).filter(|byte| *byte == b'\n').count() + 1;
    let written: Written = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        (line(at), error.message().replace('\n', "; "))
    })?;
    let mut config = Config::default();
    if let Some(theme) = &written.theme {
        let known = ThemeName::from_str(theme.as_ref(), false);
        let themes = || names(ThemeName::value_variants().iter().copied().map(theme_name));
        let why = |_| {
            let theme = theme.as_ref();
            let why = format!("theme: there is no `{theme}`; there are {}", themes());
            (
                line(written.theme.as_ref().map_or(0, |t| t.span().start)),
                why,
            )
        };
        config.theme = Some(known.map_err(why)?);
    }
    if let Some(keep) = &written.keep {
        if !(1_000..=10_000_000).contains(keep.as_ref()) {
            let why = "keep: must be from 1000 to 10000000".to_owned();
            return Err((line(keep.span().start), why));
        }
        config.keep = Some(*keep.as_ref());
    }
    for (name, colour) in &written.colours {
        let at = line(name.span().start);
        let Some(role) = Role::of(name.as_ref()) else {
            let all = names(Role::ALL.iter().map(|role| role.as_str().to_owned()));
            let name = name.as_ref();
            return Err((
                at,
                format!("colours: there is no `{name}`; there are {all}"),
            ));
        };
        let rgb = colour
            .as_ref()
            .strip_prefix('#')
            .filter(|rgb| rgb.len() == 6);
        let rgb = rgb.and_then(|rgb| u32::from_str_radix(rgb, 16).ok());
        let why = || format!("colours.{}: write it as \"#7fb4ff\"", name.as_ref());
        let rgb = rgb.ok_or_else(|| (line(colour.span().start), why()))?;
        config.colours.push((role, rgb));
    }
    for (name, written) in &written.keys {
        let at = line(name.span().start);
        let name = name.as_ref();
        if !BINDINGS
            .iter()
            .any(|binding| binding.action.name() == *name)
        {
            let why = format!("keys: there is no `{name}`; `hark config` shows all names");
            return Err((at, why));
        }
        let keys = written.as_ref().iter().map(|key| Key::parse(key));
        let keys = keys.collect::<Result<Vec<_>, _>>();
        let keys =
            keys.map_err(|why| (line(written.span().start), format!("keys.{name}: {why}")))?;
        config.keys.set(name, &keys);
    }
    if let Some(why) = config.keys.conflict() {
        // Of the names in it, the one in this file that stands last is where to look.
        let named = written
            .keys
            .keys()
            .filter(|name| why.contains(&format!("`{}`", name.as_ref())));
        let at = named.map(|name| line(name.span().start)).max().unwrap_or(1);
        return Err((at, format!("keys: {why}")));
    }
    if written.hosts.len() > MAX_HOSTS {
        return Err((1, format!("hosts: at most {MAX_HOSTS}")));
    }
    config.hosts = written.hosts;
    Ok(config)
}

fn theme_name(theme: ThemeName) -> String {
    let value = theme.to_possible_value();
    value.map_or(String::new(), |value| value.get_name().to_owned())
}

fn names(names: impl Iterator<Item = String>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// A file with all that can be set, as it is where nothing is set.
pub(crate) fn default_file() -> String {
    let mut text = String::from(
        "# The console of hark: $XDG_CONFIG_HOME/hark/console.toml, or ~/.config/hark/console.toml.\n\
         # All lines are as it is without them. --theme, HARK_THEME and --keep win over this file,\n\
         # NO_COLOR wins over all colours.\n\n",
    );
    let themes = names(ThemeName::value_variants().iter().copied().map(theme_name));
    let _ = writeln!(text, "# One of {themes}.\n#theme = \"dark\"\n");
    text.push_str("# How many events the console keeps at hand.\n#keep = 100000\n\n");
    let roles = names(Role::ALL.iter().map(|role| role.as_str().to_owned()));
    let _ = write!(
        text,
        "# Colours of your own, laid over the theme's: {roles}.\n\
         # Where a terminal has fewer colours, the nearest one is taken.\n\
         #[colours]\n#accent = \"#7fb4ff\"\n\n\
         # Several hosts in one console, as with --host URL; a token is read from a file.\n\
         #[[hosts]]\n#name = \"db\"\n#url = \"http://10.0.0.7:5000\"\n#token_file = \"/etc/hark/db.token\"\n\n\
         # What each key does; a list takes the place of all keys of its action. Ctrl-C always quits.\n\
         #[keys]\n"
    );
    let mut told = Vec::new();
    for binding in BINDINGS {
        let name = binding.action.name();
        if !told.contains(&name) {
            let keys = binding.keys.iter().map(|key| format!("{:?}", key.name()));
            let _ = writeln!(text, "#{name} = [{}]  # {}", names(keys), binding.help);
            told.push(name);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_file_says_what_is_so_without_it() {
        let text = default_file();
        // A line that sets something begins with `#` right before it.
        let set = text.lines().map(|line| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with(' ') => rest.to_owned(),
            _ => line.to_owned(),
        });
        let config = parse(&set.collect::<Vec<_>>().join("\n")).expect("it is right");
        assert_eq!(config.theme, Some(ThemeName::Dark));
        assert_eq!(config.keep, Some(100_000));
        assert_eq!(config.keys, Keymap::default());
        assert_eq!(config.colours, [(Role::Accent, 0x7F_B4_FF)]);
        assert_eq!(config.hosts.len(), 1);
        let bare = parse(&text).expect("comments only");
        assert_eq!(bare.keys, Keymap::default());
    }

    #[test]
    fn what_is_wrong_is_named_with_its_line() {
        for (text, line, words) in [
            ("theme = \"drak\"", 1, "theme: there is no `drak`"),
            ("\nkeep = 3", 2, "keep: must be"),
            ("\n\ncolour = 3", 3, "colour"),
            ("[keys]\nquit = [\"q\"]\nquti = [\"z\"]", 3, "`quti`"),
            (
                "[keys]\nquit = [\"Hyper-q\"]",
                2,
                "keys.quit: there is no key",
            ),
            ("[keys]\n\nexport = [\"q\"]", 3, "`q`"),
            ("[colours]\naccent = \"blue\"", 2, "colours.accent"),
            ("[colours]\nblue = \"#0000ff\"", 2, "`blue`"),
            ("theme = [", 1, ""),
            ("[[hosts]]\nname = \"a\"", 1, "url"),
        ] {
            let (at, why) = parse(text).expect_err(text);
            assert_eq!(at, line, "{text}: {why}");
            assert!(why.contains(words), "{text}: {why}");
        }
    }
}
