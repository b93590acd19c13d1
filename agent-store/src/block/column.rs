//! One column of numbers or of byte strings, coded in the cheapest of a few ways.
//!
//! Numbers: all the same; up to 255 distinct ones, by dictionary; the distance from the least, in
//! as many bits as the greatest needs (frame of reference: Goldstein, Ramakrishnan, Shaft,
//! "Compressing Relations and Indexes", ICDE 1998); the same of the steps between them. Byte
//! strings: likewise all the same or by dictionary; lower-case hexadecimal of one length as
//! bytes; decimal numbers as numbers; and else their lengths and their text.

use std::collections::HashMap;

use crate::block::shape::Quick;
use crate::block::stream::{Cursor, Streams};
use crate::wire::{Malformed, Put, Read};

const CONSTANT: u8 = 0;
const DICTIONARY: u8 = 1;
const PACKED: u8 = 2;
const STEPS: u8 = 3;
const HEX: u8 = 4;
const DECIMAL: u8 = 5;
const PLAIN: u8 = 6;

/// The most entries of a dictionary: an index is a byte.
const MAX_ENTRIES: usize = 255;

/// The distinct values in order of first sight and the index of each value; `None` where there
/// are too many to be worth it.
fn dictionary<T: Copy + Eq + std::hash::Hash>(values: &[T]) -> Option<(Vec<T>, Vec<u8>)> {
    let mut entries: Vec<T> = Vec::new();
    let mut known: HashMap<T, u8, Quick> = HashMap::default();
    let mut codes = Vec::with_capacity(values.len());
    let mut before: Option<(T, u8)> = None;
    for (i, value) in values.iter().enumerate() {
        let same = before
            .filter(|(same, _)| same == value)
            .map(|(_, code)| code);
        let code = if let Some(code) = same.or_else(|| known.get(value).copied()) {
            code
        } else {
            // Given up early where it does not pay: mostly new values.
            if entries.len() == MAX_ENTRIES || (i >= 64 && entries.len() * 2 > i) {
                return None;
            }
            let code = entries.len() as u8;
            entries.push(*value);
            known.insert(*value, code);
            code
        };
        before = Some((*value, code));
        codes.push(code);
    }
    Some((entries, codes))
}

/// The number of bits that distances up to `range` need.
const fn width(range: u64) -> u32 {
    64 - range.leading_zeros()
}

/// Appends values of `width` bits each, lowest bit first.
fn pack(out: &mut Vec<u8>, values: impl Iterator<Item = u64>, width: u32) {
    if width == 0 {
        return;
    }
    let (mut bits, mut held) = (0u128, 0u32);
    for value in values {
        bits |= u128::from(value) << held;
        held += width;
        while held >= 8 {
            out.push(bits as u8);
            bits >>= 8;
            held -= 8;
        }
    }
    if held > 0 {
        out.push(bits as u8);
    }
}

/// How many bytes [`pack`] writes.
fn packed_len(count: usize, width: u32) -> Read<usize> {
    count
        .checked_mul(width as usize)
        .map(|bits| bits.div_ceil(8))
        .ok_or(Malformed("a column is too long"))
}

fn unpack(bytes: &[u8], count: usize, width: u32, mut each: impl FnMut(u64)) {
    if width == 0 {
        (0..count).for_each(|_| each(0));
        return;
    }
    let mask = if width == 64 {
        u64::MAX
    } else {
        (1 << width) - 1
    };
    let mut at = 0usize;
    for _ in 0..count {
        let (byte, shift) = (at / 8, at % 8);
        let word = if let Some(word) = bytes.get(byte..).and_then(<[u8]>::first_chunk::<16>) {
            u128::from_le_bytes(*word)
        } else {
            let mut word = [0; 16];
            let rest = bytes.get(byte..).unwrap_or_default();
            word[..rest.len()].copy_from_slice(rest);
            u128::from_le_bytes(word)
        };
        each((word >> shift) as u64 & mask);
        at += width as usize;
    }
}

/// Appends a column of numbers.
pub(crate) fn put_numbers(out: &mut Streams, values: &[i64]) {
    let (Some(&least), Some(&greatest)) = (values.iter().min(), values.iter().max()) else {
        out.meta.put_u8(CONSTANT);
        out.meta.put_signed(0);
        return;
    };
    if least == greatest {
        out.meta.put_u8(CONSTANT);
        out.meta.put_signed(least);
        return;
    }
    let plain = width(greatest.wrapping_sub(least) as u64);
    let steps = values.windows(2).map(|pair| pair[1].wrapping_sub(pair[0]));
    let (least_step, greatest_step) = steps
        .clone()
        .fold((i64::MAX, i64::MIN), |(low, high), step| {
            (low.min(step), high.max(step))
        });
    let stepped = width(greatest_step.wrapping_sub(least_step) as u64);
    // Steps of one size beat everything; a dictionary's codes compress further.
    if stepped > 1
        && let Some((entries, codes)) = dictionary(values)
    {
        out.meta.put_u8(DICTIONARY);
        out.meta.put_u8(entries.len() as u8);
        for entry in entries {
            out.meta.put_signed(entry);
        }
        out.codes.put_slice(&codes);
    } else if stepped < plain {
        out.meta.put_u8(STEPS);
        out.meta.put_signed(values[0]);
        out.meta.put_signed(least_step);
        out.meta.put_u8(stepped as u8);
        pack(
            &mut out.packed,
            steps.map(|s| s.wrapping_sub(least_step) as u64),
            stepped,
        );
    } else {
        out.meta.put_u8(PACKED);
        out.meta.put_signed(least);
        out.meta.put_u8(plain as u8);
        let distances = values.iter().map(|v| v.wrapping_sub(least) as u64);
        pack(&mut out.packed, distances, plain);
    }
}

/// Takes a column of `count` numbers.
pub(crate) fn take_numbers(from: &mut Cursor<'_>, count: usize) -> Read<Vec<i64>> {
    let mut values = Vec::with_capacity(count);
    match from.meta.u8()? {
        CONSTANT => values.resize(count, from.meta.signed()?),
        DICTIONARY => {
            let mut entries = [0; MAX_ENTRIES];
            let len = usize::from(from.meta.u8()?);
            for entry in &mut entries[..len] {
                *entry = from.meta.signed()?;
            }
            for code in from.codes.slice(count)? {
                let entry = entries[..len].get(usize::from(*code));
                values.push(*entry.ok_or(Malformed("no such entry of a dictionary"))?);
            }
        }
        PACKED => {
            let least = from.meta.signed()?;
            let width = bit_width(from)?;
            let bytes = from.packed.slice(packed_len(count, width)?)?;
            unpack(bytes, count, width, |v| {
                values.push(least.wrapping_add(v as i64));
            });
        }
        STEPS => {
            let mut value = from.meta.signed()?;
            let least = from.meta.signed()?;
            let width = bit_width(from)?;
            let steps = count.saturating_sub(1);
            let bytes = from.packed.slice(packed_len(steps, width)?)?;
            values.push(value);
            unpack(bytes, steps, width, |v| {
                value = value.wrapping_add(least).wrapping_add(v as i64);
                values.push(value);
            });
        }
        _ => return Err(Malformed("unknown coding of numbers")),
    }
    if values.len() == count {
        Ok(values)
    } else {
        Err(Malformed("a column is too short"))
    }
}

fn bit_width(from: &mut Cursor<'_>) -> Read<u32> {
    match from.meta.u8()? {
        width @ 0..=64 => Ok(width.into()),
        _ => Err(Malformed("numbers of more than 64 bits")),
    }
}

/// A decimal number as it is always written: no sign, no leading zero, at most 18 digits.
fn decimal(text: &[u8]) -> Option<i64> {
    if text.is_empty() || text.len() > 18 || (text[0] == b'0' && text.len() > 1) {
        return None;
    }
    text.iter().try_fold(0i64, |number, digit| {
        digit
            .is_ascii_digit()
            .then(|| number * 10 + i64::from(digit - b'0'))
    })
}

fn hex_digit(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

/// Appends a column of byte strings. Calls `distinct` with each that is distinct, or, where
/// that is not known, with each.
pub(crate) fn put_texts<'a>(
    out: &mut Streams,
    values: &[&'a [u8]],
    mut distinct: impl FnMut(&'a [u8]),
) {
    if let Some((entries, codes)) = dictionary(values) {
        match entries.as_slice() {
            [] => {
                out.meta.put_u8(CONSTANT);
                out.meta.put_varint(0);
                return;
            }
            [only] => {
                out.meta.put_u8(CONSTANT);
                out.meta.put_varint(only.len() as u64);
                out.text.put_slice(only);
                distinct(only);
                return;
            }
            _ => {}
        }
        // Many short numbers pack better than a dictionary of them compresses.
        out.meta.put_u8(DICTIONARY);
        out.meta.put_u8(entries.len() as u8);
        for entry in entries {
            out.meta.put_varint(entry.len() as u64);
            out.text.put_slice(entry);
            distinct(entry);
        }
        out.codes.put_slice(&codes);
        return;
    }
    for value in values {
        distinct(value);
    }
    let numbers: Option<Vec<i64>> = values.iter().map(|text| decimal(text)).collect();
    if let Some(numbers) = numbers {
        out.meta.put_u8(DECIMAL);
        put_numbers(out, &numbers);
        return;
    }
    let len = values[0].len();
    let hex = len.is_multiple_of(2)
        && len > 0
        && values
            .iter()
            .all(|v| v.len() == len && v.iter().all(|d| hex_digit(*d).is_some()));
    if hex {
        out.meta.put_u8(HEX);
        out.meta.put_varint(len as u64);
        for value in values {
            for pair in value.chunks_exact(2) {
                let high = hex_digit(pair[0]).unwrap_or_default();
                out.packed
                    .push(high << 4 | hex_digit(pair[1]).unwrap_or_default());
            }
        }
        return;
    }
    out.meta.put_u8(PLAIN);
    let lens: Vec<i64> = values.iter().map(|value| value.len() as i64).collect();
    put_numbers(out, &lens);
    for value in values {
        out.text.put_slice(value);
    }
}

/// A column of byte strings, read from front to back.
#[derive(Debug)]
pub(crate) struct Texts<'a> {
    coding: Coding<'a>,
    at: usize,
}

#[derive(Debug)]
enum Coding<'a> {
    Constant(&'a [u8]),
    Dictionary(Vec<&'a [u8]>, &'a [u8]),
    Hex(usize, &'a [u8]),
    Decimal(Vec<i64>),
    Plain(Vec<i64>, &'a [u8]),
}

/// Takes a column of `count` byte strings.
pub(crate) fn take_texts<'a>(from: &mut Cursor<'a>, count: usize) -> Read<Texts<'a>> {
    let coding = match from.meta.u8()? {
        CONSTANT => {
            let len = from.meta.varint()? as usize;
            Coding::Constant(from.text.slice(len)?)
        }
        DICTIONARY => {
            let entries = (0..from.meta.u8()?)
                .map(|_| {
                    let len = from.meta.varint()? as usize;
                    from.text.slice(len)
                })
                .collect::<Read<Vec<_>>>()?;
            let codes = from.codes.slice(count)?;
            if codes.iter().any(|code| usize::from(*code) >= entries.len()) {
                return Err(Malformed("no such entry of a dictionary"));
            }
            Coding::Dictionary(entries, codes)
        }
        HEX => {
            let len = from.meta.varint()? as usize / 2;
            let bytes = count
                .checked_mul(len)
                .ok_or(Malformed("a column is too long"))?;
            Coding::Hex(len, from.packed.slice(bytes)?)
        }
        DECIMAL => Coding::Decimal(take_numbers(from, count)?),
        PLAIN => {
            let lens = take_numbers(from, count)?;
            let total = lens.iter().try_fold(0usize, |total, len| {
                total.checked_add(usize::try_from(*len).ok()?)
            });
            let total = total.ok_or(Malformed("a length is too large"))?;
            Coding::Plain(lens, from.text.slice(total)?)
        }
        _ => return Err(Malformed("unknown coding of text")),
    };
    Ok(Texts { coding, at: 0 })
}

impl Texts<'_> {
    /// Appends the next value to `out`. The values past the last are the empty string.
    #[inline]
    pub(crate) fn next_into(&mut self, out: &mut Vec<u8>) {
        let at = self.at;
        self.at += 1;
        match &mut self.coding {
            Coding::Constant(value) => put_short(out, value),
            Coding::Dictionary(entries, codes) => {
                if let Some(code) = codes.get(at) {
                    put_short(out, entries[usize::from(*code)]);
                }
            }
            Coding::Hex(len, bytes) => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                let value = bytes.get(at * *len..(at + 1) * *len).unwrap_or_default();
                for byte in value {
                    out.put_slice(&[
                        DIGITS[usize::from(byte >> 4)],
                        DIGITS[usize::from(byte & 15)],
                    ]);
                }
            }
            Coding::Decimal(numbers) => {
                if let Some(number) = numbers.get(at) {
                    put_decimal(out, *number);
                }
            }
            Coding::Plain(lens, text) => {
                if let Some(len) = lens.get(at) {
                    let (value, rest) = text.split_at(*len as usize);
                    put_short(out, value);
                    *text = rest;
                }
            }
        }
    }
}

/// Appends a slice that is likely to be short: a call of memcpy costs more than copying 16 bytes.
#[inline]
pub(crate) fn put_short(out: &mut Vec<u8>, slice: &[u8]) {
    let len = slice.len();
    if len > 16 {
        out.extend_from_slice(slice);
    } else if let (Some(first), Some(last)) = (slice.first_chunk::<8>(), slice.last_chunk::<8>()) {
        // The two overlap unless there are just 16.
        let end = out.len() + len;
        out.extend_from_slice(first);
        out.truncate(end - 8);
        out.extend_from_slice(last);
    } else if let (Some(first), Some(last)) = (slice.first_chunk::<4>(), slice.last_chunk::<4>()) {
        let end = out.len() + len;
        out.extend_from_slice(first);
        out.truncate(end - 4);
        out.extend_from_slice(last);
    } else {
        for byte in slice {
            out.push(*byte);
        }
    }
}

fn put_decimal(out: &mut Vec<u8>, number: i64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut left = number.unsigned_abs();
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    if number < 0 {
        out.push(b'-');
    }
    put_short(out, &digits[at..]);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::block::stream::{Codec, Group};

    fn through(streams: &Streams) -> Group {
        let mut bytes = Vec::new();
        Codec::new().expect("zstd").write(streams, &mut bytes);
        Group::read(&bytes).expect("a group")
    }

    fn numbers() -> impl Strategy<Value = Vec<i64>> {
        prop_oneof![
            prop::collection::vec(any::<i64>(), 0..300),
            prop::collection::vec(-3i64..3, 0..300),
            (any::<i64>(), prop::collection::vec(0i64..9, 0..300)).prop_map(|(start, steps)| {
                steps
                    .into_iter()
                    .scan(start, |at, step| {
                        *at = at.wrapping_add(step);
                        Some(*at)
                    })
                    .collect()
            }),
        ]
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        prop_oneof![
            prop::collection::vec("[0-9]{1,19}", 0..200),
            prop::collection::vec("[0-9a-f]{4}", 0..200),
            prop::collection::vec("[ab]", 0..200),
            prop::collection::vec(".{0,9}", 0..200),
        ]
    }

    proptest! {
        #[test]
        fn numbers_come_back(values in numbers()) {
            let mut streams = Streams::default();
            put_numbers(&mut streams, &values);
            let group = through(&streams);
            prop_assert_eq!(take_numbers(&mut group.cursor(), values.len()), Ok(values));
        }

        #[test]
        fn texts_come_back(values in texts()) {
            let mut streams = Streams::default();
            let slices: Vec<&[u8]> = values.iter().map(String::as_bytes).collect();
            put_texts(&mut streams, &slices, |_| {});
            let group = through(&streams);
            let mut column = take_texts(&mut group.cursor(), values.len()).expect("a column");
            for value in &values {
                let mut out = Vec::new();
                column.next_into(&mut out);
                prop_assert_eq!(&out, value.as_bytes());
            }
        }

        #[test]
        fn no_bytes_make_it_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..100),
            count in 0usize..5000,
        ) {
            let streams = Streams {
                meta: bytes.clone(), codes: bytes.clone(), text: bytes.clone(), packed: bytes,
            };
            let group = through(&streams);
            let _ = take_numbers(&mut group.cursor(), count);
            if let Ok(mut column) = take_texts(&mut group.cursor(), count) {
                let mut out = Vec::new();
                (0..count).for_each(|_| column.next_into(&mut out));
            }
        }
    }
}
