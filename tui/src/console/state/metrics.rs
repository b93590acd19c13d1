//! The series that the agent stores, and the one that is looked at.

use hark_api::{Band, Incident, SeriesData, SeriesEntry, SeriesKey, SeriesPoint, Timestamp};

use super::ask::Ask;
use crate::clean::{self, Clean};

const SECOND: i64 = 1_000_000_000;
/// Lengths of time that can be looked at, in seconds.
const SPANS: [i64; 9] = [
    60,
    300,
    900,
    3_600,
    3 * 3_600,
    12 * 3_600,
    86_400,
    7 * 86_400,
    30 * 86_400,
];
/// The one looked at first.
const FIRST_SPAN: usize = 2;
/// How often the list of series is asked for again.
const LIST_EVERY: i64 = 30 * SECOND;
/// How often a live curve is asked for again: each second where each second is a point, else more
/// rarely.
const FINE_EVERY: i64 = SECOND;
const COARSE_EVERY: i64 = 15 * SECOND;
/// How long an answer is waited for before it is asked for again.
const PATIENCE: i64 = 5 * SECOND;

/// A series as it is listed.
struct Entry {
    key: SeriesKey,
    shown: String,
}

/// What tells most of how a host does.
const VITAL: [&str; 2] = ["node_load1", "node_memory_MemAvailable_bytes"];

/// Series that are kept beside the selected one at most.
const MAX_PINNED: usize = 3;

/// The points of a series that is looked at.
pub(crate) struct Loaded {
    key: SeriesKey,
    pub(crate) step: u32,
    pub(crate) points: Vec<SeriesPoint>,
    /// Where the points are expected to lie, as far as that is known.
    pub(crate) band: Option<Band>,
    /// The periods in seconds that were learned.
    pub(crate) periods: Vec<f64>,
    /// The time that the points are of.
    from: Timestamp,
    to: Timestamp,
}

pub(crate) struct Metrics {
    entries: Vec<Entry>,
    listed: Option<Timestamp>,
    search: String,
    selected: Option<SeriesKey>,
    /// Series that stay on the screen beside the selected one, in the order of their coming.
    pinned: Vec<SeriesKey>,
    top: super::Top,
    span: usize,
    /// Whether the rhythms of curves are shown instead of themselves.
    pub(crate) is_spectrum: bool,
    loaded: Vec<Loaded>,
    /// Why the last question was not answered.
    pub(crate) refused: Option<Clean<String>>,
    asked: Option<(Ask, Timestamp)>,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        Self {
            entries: Vec::new(),
            listed: None,
            search: String::new(),
            selected: None,
            pinned: Vec::new(),
            top: super::Top::default(),
            span: FIRST_SPAN,
            is_spectrum: false,
            loaded: Vec::new(),
            refused: None,
            asked: None,
        }
    }

    /// The text that is searched for in names.
    pub(crate) fn search(&self) -> &str {
        &self.search
    }

    /// Lists only series that have all these words in their names.
    pub(crate) fn set_search(&mut self, text: &str) {
        text.clone_into(&mut self.search);
    }

    fn found(&self) -> impl Iterator<Item = &Entry> {
        let words: Vec<String> = self
            .search
            .split_whitespace()
            .map(str::to_lowercase)
            .collect();
        self.entries.iter().filter(move |entry| {
            let name = entry.shown.to_lowercase();
            words.iter().all(|word| name.contains(word))
        })
    }

    /// How many series there are, and the names of those that are listed.
    pub(crate) fn names(&self) -> (usize, Vec<&str>) {
        let found = self.found().map(|entry| entry.shown.as_str());
        (self.entries.len(), found.collect())
    }

    /// The selected row of the list.
    pub(crate) fn selected_row(&self) -> usize {
        self.found()
            .position(|entry| Some(&entry.key) == self.selected.as_ref())
            .unwrap_or(0)
    }

    /// The selected series, safe to show.
    pub(crate) fn selected(&self) -> Option<(&SeriesKey, &str)> {
        let entry = self.found().nth(self.selected_row())?;
        Some((&entry.key, &entry.shown))
    }

    /// The series whose curves are shown, safe to show: the pinned ones, then the selected one.
    pub(crate) fn shown(&self) -> Vec<(&SeriesKey, &str)> {
        let entry = |key: &SeriesKey| self.entries.iter().find(|entry| entry.key == *key);
        let pinned = self.pinned.iter().filter_map(entry);
        let pinned = pinned.map(|entry| (&entry.key, entry.shown.as_str()));
        let selected = self.selected().filter(|(key, _)| !self.is_pinned(key));
        pinned.chain(selected).collect()
    }

    /// The series that tell of an incident: its own, then the memory of the control groups that
    /// may be behind it; where there are none, how the host did meanwhile.
    pub(crate) fn related(&self, incident: &Incident) -> Vec<SeriesKey> {
        let groups = incident.suspects.iter().filter(|s| s.kind == "cgroup");
        let memory = groups.filter_map(|group| {
            let key = format!("hark_cgroup_memory_bytes{{cgroup=\"{}\"}}", group.name);
            let entry = self.entries.iter().find(|e| e.key.as_str() == key)?;
            Some(entry.key.clone())
        });
        let mut keys = incident.series.clone();
        keys.extend(memory);
        if keys.is_empty() {
            let is_vital = |e: &&Entry| VITAL.contains(&e.key.as_str());
            keys.extend(self.entries.iter().filter(is_vital).map(|e| e.key.clone()));
        }
        let mut seen = std::collections::HashSet::new();
        keys.retain(|key| seen.insert(key.clone()));
        keys.truncate(MAX_PINNED + 1);
        keys
    }

    /// Shows these series together, as far as they are stored; false where none is.
    pub(crate) fn show(&mut self, keys: &[SeriesKey]) -> bool {
        let is_stored = |key: &&SeriesKey| self.entries.iter().any(|entry| entry.key == **key);
        let mut stored = keys.iter().filter(is_stored).cloned();
        let Some(first) = stored.next() else {
            return false;
        };
        self.pinned = stored.take(MAX_PINNED).collect();
        self.selected = Some(first);
        self.search.clear();
        self.is_spectrum = false;
        true
    }

    /// Whether a series stays on the screen.
    pub(crate) fn is_pinned(&self, key: &SeriesKey) -> bool {
        self.pinned.contains(key)
    }

    /// Keeps the selected series on the screen, or no more; false where there are too many.
    pub(crate) fn toggle_pin(&mut self) -> bool {
        let Some(key) = self.selected().map(|(key, _)| key.clone()) else {
            return true;
        };
        if let Some(at) = self.pinned.iter().position(|pinned| *pinned == key) {
            self.pinned.remove(at);
        } else if self.pinned.len() < MAX_PINNED {
            self.pinned.push(key);
        } else {
            return false;
        }
        true
    }

    /// The points of a series, as far as they have come.
    pub(crate) fn loaded(&self, key: &SeriesKey) -> Option<&Loaded> {
        self.loaded.iter().find(|loaded| loaded.key == *key)
    }

    /// Moves the selection by rows.
    pub(crate) fn move_by(&mut self, rows: isize) {
        let keys: Vec<_> = self.found().map(|entry| entry.key.clone()).collect();
        let Some(last) = keys.len().checked_sub(1) else {
            return;
        };
        let row = self.selected_row().saturating_add_signed(rows).min(last);
        self.selected = Some(keys[row].clone());
    }

    /// The first row of the list to draw.
    pub(crate) fn top(&self, height: usize, len: usize) -> usize {
        self.top.follow(self.selected_row(), height, len)
    }

    /// The time looked at, up to a moment.
    pub(crate) fn window(&self, to: Timestamp) -> (Timestamp, Timestamp) {
        (to.plus_nanos(-self.span_secs() * SECOND), to)
    }

    /// How long the time looked at is, in seconds.
    pub(crate) fn span_secs(&self) -> i64 {
        SPANS[self.span]
    }

    /// Looks at less time, or at more.
    pub(crate) fn zoom(&mut self, longer: bool) {
        self.span = if longer {
            (self.span + 1).min(SPANS.len() - 1)
        } else {
            self.span.saturating_sub(1)
        };
    }

    /// Looks at the least time that is as long as this one.
    pub(crate) fn zoom_to(&mut self, (from, to): (Timestamp, Timestamp)) {
        let secs = (to.as_nanos() - from.as_nanos()) / SECOND;
        let fits = SPANS.iter().position(|span| *span >= secs);
        self.span = fits.unwrap_or(SPANS.len() - 1);
    }

    /// What is to be asked now: the list, and where the curve is shown, what that needs up to `to`.
    pub(crate) fn ask(&mut self, now: Timestamp, to: Timestamp, is_shown: bool) -> Option<Ask> {
        let ask = self.wanted(now, to, is_shown)?;
        let since = |then: Timestamp| now.as_nanos() - then.as_nanos();
        if let Some((asked, when)) = &self.asked {
            let alike = match (asked, &ask) {
                (Ask::List, Ask::List) => true,
                (Ask::Data { key: a, .. }, Ask::Data { key: b, .. }) => a == b && to == now,
                _ => *asked == ask,
            };
            if alike && since(*when) < PATIENCE {
                return None;
            }
        }
        self.asked = Some((ask.clone(), now));
        Some(ask)
    }

    fn wanted(&self, now: Timestamp, to: Timestamp, is_shown: bool) -> Option<Ask> {
        let since = |then: Timestamp| now.as_nanos() - then.as_nanos();
        if self.listed.is_none_or(|when| since(when) > LIST_EVERY) {
            return Some(Ask::List);
        }
        if !is_shown {
            return None;
        }
        let mut shown = self.shown().into_iter();
        shown.find_map(|(key, _)| self.wanted_of(key, to))
    }

    fn wanted_of(&self, key: &SeriesKey, to: Timestamp) -> Option<Ask> {
        let (from, to) = self.window(to);
        let data = |from| {
            Some(Ask::Data {
                key: key.clone(),
                from,
                to,
            })
        };
        let Some(loaded) = self.loaded(key) else {
            return data(from);
        };
        let has_begin = loaded.from <= from.plus_nanos(SECOND);
        let is_fine = loaded.step == 1 && self.span_secs() <= 3_600;
        let missing = to.as_nanos() - loaded.to.as_nanos();
        if !has_begin || (loaded.step > 1 && self.span_secs() <= 3_600) {
            data(from)
        } else if is_fine && missing >= FINE_EVERY {
            data(loaded.to)
        } else if !is_fine && missing >= COARSE_EVERY.max(i64::from(loaded.step) * SECOND) {
            data(from)
        } else {
            None
        }
    }

    /// Takes in which series there are.
    pub(crate) fn list(&mut self, entries: Vec<SeriesEntry>, now: Timestamp) {
        self.listed = Some(now);
        self.asked = None;
        self.entries = entries
            .into_iter()
            .map(|entry| Entry {
                shown: clean::text(entry.key.as_str()).into_owned(),
                key: entry.key,
            })
            .collect();
        if self.selected.is_none() {
            // What one looks at first where nothing was chosen.
            let first = self.entries.iter().find(|e| e.key.as_str() == "node_load1");
            self.selected = first.or(self.entries.first()).map(|e| e.key.clone());
        }
    }

    /// Takes in points of a time.
    pub(crate) fn data(&mut self, data: SeriesData, from: Timestamp, to: Timestamp) {
        self.asked = None;
        self.refused = None;
        // What is not shown any more is let go.
        let shown = self.shown().into_iter();
        let shown: Vec<SeriesKey> = shown.map(|(key, _)| key.clone()).collect();
        self.loaded
            .retain(|loaded| loaded.key == data.key || shown.contains(&loaded.key));
        let known = self.loaded.iter_mut().find(|loaded| loaded.key == data.key);
        match known {
            Some(loaded) if loaded.step == data.step && loaded.to == from => {
                let last = loaded.points.last().map(|point| point.time);
                let new = data.points.into_iter().filter(|p| Some(p.time) > last);
                loaded.points.extend(new);
                loaded.band = data.band;
                loaded.periods = data.periods;
                loaded.to = to;
                // What left the longest fine time is let go.
                let oldest = to.plus_nanos(-2 * SPANS[3] * SECOND);
                if loaded.from < oldest {
                    loaded.points.retain(|point| point.time >= oldest);
                    loaded.from = oldest;
                }
            }
            known => {
                let new = Loaded {
                    key: data.key,
                    step: data.step,
                    points: data.points,
                    band: data.band,
                    periods: data.periods,
                    from,
                    to,
                };
                match known {
                    Some(loaded) => *loaded = new,
                    None => self.loaded.push(new),
                }
            }
        }
    }

    /// Takes in that a question was not answered; it is asked again after a while.
    pub(crate) fn refused(&mut self, why: String) {
        self.refused = Some(Clean::new(why));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    fn at(secs: i64) -> Timestamp {
        NOON.plus_nanos(secs * SECOND)
    }

    fn points(from: i64, to: i64) -> Vec<SeriesPoint> {
        let point = |s| SeriesPoint {
            time: at(s),
            mean: 1.0,
            min: 1.0,
            max: 1.0,
        };
        (from..to).map(point).collect()
    }

    fn data(from: i64, to: i64) -> SeriesData {
        SeriesData {
            key: "a".into(),
            step: 1,
            points: points(from, to),
            band: None,
            periods: Vec::new(),
        }
    }

    #[test]
    fn it_asks_for_the_list_then_the_curve_then_only_for_what_is_new() {
        let mut metrics = Metrics::new();
        assert_eq!(metrics.ask(at(0), at(0), true), Some(Ask::List));
        assert_eq!(
            metrics.ask(at(1), at(1), true),
            None,
            "the answer is waited for"
        );
        metrics.list(sample::series(&["a", "b"]), at(1));
        assert_eq!(metrics.ask(at(1), at(1), false), None, "no curve is shown");
        let Some(Ask::Data { key, from, to }) = metrics.ask(at(1), at(1), true) else {
            panic!("no curve is asked for");
        };
        assert_eq!((key.as_str(), from, to), ("a", at(-899), at(1)));
        metrics.data(data(-899, 1), from, to);
        assert_eq!(metrics.ask(at(1), at(1), true), None);
        let Some(Ask::Data { from, to, .. }) = metrics.ask(at(3), at(3), true) else {
            panic!("what is new is not asked for");
        };
        assert_eq!((from, to), (at(1), at(3)));
        metrics.data(data(1, 3), from, to);
        let loaded = metrics.loaded(&"a".into()).expect("points");
        assert_eq!(loaded.points.len(), 902);
        // Another series has its own points.
        metrics.move_by(1);
        assert!(
            matches!(metrics.ask(at(3), at(3), true), Some(Ask::Data { key, .. }) if key.as_str() == "b")
        );
    }

    #[test]
    fn pinned_series_are_shown_and_asked_for_beside_the_selected_one() {
        let mut metrics = Metrics::new();
        metrics.list(sample::series(&["a", "b", "c", "d", "e"]), at(0));
        for _ in 0..3 {
            assert!(metrics.toggle_pin());
            metrics.move_by(1);
        }
        assert!(!metrics.toggle_pin(), "there are enough");
        let names = |metrics: &Metrics| -> Vec<String> {
            let shown = metrics.shown().into_iter();
            shown.map(|(_, name)| name.to_owned()).collect()
        };
        assert_eq!(names(&metrics), ["a", "b", "c", "d"]);
        let mut asked = Vec::new();
        while let Some(Ask::Data { key, from, to }) = metrics.ask(at(1), at(1), true) {
            asked.push(key.as_str().to_owned());
            let answer = SeriesData {
                key,
                ..data(-899, 1)
            };
            metrics.data(answer, from, to);
        }
        assert_eq!(asked, ["a", "b", "c", "d"]);
        metrics.move_by(-1);
        assert!(metrics.toggle_pin(), "one less");
        assert_eq!(names(&metrics), ["a", "b", "c"]);
    }

    #[test]
    fn the_window_ends_at_the_moment_and_is_zoomed() {
        let mut metrics = Metrics::new();
        assert_eq!(metrics.window(at(-450)), (at(-1_350), at(-450)));
        metrics.zoom(false);
        assert_eq!(metrics.window(at(-450)), (at(-750), at(-450)));
    }

    #[test]
    fn names_are_found_by_all_their_words() {
        let mut metrics = Metrics::new();
        metrics.list(
            sample::series(&["node_disk_read", "node_disk_write"]),
            at(0),
        );
        metrics.set_search("DISK wri");
        assert_eq!(metrics.names(), (2, vec!["node_disk_write"]));
    }
}
