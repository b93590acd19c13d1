//! What to do when the agent cannot be reached or refuses.

use std::io::ErrorKind;

use hark_api::client::{ClientError, Endpoint};

/// An advice, and commands that carry it out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Remedy {
    pub(crate) text: &'static str,
    pub(crate) commands: &'static [&'static str],
}

const START: &[&str] = &["sudo systemctl start hark-agent", "sudo hark-agent run"];

impl Remedy {
    /// The advice for an error, where there is one.
    pub(crate) fn of(error: &ClientError) -> Option<Self> {
        let remedy = |text, commands| Some(Self { text, commands });
        match error {
            ClientError::Connect { endpoint, source } => match (source.kind(), endpoint) {
                (ErrorKind::NotFound, Endpoint::Unix(_)) => remedy(
                    "No agent has made this socket. Start it, or name its socket with --socket:",
                    START,
                ),
                (ErrorKind::ConnectionRefused, Endpoint::Unix(_)) => remedy(
                    "The agent that made this socket has ended. Start it:",
                    START,
                ),
                (ErrorKind::PermissionDenied, _) => remedy(
                    "Your user may not use this socket. Join its group and log in anew, or use sudo:",
                    &["sudo usermod -aG hark \"$USER\"", "sudo hark"],
                ),
                (ErrorKind::ConnectionRefused, Endpoint::Tcp { .. }) => {
                    remedy("Nothing listens there. Start the agent:", START)
                }
                _ => None,
            },
            ClientError::Silent { .. } => remedy(
                "It accepts connections but does not answer. See what it does:",
                &["sudo journalctl -u hark-agent -n 50"],
            ),
            ClientError::Problem(problem) if matches!(problem.status, 401 | 403) => remedy(
                "Reading over TCP needs a token. Make one, and set it as HARK_TOKEN:",
                &["sudo hark-agent token add --name console --scope read"],
            ),
            _ => None,
        }
    }
}
