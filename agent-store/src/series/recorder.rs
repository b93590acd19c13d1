//! Takes samples, gathers them into frames, makes the coarser steps of them.

use std::collections::HashMap;
use std::time::Duration;

use hark_api::{SeriesKey, Timestamp};

use crate::Error;
use crate::files::DbFile;
use crate::series::frame::{Frame, MAX_TICKS, Reader};
use crate::series::table::{self, Named, Written, longest};
use crate::series::{Point, SeriesInfo, Step};

/// Frames that wait to be written, at most: about an hour's worth.
const MAX_UNWRITTEN: usize = 90;

/// The coarser steps.
const COARSE: [Step; 2] = [Step::TenSeconds, Step::Minute];

/// What of the series is in memory: the names of all, and the samples not yet written.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    names: HashMap<SeriesKey, Named>,
    next_number: u32,
    samples: Frame<1>,
    coarse: [Coarse; 2],
    /// Names that are new or have grown since they were written.
    dirty: bool,
    /// Frames that are due to be written.
    unwritten: Vec<Written>,
    /// Samples that were not kept: of series beyond the bound, and in frames beyond
    /// [`MAX_UNWRITTEN`].
    lost: u64,
}

/// A coarser step in the making.
#[derive(Debug, Default)]
struct Coarse {
    /// Points that are whole.
    points: Frame<3>,
    /// When the point in the making begins.
    begins: Option<i64>,
    making: HashMap<u32, Making>,
}

/// A point in the making.
#[derive(Clone, Copy, Debug)]
struct Making {
    sum: f64,
    count: f64,
    min: f64,
    max: f64,
}

impl Coarse {
    /// Adds a sample; what it returns is due to be written.
    fn add(&mut self, step: Step, time: i64, series: u32, value: f64) -> Option<Written> {
        let begins = time - time.rem_euclid(step.secs());
        let mut due = None;
        if self.begins != Some(begins) {
            due = self.end_point(step);
            self.begins = Some(begins);
        }
        let new = Making {
            sum: 0.0,
            count: 0.0,
            min: value,
            max: value,
        };
        let making = self.making.entry(series).or_insert(new);
        making.sum += value;
        making.count += 1.0;
        making.min = making.min.min(value);
        making.max = making.max.max(value);
        due
    }

    fn end_point(&mut self, step: Step) -> Option<Written> {
        let begins = self.begins.take()?;
        let due = if goes_on(&self.points, step, begins) {
            None
        } else {
            self.end_frame(step)
        };
        for (series, making) in self.making.drain() {
            let mean = making.sum / making.count;
            self.points
                .add(begins, series, [mean, making.min, making.max]);
        }
        due
    }

    fn end_frame(&mut self, step: Step) -> Option<Written> {
        let frame = std::mem::take(&mut self.points);
        let first = *frame.times.first()?;
        Some((step, first, frame.to_bytes()))
    }
}

fn seconds(time: Timestamp) -> i64 {
    time.as_nanos().div_euclid(1_000_000_000)
}

fn timestamp(secs: i64) -> Timestamp {
    Timestamp::from_nanos(secs.saturating_mul(1_000_000_000))
}

/// Whether a frame can take a value of this time, too: the clock stepped neither back nor far.
fn goes_on<const N: usize>(frame: &Frame<N>, step: Step, time: i64) -> bool {
    match (frame.times.first(), frame.times.last()) {
        (Some(first), Some(last)) => {
            time >= *last && time - first < longest(step) && frame.times.len() < MAX_TICKS
        }
        _ => true,
    }
}

impl Recorder {
    /// Takes up the names, and the last samples, of which coarser points are still to be made.
    pub(crate) fn open(file: &DbFile) -> Result<Self, Error> {
        let mut recorder = Self::default();
        let mut last = i64::MIN;
        for name in table::names(file)? {
            recorder.next_number = recorder.next_number.max(name.number.saturating_add(1));
            last = last.max(name.last);
            recorder
                .names
                .insert(SeriesKey::from(name.key.as_str()), name);
        }
        if last > i64::MIN {
            recorder.catch_up(file, last)?;
        }
        Ok(recorder)
    }

    /// Makes the coarser points that were in the making, or not yet written, when the store was
    /// last closed, from the samples that were written.
    fn catch_up(&mut self, file: &DbFile, last: i64) -> Result<(), Error> {
        for (coarse, step) in self.coarse.iter_mut().zip(COARSE) {
            let from = last.saturating_sub(longest(step) + step.secs());
            let mut made = i64::MIN;
            table::frames(file, step, from, last + 1, |bytes| {
                let end = Reader::new(bytes)
                    .ok()
                    .and_then(|r| r.times.last().copied());
                made = made.max(end.map_or(i64::MIN, |end| end + step.secs()));
            })?;
            let from = made.max(from);
            let mut samples: Vec<(i64, u32, f64)> = Vec::new();
            table::frames(file, Step::Second, from, last + 1, |bytes| {
                let Ok(reader) = Reader::new(bytes) else {
                    return;
                };
                for track in reader.tracks::<1>().flatten() {
                    let of = track.1.iter().filter(|(time, _)| *time >= from);
                    samples.extend(of.map(|(time, [value])| (*time, track.0, *value)));
                }
            })?;
            samples.sort_by_key(|(time, series, _)| (*time, *series));
            for (time, series, value) in samples {
                self.unwritten.extend(coarse.add(step, time, series, value));
            }
        }
        Ok(())
    }

    /// Takes one sample of each series.
    pub(crate) fn add(
        &mut self,
        time: Timestamp,
        samples: &[(SeriesKey, f64)],
        max_series: usize,
        flush: Duration,
    ) {
        let secs = seconds(time);
        if !goes_on(&self.samples, Step::Second, secs) {
            self.end_frame();
        }
        for (key, value) in samples {
            let Some(number) = self.number(key, secs, max_series) else {
                self.lost += 1;
                continue;
            };
            self.samples.add(secs, number, [*value]);
            for (coarse, step) in self.coarse.iter_mut().zip(COARSE) {
                self.unwritten
                    .extend(coarse.add(step, secs, number, *value));
            }
        }
        self.dirty = true;
        let full = |times: &[i64]| match (times.first(), times.last()) {
            (Some(first), Some(last)) => last - first >= flush.as_secs() as i64,
            _ => false,
        };
        if full(&self.samples.times) {
            self.end_frame();
        }
        for (coarse, step) in self.coarse.iter_mut().zip(COARSE) {
            if coarse.points.times.len() as i64 >= longest(step) / step.secs() / 2 {
                self.unwritten.extend(coarse.end_frame(step));
            }
        }
    }

    /// The number of a series, which has a sample at this second; `None` beyond the bound.
    fn number(&mut self, key: &SeriesKey, secs: i64, max_series: usize) -> Option<u32> {
        if let Some(name) = self.names.get_mut(key) {
            name.last = name.last.max(secs);
            return Some(name.number);
        }
        if self.names.len() >= max_series {
            return None;
        }
        let number = self.next_number;
        self.next_number += 1;
        let name = Named {
            number,
            key: key.as_str().to_owned(),
            first: secs,
            last: secs,
        };
        self.names.insert(key.clone(), name);
        Some(number)
    }

    /// Makes the samples that are not yet written due to be.
    pub(crate) fn end_frame(&mut self) {
        let frame = std::mem::take(&mut self.samples);
        if let Some(first) = frame.times.first() {
            self.unwritten
                .push((Step::Second, *first, frame.to_bytes()));
        }
    }

    /// Writes what is due. What cannot be written is kept, within a bound, for the next time.
    pub(crate) fn write(&mut self, file: &DbFile) -> Result<(), Error> {
        if self.unwritten.is_empty() {
            return Ok(());
        }
        let names: Vec<Named> = if self.dirty {
            self.names.values().cloned().collect()
        } else {
            Vec::new()
        };
        let written = table::write(file, &self.unwritten, &names);
        if written.is_ok() {
            self.unwritten.clear();
            self.dirty = false;
        } else if let Some(excess) = self.unwritten.len().checked_sub(MAX_UNWRITTEN) {
            for (_, first, bytes) in self.unwritten.drain(..excess) {
                let lost = Reader::new(&bytes).map_or(0, |r| {
                    r.tracks::<1>().flatten().map(|track| track.1.len()).sum()
                });
                self.lost += lost as u64;
                tracing::error!(first, lost, "samples are lost: they could not be written");
            }
        }
        written
    }

    /// Samples that were not kept since the store was opened.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// Forgets series that have ended.
    pub(crate) fn forget(&mut self, numbers: &[u32]) {
        self.names.retain(|_, name| !numbers.contains(&name.number));
    }

    pub(crate) fn list(&self) -> Vec<SeriesInfo> {
        let mut list: Vec<_> = self
            .names
            .iter()
            .map(|(key, name)| SeriesInfo {
                key: key.clone(),
                first: timestamp(name.first),
                last: timestamp(name.last),
            })
            .collect();
        list.sort_by(|a, b| a.key.cmp(&b.key));
        list
    }

    /// The number of a series and its points that are not yet written.
    pub(crate) fn pending(&self, key: &SeriesKey, step: Step) -> Option<(u32, Vec<Point>)> {
        let number = self.names.get(key)?.number;
        let mut points = Vec::new();
        for (_, _, bytes) in self.unwritten.iter().filter(|(of, _, _)| *of == step) {
            read_points(bytes, number, step, &mut points);
        }
        points.extend(match step {
            Step::Second => points_of(&self.samples, number),
            Step::TenSeconds => points_of(&self.coarse[0].points, number),
            Step::Minute => points_of(&self.coarse[1].points, number),
        });
        Some((number, points))
    }
}

fn points_of<const N: usize>(frame: &Frame<N>, series: u32) -> Vec<Point> {
    let Some(track) = frame.tracks.get(&series) else {
        return Vec::new();
    };
    let mut points = Vec::with_capacity(track.ticks.len());
    for (i, tick) in track.ticks.iter().enumerate() {
        let value = |n: usize| track.values[n.min(N - 1)][i];
        points.push(point(
            frame.times[*tick as usize],
            value(0),
            value(1),
            value(2),
        ));
    }
    points
}

fn point(secs: i64, mean: f64, min: f64, max: f64) -> Point {
    Point {
        time: timestamp(secs),
        mean,
        min,
        max,
    }
}

/// The points of a series that are written, from `from` to before `to`, in no order.
pub(crate) fn stored(
    file: &DbFile,
    series: u32,
    step: Step,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<Point>, Error> {
    let mut points = Vec::new();
    let (first, end) = (seconds(from), seconds(to).saturating_add(1));
    table::frames(file, step, first, end, |bytes| {
        read_points(bytes, series, step, &mut points);
    })?;
    Ok(points)
}

/// Appends the points of a series in a frame. A damaged frame is a gap.
fn read_points(bytes: &[u8], series: u32, step: Step, out: &mut Vec<Point>) {
    let Ok(reader) = Reader::new(bytes) else {
        return;
    };
    match step {
        Step::Second => {
            let track = reader.track::<1>(series).unwrap_or_default();
            out.extend(
                track
                    .iter()
                    .map(|(time, [value])| point(*time, *value, *value, *value)),
            );
        }
        Step::TenSeconds | Step::Minute => {
            let track = reader.track::<3>(series).unwrap_or_default();
            out.extend(
                track
                    .iter()
                    .map(|(time, [mean, min, max])| point(*time, *mean, *min, *max)),
            );
        }
    }
}
