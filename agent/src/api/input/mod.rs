//! What is sent: reading a body within its bounds, and making events of it.
//!
//! `body` collects and decompresses, `event` parses one event, `batch` an array or lines.

mod batch;
mod body;
mod event;
mod trace;
mod value;

pub use batch::{Parsed, TooMany, parse_array, parse_lines};
pub(super) use body::{BodyType, read};
pub use event::{Context, Refused, parse_event};
pub(super) use trace::parse_traceparent;
