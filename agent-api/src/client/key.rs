//! The key of a request that may be sent again.

use std::fmt::Write as _;

use http::HeaderValue;

/// Names a request, so that sending it again stores nothing twice: the agent answers the second as
/// it did the first. Each request needs its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(HeaderValue);

/// The text cannot be a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an idempotency key has 1 to 255 printable ASCII characters, no double quote or backslash")]
pub struct InvalidKey;

/// The system gives no random numbers.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the system gives no random numbers: {0}")]
pub struct NoRandomness(String);

impl IdempotencyKey {
    /// A key of the caller's choice.
    ///
    /// # Errors
    /// Where it has more or other characters than a key may.
    pub fn new(text: &str) -> Result<Self, InvalidKey> {
        let good = |byte| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if text.is_empty() || text.len() > 255 || !text.bytes().all(good) {
            return Err(InvalidKey);
        }
        HeaderValue::from_str(&format!("\"{text}\""))
            .map(Self)
            .map_err(|_| InvalidKey)
    }

    /// A key of 128 random bits.
    ///
    /// # Errors
    /// The system gives none.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut bits = [0u8; 16];
        getrandom::fill(&mut bits).map_err(|error| NoRandomness(error.to_string()))?;
        let text = bits.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self::new(&text).map_err(|error| NoRandomness(error.to_string()))
    }

    /// As the header's value.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_quoted_and_nothing_leaves_the_quotes() {
        let key = IdempotencyKey::new("a b").expect("a key");
        assert_eq!(key.header(), "\"a b\"");
        for text in ["", "a\"b", "a\\b", "a\nb", "ü", &"x".repeat(256)] {
            assert_eq!(IdempotencyKey::new(text), Err(InvalidKey), "{text}");
        }
        let (one, other) = (IdempotencyKey::random(), IdempotencyKey::random());
        assert_ne!(one.expect("random"), other.expect("random"));
    }
}
