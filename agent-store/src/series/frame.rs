//! A frame: some minutes of all series at one step, with a directory, so that one series is read
//! without decoding the others.
//!
//! Whole numbers up to 2^53 are kept exactly. Of all others the 17 leading significant bits are
//! kept (error at most 2^-17, that is 0.0008 %): their sign, exponent and 16 bits of mantissa are,
//! for values near each other, whole numbers near each other, and are coded as such.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::block::column::{put_numbers, take_numbers};
use crate::block::stream::{Cursor, Streams};
use crate::wire::{Malformed, Put, Read, Take};

/// The form of a frame; the first byte of each.
const FORM: u8 = 1;
/// The most ticks of a frame: bounds what damaged bytes can ask for.
pub(crate) const MAX_TICKS: usize = 1 << 12;

const WHOLE: u8 = 0;
const ROUNDED: u8 = 1;
/// Bits of an f64's mantissa that are not kept.
const DROPPED: u32 = 36;

/// The values of one series in a frame: which ticks, and what. Each value is `N` numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Track<const N: usize> {
    pub(crate) ticks: Vec<u32>,
    pub(crate) values: [Vec<f64>; N],
}

impl<const N: usize> Default for Track<N> {
    fn default() -> Self {
        Self {
            ticks: Vec::new(),
            values: std::array::from_fn(|_| Vec::new()),
        }
    }
}

/// Some minutes of all series: the times of its ticks, and the values of each series by number.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Frame<const N: usize> {
    /// In seconds since 1970, ascending.
    pub(crate) times: Vec<i64>,
    pub(crate) tracks: BTreeMap<u32, Track<N>>,
}

impl<const N: usize> Default for Frame<N> {
    fn default() -> Self {
        Self {
            times: Vec::new(),
            tracks: BTreeMap::new(),
        }
    }
}

impl<const N: usize> Frame<N> {
    /// Adds a value at a time that is not before the last.
    pub(crate) fn add(&mut self, time: i64, series: u32, values: [f64; N]) {
        if self.times.last() != Some(&time) {
            self.times.push(time);
        }
        let tick = self.times.len() as u32 - 1;
        let track = self.tracks.entry(series).or_default();
        // Of two values in one second the first stays.
        if track.ticks.last() != Some(&tick) {
            track.ticks.push(tick);
            for (column, value) in track.values.iter_mut().zip(values) {
                column.push(value);
            }
        }
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![FORM];
        out.put_varint(self.times.len() as u64);
        put_chunk(&mut out, |streams| put_numbers(streams, &self.times));
        let (mut directory, mut chunks) = (Vec::new(), Vec::new());
        let mut before = 0;
        for (series, track) in &self.tracks {
            let start = chunks.len();
            let whole = track.ticks.len() == self.times.len();
            chunks.put_varint(if whole { 0 } else { track.ticks.len() as u64 });
            if !whole {
                let ticks: Vec<i64> = track.ticks.iter().map(|tick| i64::from(*tick)).collect();
                put_chunk(&mut chunks, |streams| put_numbers(streams, &ticks));
            }
            for column in &track.values {
                put_values(&mut chunks, column);
            }
            directory.put_varint(u64::from(series - before));
            directory.put_varint((chunks.len() - start) as u64);
            before = *series;
        }
        out.put_varint(self.tracks.len() as u64);
        out.put_varint(directory.len() as u64);
        out.put_slice(&directory);
        out.put_slice(&chunks);
        let sum = xxh3_64(&out);
        out.put_slice(&sum.to_le_bytes());
        out
    }
}

/// What a series has: time in seconds, and value.
pub(crate) type Values<const N: usize> = Vec<(i64, [f64; N])>;

/// A frame as it is read.
pub(crate) struct Reader<'a> {
    pub(crate) times: Vec<i64>,
    len: usize,
    directory: Take<'a>,
    chunks: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Read<Self> {
        let (body, sum) = bytes
            .split_last_chunk::<8>()
            .ok_or(Malformed("ends early"))?;
        if xxh3_64(body) != u64::from_le_bytes(*sum) {
            return Err(Malformed("its checksum is wrong"));
        }
        Self::parse(body)
    }

    /// [`Reader::new`] past the checksum.
    fn parse(body: &'a [u8]) -> Read<Self> {
        let mut bytes = Take(body);
        if bytes.u8()? != FORM {
            return Err(Malformed("unknown form of frame"));
        }
        let ticks = bytes.varint()? as usize;
        if ticks > MAX_TICKS {
            return Err(Malformed("too many ticks"));
        }
        let times = take_chunk(&mut bytes, |cursor| take_numbers(cursor, ticks))?;
        let len = bytes.len()?;
        let directory = bytes.len()?;
        let directory = Take(bytes.slice(directory)?);
        Ok(Self {
            times,
            len,
            directory,
            chunks: bytes.0,
        })
    }

    /// Every series in it: its number and its chunk.
    fn chunks(&self) -> impl Iterator<Item = Read<(u32, &'a [u8])>> {
        let (mut directory, mut chunks) = (self.directory, Take(self.chunks));
        let mut series = 0u32;
        (0..self.len).map(move |_| {
            series = series.wrapping_add(directory.u32()?);
            let len = directory.varint()? as usize;
            Ok((series, chunks.slice(len)?))
        })
    }

    /// The values of one series: time and value of each tick that has one.
    pub(crate) fn track<const N: usize>(&self, series: u32) -> Read<Values<N>> {
        for chunk in self.chunks() {
            let (number, chunk) = chunk?;
            if number == series {
                return self.values(chunk);
            }
        }
        Ok(Vec::new())
    }

    /// The values of all series.
    pub(crate) fn tracks<const N: usize>(&self) -> impl Iterator<Item = Read<(u32, Values<N>)>> {
        self.chunks().map(|chunk| {
            let (series, chunk) = chunk?;
            Ok((series, self.values(chunk)?))
        })
    }

    fn values<const N: usize>(&self, chunk: &[u8]) -> Read<Values<N>> {
        let mut bytes = Take(chunk);
        let some = bytes.varint()? as usize;
        if some > self.times.len() {
            return Err(Malformed("more values than ticks"));
        }
        let times: Vec<i64> = if some == 0 {
            self.times.clone()
        } else {
            let ticks = take_chunk(&mut bytes, |cursor| take_numbers(cursor, some))?;
            let time = |tick: &i64| usize::try_from(*tick).ok().and_then(|t| self.times.get(t));
            ticks
                .iter()
                .map(|tick| time(tick).copied().ok_or(Malformed("no such tick")))
                .collect::<Read<_>>()?
        };
        let mut values: Vec<(i64, [f64; N])> =
            times.into_iter().map(|time| (time, [0.0; N])).collect();
        for i in 0..N {
            let column = take_values(&mut bytes, values.len())?;
            for ((_, value), number) in values.iter_mut().zip(column) {
                value[i] = number;
            }
        }
        bytes.end()?;
        Ok(values)
    }
}

fn put_values(out: &mut Vec<u8>, values: &[f64]) {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let whole = values
        .iter()
        .all(|value| value.fract().abs() < f64::MIN_POSITIVE && value.abs() <= EXACT);
    let numbers: Vec<i64> = if whole {
        out.put_u8(WHOLE);
        values.iter().map(|value| *value as i64).collect()
    } else {
        out.put_u8(ROUNDED);
        values.iter().map(|value| rounded(*value)).collect()
    };
    put_chunk(out, |streams| put_numbers(streams, &numbers));
}

fn take_values(bytes: &mut Take<'_>, count: usize) -> Read<Vec<f64>> {
    let form = bytes.u8()?;
    let numbers = take_chunk(bytes, |cursor| take_numbers(cursor, count))?;
    match form {
        WHOLE => Ok(numbers.into_iter().map(|number| number as f64).collect()),
        ROUNDED => {
            let value = |number: i64| f64::from_bits((number as u64) << DROPPED);
            Ok(numbers.into_iter().map(value).collect())
        }
        _ => Err(Malformed("unknown form of values")),
    }
}

/// The leading bits of a value, rounded to nearest. Infinities and NaN stay what they are.
fn rounded(value: f64) -> i64 {
    if !value.is_finite() {
        return (value.to_bits() >> DROPPED) as i64;
    }
    let half = 1u64 << (DROPPED - 1);
    let up = f64::from_bits((value.to_bits().saturating_add(half)) >> DROPPED << DROPPED);
    // The greatest finite values would round to infinity.
    let bits = if up.is_finite() {
        up.to_bits()
    } else {
        value.to_bits()
    };
    (bits >> DROPPED) as i64
}

/// Appends a column that is read alone.
fn put_chunk(out: &mut Vec<u8>, put: impl FnOnce(&mut Streams)) {
    let mut streams = Streams::default();
    put(&mut streams);
    for stream in [&streams.meta, &streams.codes, &streams.packed] {
        out.put_varint(stream.len() as u64);
        out.put_slice(stream);
    }
}

fn take_chunk<'a, T>(
    bytes: &mut Take<'a>,
    take: impl FnOnce(&mut Cursor<'a>) -> Read<T>,
) -> Read<T> {
    let mut stream = || {
        let len = bytes.len()?;
        bytes.slice(len).map(Take)
    };
    let (meta, codes, packed) = (stream()?, stream()?, stream()?);
    take(&mut Cursor {
        meta,
        codes,
        text: Take(&[]),
        packed,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![
            (-1000i64..1000).prop_map(|n| n as f64),
            0.0..1.0,
            any::<f64>(),
            Just(f64::MAX),
            Just(f64::MIN_POSITIVE),
        ]
    }

    /// Stored is what was given, to within what is promised.
    fn near(given: f64, stored: f64) -> bool {
        given.to_bits() == stored.to_bits()
            || (given.is_nan() && stored.is_nan())
            || (given - stored).abs() <= given.abs() * 2f64.powi(-17)
            || given.abs() < f64::MIN_POSITIVE && stored.abs() <= f64::MIN_POSITIVE
    }

    proptest! {
        #[test]
        fn values_come_back(
            steps in prop::collection::vec(1i64..3, 1..80),
            values in prop::collection::vec((0u32..5, 0usize..80, value()), 0..300),
        ) {
            let mut frame = Frame::<1>::default();
            let mut time = 1_800_000_000;
            let mut given: BTreeMap<(u32, i64), f64> = BTreeMap::new();
            for (i, step) in steps.iter().enumerate() {
                time += step;
                for (series, _, value) in values.iter().filter(|(_, tick, _)| *tick == i) {
                    frame.add(time, *series, [*value]);
                    given.entry((*series, time)).or_insert(*value);
                }
            }
            let bytes = frame.to_bytes();
            let reader = Reader::new(&bytes).expect("a frame");
            let mut count = 0;
            for series in 0..5 {
                for (time, [value]) in reader.track::<1>(series).expect("a track") {
                    let wanted = given[&(series, time)];
                    prop_assert!(near(wanted, value), "{} became {}", wanted, value);
                    count += 1;
                }
            }
            prop_assert_eq!(count, given.len());
            prop_assert_eq!(reader.tracks::<1>().count(), frame.tracks.len());
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let mut body = vec![FORM];
            body.extend(bytes);
            if let Ok(reader) = Reader::parse(&body) {
                for track in reader.tracks::<3>().take(1000) {
                    let _ = track;
                }
            }
        }
    }

    #[test]
    fn whole_numbers_are_exact() {
        let mut frame = Frame::<1>::default();
        let values = [0.0, -1.0, 9_007_199_254_740_991.0, 123_456_789_012.0];
        for (i, value) in values.iter().enumerate() {
            frame.add(i as i64, 7, [*value]);
        }
        let bytes = frame.to_bytes();
        let read = Reader::new(&bytes)
            .and_then(|r| r.track::<1>(7))
            .expect("a track");
        assert_eq!(
            read.iter().map(|(_, [value])| *value).collect::<Vec<_>>(),
            values
        );
    }
}
