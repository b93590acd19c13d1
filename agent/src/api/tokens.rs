//! Tokens: 256 random bits each, of which only the SHA-256 is kept.
//!
//! The file is JSON, readable by its owner alone. The agent reads it again when it changes, so
//! that `hark-agent token add` and `revoke` take effect without a restart.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use hark_api::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// What a token lets its bearer do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// Send events.
    Ingest,
    /// Read everything.
    Read,
    /// Change what the agent keeps and does.
    Admin,
}

/// The text names no scope.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no scope; known are: ingest, read, admin")]
pub struct UnknownScope(String);

impl Scope {
    /// Its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ingest => "ingest",
            Self::Read => "read",
            Self::Admin => "admin",
        }
    }
}

impl std::str::FromStr for Scope {
    type Err = UnknownScope;

    fn from_str(text: &str) -> Result<Self, UnknownScope> {
        [Self::Ingest, Self::Read, Self::Admin]
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or_else(|| UnknownScope(text.to_owned()))
    }
}

/// A token as it is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TokenRecord {
    /// Its name, to tell it from others and to revoke it by.
    pub name: String,
    /// What it permits.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created: Timestamp,
    /// SHA-256 of the token, in hexadecimal.
    pub sha256: String,
}

#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    tokens: Vec<TokenRecord>,
}

/// Something is wrong with the tokens.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what this module writes.
    #[error("{path}: {error}", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Where and why.
        error: serde_json::Error,
    },
    /// Others than its owner can read or write the file.
    #[error("{path} can be accessed by others than its owner; run: chmod 600 {path}", path = path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// There is a token with that name.
    #[error("there is a token named `{0}` already; revoke it first, or choose another name")]
    Exists(String),
    /// There is none.
    #[error("there is no token named `{0}`")]
    Missing(String),
    /// A name that cannot be.
    #[error("`{0}` is no name for a token: use 1 to 64 letters, digits, and . _ -")]
    Name(String),
    /// No randomness to be had.
    #[error("the system gives no random numbers: {0}")]
    Random(String),
}

/// All tokens in a file, in the order in which they were made.
///
/// # Errors
/// The file is there but cannot be used.
pub fn list(path: &Path) -> Result<Vec<TokenRecord>, TokenError> {
    Ok(read(path)?.tokens)
}

/// Makes a token and gives it; it can never be shown again.
///
/// # Errors
/// The name is taken or no name, or the file cannot be read or written.
pub fn add(path: &Path, name: &str, scopes: &[Scope]) -> Result<String, TokenError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 64 || !name.chars().all(good) {
        return Err(TokenError::Name(name.to_owned()));
    }
    let mut file = read(path)?;
    if file.tokens.iter().any(|token| token.name == name) {
        return Err(TokenError::Exists(name.to_owned()));
    }
    let mut secret = [0u8; 32];
    getrandom::fill(&mut secret).map_err(|error| TokenError::Random(error.to_string()))?;
    let token = format!("hark_{}", hex(&secret));
    let mut scopes = scopes.to_vec();
    scopes.sort_unstable();
    scopes.dedup();
    file.tokens.push(TokenRecord {
        name: name.to_owned(),
        scopes,
        created: Timestamp::now(),
        sha256: hex(&Sha256::digest(&token)),
    });
    write(path, &file)?;
    Ok(token)
}

/// Removes a token.
///
/// # Errors
/// There is none of that name, or the file cannot be read or written.
pub fn revoke(path: &Path, name: &str) -> Result<(), TokenError> {
    let mut file = read(path)?;
    let before = file.tokens.len();
    file.tokens.retain(|token| token.name != name);
    if file.tokens.len() == before {
        return Err(TokenError::Missing(name.to_owned()));
    }
    write(path, &file)
}

fn read(path: &Path) -> Result<File, TokenError> {
    let failed = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(File::default()),
        Err(error) => return Err(failed(error)),
    };
    let mode = std::fs::metadata(path).map_err(failed)?.mode();
    if mode & 0o077 != 0 {
        return Err(TokenError::Exposed {
            path: path.to_owned(),
        });
    }
    serde_json::from_slice(&text).map_err(|error| TokenError::Malformed {
        path: path.to_owned(),
        error,
    })
}

/// Writes a new file and puts it in the old one's place, so that none sees half of it. It keeps
/// the owner of the old one, or else of the directory, so that an agent that runs as another user
/// can still read it.
fn write(path: &Path, file: &File) -> Result<(), TokenError> {
    let failed = |source| TokenError::Io {
        path: path.to_owned(),
        source,
    };
    let parent = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).map_err(failed)?;
    let fresh = path.with_extension("new");
    let text = serde_json::to_vec_pretty(file).map_err(|error| TokenError::Malformed {
        path: path.to_owned(),
        error,
    })?;
    let written = (|| {
        let mut out = std::fs::OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        out.write_all(&text)?;
        out.write_all(b"\n")?;
        let owner = std::fs::metadata(path).or_else(|_| std::fs::metadata(parent))?;
        if owner.uid() != rustix::process::geteuid().as_raw() {
            std::os::unix::fs::fchown(&out, Some(owner.uid()), Some(owner.gid()))?;
        }
        out.sync_all()?;
        std::fs::rename(&fresh, path)?;
        std::fs::File::open(parent)?.sync_all()
    })();
    written.map_err(failed)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The tokens that count now.
#[derive(Debug)]
pub struct Tokens {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    tokens: Vec<TokenRecord>,
    stamp: Option<Stamp>,
    looked: Instant,
}

/// What changes when the file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    changed: (i64, i64),
}

/// How often the file is looked at, at most.
const LOOK_EVERY: Duration = Duration::from_millis(500);

fn stamp(path: &Path) -> Option<Stamp> {
    let found = std::fs::metadata(path).ok()?;
    Some(Stamp {
        inode: found.ino(),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

impl Tokens {
    /// Reads the file.
    ///
    /// # Errors
    /// As [`list`].
    pub fn open(path: PathBuf) -> Result<Self, TokenError> {
        let stamp = stamp(&path);
        let tokens = list(&path)?;
        Ok(Self {
            path,
            state: Mutex::new(State {
                tokens,
                stamp,
                looked: Instant::now(),
            }),
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.with(<[TokenRecord]>::len)
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Name and scopes of a token, where it is one. Takes the same time for every wrong token.
    pub fn find(&self, token: &str) -> Option<(String, Vec<Scope>)> {
        let digest = hex(&Sha256::digest(token));
        self.with(|tokens| {
            let mut found = None;
            for record in tokens {
                if bool::from(record.sha256.as_bytes().ct_eq(digest.as_bytes())) {
                    found = Some((record.name.clone(), record.scopes.clone()));
                }
            }
            found
        })
    }

    fn with<T>(&self, look: impl FnOnce(&[TokenRecord]) -> T) -> T {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.looked.elapsed() >= LOOK_EVERY {
            state.looked = Instant::now();
            let now = stamp(&self.path);
            if now != state.stamp {
                state.stamp = now;
                match list(&self.path) {
                    Ok(tokens) => {
                        tracing::info!(count = tokens.len(), "tokens were read again");
                        state.tokens = tokens;
                    }
                    // Better none than ones that were meant to be revoked.
                    Err(error) => {
                        tracing::error!(%error, "no token is valid until this is repaired");
                        state.tokens.clear();
                    }
                }
            }
        }
        look(&state.tokens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_token_is_kept_as_its_hash_alone_in_a_private_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("tokens.json");
        let token = add(&path, "ci", &[Scope::Read, Scope::Ingest]).expect("made");
        assert_eq!(token.len(), "hark_".len() + 64);
        let text = std::fs::read_to_string(&path).expect("a file");
        assert!(!text.contains(&token[5..]));
        assert_eq!(
            std::fs::metadata(&path).expect("there").mode() & 0o777,
            0o600
        );
        let tokens = Tokens::open(path.clone()).expect("opens");
        assert_eq!(
            tokens.find(&token),
            Some(("ci".into(), vec![Scope::Ingest, Scope::Read]))
        );
        assert_eq!(tokens.find("hark_0"), None);
        assert!(matches!(add(&path, "ci", &[]), Err(TokenError::Exists(_))));
        assert!(matches!(add(&path, "a b", &[]), Err(TokenError::Name(_))));
        revoke(&path, "ci").expect("revoked");
        assert!(matches!(revoke(&path, "ci"), Err(TokenError::Missing(_))));
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("changed");
        assert!(matches!(list(&path), Err(TokenError::Exposed { .. })));
    }
}
