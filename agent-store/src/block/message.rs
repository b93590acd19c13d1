//! Messages: words with a digit in them go into columns, one for each place in each shape of
//! message, as in CLP (Rodrigues, Luo, Yuan, "CLP: Efficient and Scalable Search on Compressed
//! Text Logs", OSDI 2021).

use crate::block::column::{Texts, put_numbers, put_short, put_texts, take_numbers, take_texts};
use crate::block::shape::Shapes;
use crate::block::stream::{Cursor, Streams};
use crate::wire::{Malformed, Put, Read, Take};

/// Stands for a word in a shape.
const HOLE: u8 = 0;
/// The first byte of a shape: whether it has holes or is the message as it is.
const WITH_HOLES: u8 = 1;
const AS_IT_IS: u8 = 0;
/// Shapes of fewer messages than this get no columns.
const WORTH_COLUMNS: u32 = 3;

/// What a byte is to [`scan`]. Words are those of the filter language, so that the words in
/// holes and in shapes are the ones that searches ask for.
const OTHER: u8 = 0;
const LETTER: u8 = 1;
const DIGIT: u8 = 2;
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte = 0;
    while byte < 256 {
        let b = byte as u8;
        if b.is_ascii_digit() {
            classes[byte] = DIGIT;
        } else if b.is_ascii_alphabetic() || b == b'_' || b >= 0x80 {
            classes[byte] = LETTER;
        }
        byte += 1;
    }
    classes
};

/// Appends the shape of a message to `key` and its words with digits to `holes`.
fn scan<'a>(message: &'a [u8], key: &mut Vec<u8>, holes: &mut Vec<&'a [u8]>) {
    let (mut at, mut copied) = (0, 0);
    while at < message.len() {
        if CLASSES[usize::from(message[at])] == OTHER {
            at += 1;
            continue;
        }
        let start = at;
        let mut classes = 0;
        while at < message.len() && CLASSES[usize::from(message[at])] != OTHER {
            classes |= CLASSES[usize::from(message[at])];
            at += 1;
        }
        if classes & DIGIT != 0 {
            key.extend_from_slice(&message[copied..start]);
            key.push(HOLE);
            holes.push(&message[start..at]);
            copied = at;
        }
    }
    key.extend_from_slice(&message[copied..]);
}

/// Appends messages with their templates. Calls `word` with every word of them at least once.
pub(crate) fn put<'a>(
    out: &mut Streams,
    messages: &[(Option<u32>, &'a str)],
    mut word: impl FnMut(&str),
) {
    let mut shapes = Shapes::default();
    let mut key = Vec::new();
    let mut holes: Vec<&'a [u8]> = Vec::new();
    // The shape of each message and where its holes begin.
    let mut scanned: Vec<(u32, usize)> = Vec::with_capacity(messages.len());
    let mut uses: Vec<u32> = Vec::new();
    for (template, message) in messages {
        start_key(&mut key, WITH_HOLES, *template);
        let first = holes.len();
        if message.as_bytes().contains(&HOLE) {
            start_key(&mut key, AS_IT_IS, *template);
            key.extend_from_slice(message.as_bytes());
        } else {
            scan(message.as_bytes(), &mut key, &mut holes);
        }
        let shape = shapes.number(&key);
        if uses.len() <= shape as usize {
            uses.push(0);
        }
        uses[shape as usize] += 1;
        scanned.push((shape, first));
    }
    // Shapes worth their columns keep them; the messages of the others are kept as they are.
    let mut kept = Shapes::default();
    let mut columns: Vec<Vec<Vec<&[u8]>>> = Vec::new();
    let mut numbers = Vec::with_capacity(messages.len());
    for (i, (shape, first)) in scanned.iter().enumerate() {
        let end = scanned.get(i + 1).map_or(holes.len(), |(_, next)| *next);
        let mut own = &holes[*first..end];
        let number = if own.is_empty() || uses[*shape as usize] >= WORTH_COLUMNS {
            kept.number(shapes.key(*shape))
        } else {
            own = &[];
            start_key(&mut key, AS_IT_IS, messages[i].0);
            key.extend_from_slice(messages[i].1.as_bytes());
            kept.number(&key)
        };
        numbers.push(i64::from(number));
        if columns.len() <= number as usize {
            columns.push(vec![Vec::new(); own.len()]);
        }
        for (column, hole) in columns[number as usize].iter_mut().zip(own) {
            column.push(hole);
        }
    }
    out.meta.put_varint(kept.len() as u64);
    for number in 0..kept.len() as u32 {
        let key = kept.key(number);
        out.meta.put_varint(key.len() as u64);
        out.text.put_slice(key);
        let text = shape_text(key).unwrap_or_default();
        // Holes are no words and end words, as they should.
        hark_api::filter::words(text).for_each(&mut word);
    }
    put_numbers(out, &numbers);
    for column in columns.iter().flatten() {
        put_texts(out, column, |hole| {
            if let Ok(hole) = std::str::from_utf8(hole) {
                word(hole);
            }
        });
    }
}

fn start_key(key: &mut Vec<u8>, holes: u8, template: Option<u32>) {
    key.clear();
    key.push(holes);
    // 0 is none.
    key.put_varint(template.map_or(0, |template| u64::from(template) + 1));
}

fn shape_text(key: &[u8]) -> Option<&str> {
    let mut key = Take(key);
    key.u8().ok()?;
    key.varint().ok()?;
    std::str::from_utf8(key.0).ok()
}

/// Messages in one piece, and where each ends.
#[derive(Debug, Default)]
pub(crate) struct Messages {
    text: String,
    ends: Vec<u32>,
    shapes: Vec<u32>,
    templates: Vec<Option<u32>>,
}

/// A shape as it is read: pieces of text with a hole after each but the last.
struct Shape<'a> {
    pieces: Vec<&'a [u8]>,
    columns: Vec<Texts<'a>>,
}

/// The most that the messages of a block may be, in bytes.
const MAX_TEXT: usize = 256 << 20;

pub(crate) fn take(from: &mut Cursor<'_>, count: usize) -> Read<Messages> {
    let mut messages = Messages::default();
    let len = usize::try_from(from.meta.varint()?).unwrap_or(usize::MAX);
    if len > count {
        return Err(Malformed("more shapes than messages"));
    }
    let mut shapes: Vec<Shape<'_>> = Vec::with_capacity(len);
    for _ in 0..len {
        let len = from.meta.varint()? as usize;
        let mut key = Take(from.text.slice(len)?);
        let holes = key.u8()?;
        let template = key.varint()?.checked_sub(1).map(u32::try_from).transpose();
        messages
            .templates
            .push(template.map_err(|_| Malformed("a template is too large"))?);
        let pieces = match holes {
            WITH_HOLES => key.0.split(|b| *b == HOLE).collect(),
            AS_IT_IS => vec![key.0],
            _ => return Err(Malformed("unknown form of message")),
        };
        shapes.push(Shape {
            pieces,
            columns: Vec::new(),
        });
    }
    let mut uses = vec![0usize; len];
    messages.shapes.reserve(count);
    for number in take_numbers(from, count)? {
        let used = usize::try_from(number)
            .ok()
            .and_then(|number| uses.get_mut(number));
        *used.ok_or(Malformed("no such shape"))? += 1;
        messages.shapes.push(number as u32);
    }
    for (shape, uses) in shapes.iter_mut().zip(uses) {
        for _ in 1..shape.pieces.len() {
            shape.columns.push(take_texts(from, uses)?);
        }
    }
    let mut text = Vec::with_capacity(count * 128);
    messages.ends.reserve(count);
    for number in &messages.shapes {
        let shape = &mut shapes[*number as usize];
        let (first, rest) = shape
            .pieces
            .split_first()
            .ok_or(Malformed("an empty shape"))?;
        put_short(&mut text, first);
        for (column, piece) in shape.columns.iter_mut().zip(rest) {
            column.next_into(&mut text);
            put_short(&mut text, piece);
        }
        if text.len() > MAX_TEXT {
            return Err(Malformed("the messages are too long"));
        }
        messages.ends.push(text.len() as u32);
    }
    messages.text = String::from_utf8(text).map_err(|_| Malformed("text is not UTF-8"))?;
    if messages
        .ends
        .iter()
        .any(|end| !messages.text.is_char_boundary(*end as usize))
    {
        return Err(Malformed("text is not UTF-8"));
    }
    Ok(messages)
}

impl Messages {
    pub(crate) fn get(&self, i: usize) -> &str {
        let start = i
            .checked_sub(1)
            .map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[i] as usize]
    }

    pub(crate) fn template(&self, i: usize) -> Option<u32> {
        self.templates[self.shapes[i] as usize]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;
    use crate::block::stream::{Codec, Group};

    proptest! {
        #[test]
        fn messages_come_back_and_every_word_is_told(
            messages in prop::collection::vec(
                (
                    prop::option::of(0u32..3),
                    prop_oneof![
                        "(GET|PUT) /a/[0-9]{1,4} took [0-9]ms",
                        "id=[0-9a-f]{8} ü[0-9]",
                        ".{0,12}",
                        "[\\x00a1 ]{0,5}",
                    ],
                ),
                0..200,
            ),
        ) {
            let borrowed: Vec<_> = messages.iter().map(|(t, m)| (*t, m.as_str())).collect();
            let (mut streams, mut told) = (Streams::default(), HashSet::new());
            put(&mut streams, &borrowed, |word| { told.insert(word.to_owned()); });
            let mut bytes = Vec::new();
            Codec::new().expect("zstd").write(&streams, &mut bytes);
            let group = Group::read(&bytes).expect("a group");
            let read = take(&mut group.cursor(), messages.len()).expect("messages");
            for (i, (template, message)) in messages.iter().enumerate() {
                prop_assert_eq!(read.get(i), message);
                prop_assert_eq!(read.template(i), *template);
                for word in hark_api::filter::words(message) {
                    prop_assert!(told.contains(word), "{} of {}", word, message);
                }
            }
        }
    }
}
