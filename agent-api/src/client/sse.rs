//! Server-sent events, as the WHATWG HTML standard defines them
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>), with bounds.

use std::time::Duration;

use bytes::{Buf as _, Bytes};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;

use super::request::Driver;
use super::{ClientError, Endpoint};

/// The most bytes that one frame's data may have. Larger frames are skipped and reported as
/// [`Frame::TooLarge`].
pub const MAX_FRAME_BYTES: usize = 4 << 20;

/// A stream that brings nothing, not even a comment, for this long is taken for dead.
pub const SILENCE: Duration = Duration::from_secs(60);

/// One server-sent event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frame {
    /// A message.
    Message {
        /// Its type; `message` where none was given.
        event: String,
        /// The last id that was given, by this message or by one before it.
        id: Option<String>,
        /// Its data.
        data: Vec<u8>,
    },
    /// A message larger than [`MAX_FRAME_BYTES`] came, and was skipped.
    TooLarge,
}

/// Takes bytes as they come and gives frames. Holds at most one frame.
#[derive(Debug, Default)]
pub struct Decoder {
    line: Vec<u8>,
    event: String,
    id: Option<String>,
    data: Option<Vec<u8>>,
    overflow: bool,
    /// The last byte ended a line as CR, so that a LF after it belongs to it.
    after_cr: bool,
    begun: bool,
}

impl Decoder {
    /// A decoder at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes until a frame is whole, and leaves the rest in `bytes`. `None` when all bytes
    /// are taken and no frame is whole.
    pub fn decode(&mut self, bytes: &mut Bytes) -> Option<Frame> {
        while !bytes.is_empty() {
            if self.after_cr {
                self.after_cr = false;
                if bytes[0] == b'\n' {
                    bytes.advance(1);
                    continue;
                }
            }
            let end = bytes.iter().position(|b| matches!(b, b'\n' | b'\r'));
            self.take(&bytes[..end.unwrap_or(bytes.len())]);
            let Some(end) = end else {
                bytes.clear();
                break;
            };
            self.after_cr = bytes[end] == b'\r';
            bytes.advance(end + 1);
            if let Some(frame) = self.end_line() {
                return Some(frame);
            }
        }
        None
    }

    /// Adds to the line; what is beyond the bound is let go, and [`Self::end_line`] sees that.
    fn take(&mut self, part: &[u8]) {
        let room = MAX_FRAME_BYTES - self.line.len();
        self.line.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_line(&mut self) -> Option<Frame> {
        let line = std::mem::take(&mut self.line);
        let mut line = line.as_slice();
        if !self.begun {
            self.begun = true;
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        if line.is_empty() {
            return self.end_frame();
        }
        if line.len() == MAX_FRAME_BYTES && line[0] != b':' {
            self.overflow = true;
            return None;
        }
        let (name, value) = match line.iter().position(|b| *b == b':') {
            Some(colon) => {
                let value = &line[colon + 1..];
                (&line[..colon], value.strip_prefix(b" ").unwrap_or(value))
            }
            None => (line, &b""[..]),
        };
        match name {
            b"event" => self.event = String::from_utf8_lossy(value).into_owned(),
            b"id" if !value.contains(&0) => {
                self.id = Some(String::from_utf8_lossy(value).into_owned());
            }
            b"data" => {
                let newline = usize::from(self.data.is_some());
                let data = self.data.get_or_insert_default();
                if data.len() + newline + value.len() > MAX_FRAME_BYTES {
                    self.overflow = true;
                } else {
                    data.extend(&b"\n"[..newline]);
                    data.extend_from_slice(value);
                }
            }
            // Comments, `retry` and what is not known.
            _ => {}
        }
        None
    }

    fn end_frame(&mut self) -> Option<Frame> {
        let event = std::mem::take(&mut self.event);
        let data = self.data.take();
        if std::mem::take(&mut self.overflow) {
            return Some(Frame::TooLarge);
        }
        Some(Frame::Message {
            event: if event.is_empty() {
                "message".to_owned()
            } else {
                event
            },
            id: self.id.clone(),
            data: data?,
        })
    }
}

/// Frames from the body of an answer.
pub struct FrameStream {
    body: Incoming,
    chunk: Bytes,
    decoder: Decoder,
    endpoint: Endpoint,
    _driver: Driver,
}

impl FrameStream {
    pub(super) fn new(body: Incoming, driver: Driver, endpoint: Endpoint) -> Self {
        Self {
            body,
            chunk: Bytes::new(),
            decoder: Decoder::new(),
            endpoint,
            _driver: driver,
        }
    }

    /// The next frame; `None` when the agent ended the stream. Safe to cancel.
    ///
    /// # Errors
    /// The connection broke, or nothing came for [`SILENCE`].
    pub async fn next(&mut self) -> Result<Option<Frame>, ClientError> {
        loop {
            if let Some(frame) = self.decoder.decode(&mut self.chunk) {
                return Ok(Some(frame));
            }
            let next = tokio::time::timeout(SILENCE, self.body.frame()).await;
            match next {
                Ok(Some(Ok(frame))) => self.chunk = frame.into_data().unwrap_or_default(),
                Ok(Some(Err(error))) => return Err(error.into()),
                Ok(None) => return Ok(None),
                Err(_) => {
                    return Err(ClientError::Silent {
                        endpoint: self.endpoint.clone(),
                        after: SILENCE,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn decode_in_chunks(text: &[u8], cuts: &[usize]) -> Vec<Frame> {
        let mut decoder = Decoder::new();
        let mut frames = Vec::new();
        let mut rest = text;
        let mut cuts = cuts.iter();
        while !rest.is_empty() {
            let n = (*cuts.next().unwrap_or(&rest.len())).clamp(1, rest.len());
            let mut chunk = Bytes::copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            while let Some(frame) = decoder.decode(&mut chunk) {
                frames.push(frame);
            }
        }
        frames
    }

    fn message(event: &str, id: Option<&str>, data: &str) -> Frame {
        Frame::Message {
            event: event.into(),
            id: id.map(Into::into),
            data: data.into(),
        }
    }

    #[test]
    fn the_standard_s_examples() {
        let text = b"\xEF\xBB\xBF: hello\n\ndata: one\ndata:two\nid: 7\n\nevent: missed\r\ndata\r\rid\ndata: x\n\n";
        assert_eq!(
            decode_in_chunks(text, &[]),
            [
                message("message", Some("7"), "one\ntwo"),
                message("missed", Some("7"), ""),
                message("message", Some(""), "x"),
            ]
        );
    }

    #[test]
    fn a_frame_beyond_the_bound_is_skipped_and_told() {
        let mut text = b"id: 1\ndata: ".to_vec();
        text.resize(text.len() + MAX_FRAME_BYTES + 10, b'x');
        text.extend_from_slice(b"\n\ndata: small\n\n");
        assert_eq!(
            decode_in_chunks(&text, &[4096; 2000]),
            [Frame::TooLarge, message("message", Some("1"), "small")]
        );
        let many = "data: 0123456789abcdef0123456789abcdef\n".repeat(MAX_FRAME_BYTES / 32);
        let frames = decode_in_chunks(format!("{many}\ndata: y\n\n").as_bytes(), &[]);
        assert_eq!(frames, [Frame::TooLarge, message("message", None, "y")]);
    }

    proptest! {
        /// However the network cuts the bytes, the frames are the same.
        #[test]
        fn cuts_do_not_matter(
            lines in prop::collection::vec(
                prop::sample::select(vec!["data: a", "data:b", "id: 4", "event: e", ": c", "", "", "x", "data"]), 0..30),
            ends in prop::collection::vec(prop::sample::select(vec!["\n", "\r", "\r\n"]), 30),
            cuts in prop::collection::vec(1usize..9, 0..200),
        ) {
            let text: String = lines.iter().zip(&ends).flat_map(|(l, e)| [*l, *e]).collect();
            prop_assert_eq!(
                decode_in_chunks(text.as_bytes(), &cuts),
                decode_in_chunks(text.as_bytes(), &[])
            );
        }
    }
}
