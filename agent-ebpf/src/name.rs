//! What is told of queries for names (DNS).

use bytemuck::{Pod, Zeroable};

use crate::Header;

/// How many bytes of a question are told.
pub const QUESTION_LEN: usize = 128;

/// Queries that wait for an answer; the oldest make room.
pub const QUERIES_MAX: u32 = 2_048;

/// [`DnsRecord::flags`] of a query that has no answer yet.
pub const UNANSWERED: u32 = u32::MAX;

/// A query for a name, with its answer.
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
#[repr(C)]
pub struct DnsRecord {
    /// Who asked, and when the answer came; when it was asked, as long as there is none. No process
    /// where it is not certain.
    pub header: Header,
    /// When it was asked, as [`Header::time`].
    pub asked: u64,
    /// The second word of the answer's header, in host order; [`UNANSWERED`] is none.
    pub flags: u32,
    /// Records that answer the question.
    pub answers: u32,
    /// Bytes of the question, those beyond [`QUESTION_LEN`] included.
    pub question_len: u32,
    /// `AF_INET` or `AF_INET6`.
    pub family: u32,
    /// Who was asked.
    pub server: [u8; 16],
    /// The question, as it is sent: RFC 1035, section 4.1.2.
    pub question: [u8; QUESTION_LEN],
}
