//! Typed streams over server-sent events.

use super::ClientError;
use super::sse::{Frame, FrameStream};
use crate::{Event, EventId, Missed, Vitals};

/// What a live stream of events brings.
#[derive(Clone, Debug, PartialEq)]
pub enum EventItem {
    /// An event.
    Event(Box<Event>),
    /// This many events did not reach this reader; they are stored, and a search finds them.
    Missed(u64),
}

/// Events as they are stored.
pub struct EventStream {
    frames: FrameStream,
    last: Option<EventId>,
}

impl EventStream {
    pub(super) fn new(frames: FrameStream, after: Option<EventId>) -> Self {
        Self {
            frames,
            last: after,
        }
    }

    /// The last event that came, to resume after.
    pub fn last(&self) -> Option<EventId> {
        self.last
    }

    /// What comes next; `None` when the agent ended the stream. Safe to cancel.
    ///
    /// # Errors
    /// The connection broke or fell silent, or an event is not understood.
    pub async fn next(&mut self) -> Result<Option<EventItem>, ClientError> {
        loop {
            let (event, data) = match self.frames.next().await? {
                None => return Ok(None),
                Some(Frame::TooLarge) => return Ok(Some(EventItem::Missed(1))),
                Some(Frame::Message { event, data, .. }) => (event, data),
            };
            match event.as_str() {
                "event" => {
                    let event: Box<Event> =
                        serde_json::from_slice(&data).map_err(ClientError::Decode)?;
                    self.last = self.last.max(Some(event.id));
                    return Ok(Some(EventItem::Event(event)));
                }
                "missed" => {
                    let Missed { missed } =
                        serde_json::from_slice(&data).map_err(ClientError::Decode)?;
                    return Ok(Some(EventItem::Missed(missed)));
                }
                // A later agent may send more.
                _ => {}
            }
        }
    }
}

/// Vital signs as they are read.
pub struct VitalsStream {
    frames: FrameStream,
}

impl VitalsStream {
    pub(super) fn new(frames: FrameStream) -> Self {
        Self { frames }
    }

    /// The next reading; `None` when the agent ended the stream. Safe to cancel.
    ///
    /// # Errors
    /// The connection broke or fell silent, or the reading is not understood.
    pub async fn next(&mut self) -> Result<Option<Box<Vitals>>, ClientError> {
        loop {
            match self.frames.next().await? {
                None => return Ok(None),
                Some(Frame::Message { event, data, .. }) if event == "vitals" => {
                    return serde_json::from_slice(&data)
                        .map(Some)
                        .map_err(ClientError::Decode);
                }
                Some(_) => {}
            }
        }
    }
}
