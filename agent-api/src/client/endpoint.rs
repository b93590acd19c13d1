//! Where an agent is, and what it lets one do.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use http::{HeaderValue, Uri};

/// The port that agents listen on.
const DEFAULT_PORT: u16 = 5000;

/// Where an agent listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket. The agent knows the caller by its peer credentials.
    Unix(PathBuf),
    /// HTTP over TCP.
    Tcp {
        /// Name or address, an IPv6 address without brackets.
        host: String,
        /// Port.
        port: u16,
    },
}

/// The text is no URL of an agent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{url}` is no URL of an agent: {reason}; use one like http://127.0.0.1:5000")]
pub struct InvalidEndpoint {
    /// What was given.
    pub url: String,
    /// What is wrong with it.
    pub reason: &'static str,
}

impl FromStr for Endpoint {
    type Err = InvalidEndpoint;

    /// Parses `http://host[:port]`; the port is 5000 where none is given.
    fn from_str(url: &str) -> Result<Self, InvalidEndpoint> {
        let invalid = |reason| InvalidEndpoint {
            url: url.to_owned(),
            reason,
        };
        let uri: Uri = url.parse().map_err(|_| invalid("it does not parse"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => {
                return Err(invalid(
                    "the agent speaks no TLS; use its Unix socket, a tunnel or a proxy on loopback",
                ));
            }
            _ => return Err(invalid("it must begin with http://")),
        }
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(invalid("it must have no path and no query"));
        }
        let authority = uri.authority().ok_or_else(|| invalid("it names no host"))?;
        if authority.as_str().contains('@') {
            return Err(invalid("give the token by --token or HARK_TOKEN"));
        }
        let host = authority
            .host()
            .trim_start_matches('[')
            .trim_end_matches(']');
        if host.is_empty() {
            return Err(invalid("it names no host"));
        }
        let port = match authority.port() {
            Some(port) => port.as_u16(),
            None if authority.as_str().ends_with(':')
                || !authority.as_str().ends_with(authority.host()) =>
            {
                return Err(invalid("its port is no number from 1 to 65535"));
            }
            None => DEFAULT_PORT,
        };
        Ok(Self::Tcp {
            host: host.to_owned(),
            port,
        })
    }
}

impl Endpoint {
    /// The value of the `Host` header.
    pub(super) fn authority(&self) -> String {
        match self {
            Self::Unix(_) => "localhost".to_owned(),
            Self::Tcp { host, port } if host.contains(':') => format!("[{host}]:{port}"),
            Self::Tcp { host, port } => format!("{host}:{port}"),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => path.display().fmt(f),
            Self::Tcp { .. } => write!(f, "http://{}", self.authority()),
        }
    }
}

/// A bearer token. Never shown, not even by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(HeaderValue);

/// The text can be no token. It is not repeated here: it may be a real token with a slip in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the token is empty or has characters that no token has (spaces, control or non-ASCII)")]
pub struct InvalidToken;

impl FromStr for Token {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        if text.is_empty() || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(InvalidToken);
        }
        let mut value =
            HeaderValue::from_str(&format!("Bearer {text}")).map_err(|_| InvalidToken)?;
        value.set_sensitive(true);
        Ok(Self(value))
    }
}

impl Token {
    /// The value of the `Authorization` header.
    pub(super) fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_understood() {
        let tcp = |host: &str, port| {
            Ok(Endpoint::Tcp {
                host: host.to_owned(),
                port,
            })
        };
        assert_eq!("http://127.0.0.1:5001".parse(), tcp("127.0.0.1", 5001));
        assert_eq!("http://box/".parse(), tcp("box", 5000));
        assert_eq!("http://[::1]:7".parse(), tcp("::1", 7));
        assert_eq!("http://[::1]".parse(), tcp("::1", 5000));
        let endpoint: Endpoint = "http://[::1]:7".parse().expect("a URL");
        assert_eq!(endpoint.to_string(), "http://[::1]:7");
    }

    #[test]
    fn other_urls_are_refused_with_the_reason() {
        for (url, reason) in [
            ("https://box", "no TLS"),
            ("box:5000", "http://"),
            ("http://box/api", "no path"),
            ("http://u:p@box", "--token"),
            ("http://box:99999", "port"),
            ("http://box:", "port"),
            ("", "does not parse"),
        ] {
            let error = url.parse::<Endpoint>().expect_err(url);
            assert!(error.to_string().contains(reason), "{url}: {error}");
        }
    }

    #[test]
    fn tokens_are_not_shown() {
        let token: Token = "hark_secret".parse().expect("a token");
        assert!(!format!("{token:?}").contains("secret"));
        assert!("two words".parse::<Token>().is_err());
        assert!("line\nbreak".parse::<Token>().is_err());
    }
}
