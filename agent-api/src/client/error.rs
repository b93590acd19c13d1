//! What can go wrong between a client and its agent.

use std::fmt::Write as _;
use std::io;
use std::time::Duration;

use super::Endpoint;
use crate::Problem;

/// A request to the agent failed.
///
/// Texts may quote what the agent answered: sanitise them before they reach a terminal.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// No connection could be made.
    #[error("cannot reach the agent at {endpoint}: {source}")]
    Connect {
        /// Where it was tried.
        endpoint: Endpoint,
        /// Why it failed.
        source: io::Error,
    },
    /// The agent did not answer in time, or a stream fell silent.
    #[error("the agent at {endpoint} was silent for {} s", after.as_secs())]
    Silent {
        /// Where it was asked.
        endpoint: Endpoint,
        /// How long it was waited for.
        after: Duration,
    },
    /// The connection broke, or what came was no HTTP.
    #[error("the connection to the agent broke: {0}")]
    Broken(#[from] hyper::Error),
    /// The agent refused, and said why.
    #[error("{}", problem_text(.0))]
    Problem(Box<Problem>),
    /// Something that is no hark agent answered, or a proxy before it did.
    #[error("the agent answered with status {status} and no problem document: {body}")]
    Unexplained {
        /// The HTTP status.
        status: u16,
        /// The beginning of the answer.
        body: String,
    },
    /// The answer is larger than [`super::MAX_ANSWER_BYTES`].
    #[error("the agent's answer is larger than {} MiB", super::MAX_ANSWER_BYTES >> 20)]
    TooLarge,
    /// The answer is not what this version of hark knows.
    #[error("the agent's answer is not understood (another version of hark?): {0}")]
    Decode(#[source] serde_json::Error),
    /// What the agent sent cannot be written.
    #[error("cannot write what the agent sent: {0}")]
    Save(#[source] io::Error),
    /// What is to be sent is no JSON.
    #[error("the event cannot be written as JSON: {0}")]
    Encode(#[source] serde_json::Error),
    /// The request cannot be made, as with a URL that is too long.
    #[error("the request cannot be made: {0}")]
    Request(#[from] http::Error),
}

impl ClientError {
    /// Whether there is no agent to talk with: it is not running, not reachable, or went away.
    pub fn is_unreachable(&self) -> bool {
        matches!(
            self,
            Self::Connect { .. } | Self::Silent { .. } | Self::Broken(_)
        )
    }

    /// The problem document, where the agent sent one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }
}

/// A problem on one line: title, detail, then each error with its place.
fn problem_text(problem: &Problem) -> String {
    let mut text = if problem.title.is_empty() {
        format!("the agent refused with status {}", problem.status)
    } else {
        problem.title.clone()
    };
    if let Some(detail) = &problem.detail {
        let _ = write!(text, ": {detail}");
    }
    for error in &problem.errors {
        text.push_str("; ");
        if let Some(line) = error.line {
            let _ = write!(text, "line {line}: ");
        }
        if let Some(field) = &error.field {
            let _ = write!(text, "{field}: ");
        }
        text.push_str(&error.reason);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::InputError;

    #[test]
    fn a_problem_names_field_and_reason() {
        let error = ClientError::Problem(Box::new(Problem {
            title: "Bad input".into(),
            status: 400,
            errors: vec![InputError {
                line: Some(3),
                field: Some("level".into()),
                reason: "`loud` is not a level".into(),
            }],
            ..Problem::default()
        }));
        assert_eq!(
            error.to_string(),
            "Bad input; line 3: level: `loud` is not a level"
        );
    }
}
