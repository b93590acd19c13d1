//! Names that a later agent has and this program does not know: they are kept, and shown as they are.

use std::fmt;
use std::marker::PhantomData;
use std::sync::{PoisonError, RwLock};

use serde::Deserializer;

/// Names that are kept at most; whatever comes beyond is called [`OTHER`].
const MAX_NAMES: usize = 255;
/// Characters of a name at most.
const MAX_CHARS: usize = 32;
/// What is beyond [`MAX_NAMES`].
const OTHER: &str = "other";

/// The names that were read, each once. They are never let go, so that a name is as small and as
/// freely copied as the kinds that are known; there are at most [`MAX_NAMES`] short ones.
static NAMES: RwLock<Vec<&'static str>> = RwLock::new(Vec::new());

/// A name that this program does not know: at most 32 letters, digits and `_`, `-`, `.`, and so
/// harmless wherever it is shown. Other characters are `_`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Foreign(u8);

impl Foreign {
    /// Keeps a name.
    pub fn new(text: &str) -> Self {
        let place = |names: &[&str], name: &str| {
            let found = names.iter().position(|known| *known == name);
            found.and_then(|at| u8::try_from(at).ok()).map(Self)
        };
        let tame = |c: char| {
            if c.is_ascii_alphanumeric() || "_-.".contains(c) {
                c
            } else {
                '_'
            }
        };
        let name: String = text.chars().take(MAX_CHARS).map(tame).collect();
        let known = place(&NAMES.read().unwrap_or_else(PoisonError::into_inner), &name);
        if let Some(known) = known {
            return known;
        }
        let mut names = NAMES.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = place(&names, &name) {
            return known;
        }
        if names.len() >= MAX_NAMES {
            return Self(u8::MAX);
        }
        let at = names.len() as u8;
        names.push(name.leak());
        Self(at)
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        let names = NAMES.read().unwrap_or_else(PoisonError::into_inner);
        names.get(usize::from(self.0)).copied().unwrap_or(OTHER)
    }
}

impl fmt::Debug for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// Something that is read by its name.
pub(crate) trait Read: Sized {
    /// What it is, for errors.
    const WHAT: &'static str;

    /// The one with this name, or why there is none.
    fn read(text: &str) -> Result<Self, String>;
}

/// Reads one by its name.
pub(crate) fn deserialize<'de, T: Read, D: Deserializer<'de>>(d: D) -> Result<T, D::Error> {
    struct Visitor<T>(PhantomData<T>);
    impl<T: Read> serde::de::Visitor<'_> for Visitor<T> {
        type Value = T;
        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(T::WHAT)
        }
        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
            T::read(text).map_err(E::custom)
        }
    }
    d.deserialize_str(Visitor(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_once_and_harmless() {
        let name = Foreign::new("quota_exceeded");
        assert_eq!(name.as_str(), "quota_exceeded");
        assert_eq!(Foreign::new("quota_exceeded"), name);
        let hostile = Foreign::new("\u{1B}[2J\u{202E}日本");
        assert_eq!(hostile.as_str(), "__2J___");
        assert_eq!(Foreign::new(&"x".repeat(99)).as_str().len(), MAX_CHARS);
    }
}
