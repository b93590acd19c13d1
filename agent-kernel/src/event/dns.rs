//! Names that are asked for.

use std::net::SocketAddr;

/// A name was asked for over UDP, and an answer came; or none within five seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dns {
    /// Who was asked.
    pub server: SocketAddr,
    /// The name, without a final dot but for the root; bytes other than letters, digits, `-` and `_` as
    /// in `\032`. Ends in `…` where it was longer than could be told.
    pub name: String,
    /// What was asked for, as in `AAAA`; `TYPE` and a number where that has no name here.
    pub kind: String,
    /// The answer's code, as in `NXDOMAIN`; absent without an answer.
    pub code: Option<String>,
    /// Records that answer the question.
    pub answers: u32,
    /// From the first query to the answer, in nanoseconds; absent without one.
    pub latency: Option<u64>,
}

impl Dns {
    /// Whether the server could not say whether there is such a name.
    pub fn is_failed(&self) -> bool {
        !matches!(self.code.as_deref(), Some("NOERROR" | "NXDOMAIN"))
    }
}
