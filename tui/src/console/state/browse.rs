//! A list of events that one moves through: filtered, followed or held.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use hark_api::{EventId, Filter, FilterError};

use super::log::{EventLog, Head};

/// Rows that are seen before an event that was gone to.
const LEAD_ROWS: usize = 8;

/// Which of the kept events are in the list.
enum Rows {
    /// All.
    All,
    /// Those that pass the filter, oldest first; what is older than `searched` is still to search.
    Passing {
        numbers: VecDeque<u64>,
        searched: u64,
    },
}

/// A list of the kept events.
pub(crate) struct Browse {
    text: String,
    filter: Filter,
    rows: Rows,
    /// The number of the selected event; `None` follows the newest.
    held: Option<u64>,
    /// The newest event when the list was held, to count what came since.
    held_end: u64,
    /// The row at the top of the screen when last drawn, as an index into the list.
    top: super::Top,
}

impl Browse {
    pub(crate) fn new() -> Self {
        Self {
            text: String::new(),
            filter: Filter::default(),
            rows: Rows::All,
            held: None,
            held_end: 0,
            top: super::Top::default(),
        }
    }

    /// The filter's text.
    pub(crate) fn filter_text(&self) -> &str {
        &self.text
    }

    /// Shows only what passes the filter; the search through what is kept begins with the newest.
    pub(crate) fn set_filter(&mut self, text: &str, log: &EventLog) -> Result<(), FilterError> {
        self.filter = Filter::parse(text)?;
        text.trim().clone_into(&mut self.text);
        self.rows = if self.text.is_empty() {
            Rows::All
        } else {
            Rows::Passing {
                numbers: VecDeque::new(),
                searched: log.end(),
            }
        };
        self.search(log, Duration::from_millis(4));
        Ok(())
    }

    /// Takes note that an event was added to the log, with this number.
    pub(crate) fn added(&mut self, number: u64, event: &hark_api::Event) {
        if let Rows::Passing { numbers, .. } = &mut self.rows
            && self.filter.matches(event)
        {
            numbers.push_back(number);
        }
    }

    /// Takes note that the log let old events go.
    pub(crate) fn trimmed(&mut self, log: &EventLog) {
        if let Rows::Passing { numbers, .. } = &mut self.rows {
            while numbers.front().is_some_and(|n| *n < log.start()) {
                numbers.pop_front();
            }
        }
        if let Some(held) = &mut self.held {
            *held = (*held).max(log.start());
        }
    }

    /// Searches on through older events, for a time; true while there is more to search.
    pub(crate) fn search(&mut self, log: &EventLog, time: Duration) -> bool {
        let Rows::Passing { numbers, searched } = &mut self.rows else {
            return false;
        };
        let until = Instant::now() + time;
        while let Some((found, next)) = log.search_back(*searched, &self.filter) {
            for number in found {
                numbers.push_front(number);
            }
            *searched = next;
            if Instant::now() >= until {
                return true;
            }
        }
        false
    }

    /// Whether older events are still being searched.
    pub(crate) fn is_searching(&self, log: &EventLog) -> bool {
        matches!(&self.rows, Rows::Passing { searched, .. } if *searched > log.start())
    }

    /// How many rows the list has.
    pub(crate) fn len(&self, log: &EventLog) -> usize {
        match &self.rows {
            Rows::All => log.len(),
            Rows::Passing { numbers, .. } => numbers.len(),
        }
    }

    /// The number of the event on a row.
    pub(crate) fn number(&self, row: usize, log: &EventLog) -> Option<u64> {
        match &self.rows {
            Rows::All => (row < log.len()).then(|| log.start() + row as u64),
            Rows::Passing { numbers, .. } => numbers.get(row).copied(),
        }
    }

    /// The heads of the events in the list, newest first.
    pub(crate) fn heads_newest_first<'a>(
        &'a self,
        log: &'a EventLog,
    ) -> impl Iterator<Item = Head> + 'a {
        let rows = (0..self.len(log)).rev();
        rows.filter_map(|row| log.head(self.number(row, log)?))
    }

    /// The selected row: the newest while following.
    pub(crate) fn selected_row(&self, log: &EventLog) -> Option<usize> {
        let last = self.len(log).checked_sub(1)?;
        let Some(held) = self.held else {
            return Some(last);
        };
        Some(match &self.rows {
            Rows::All => (held.saturating_sub(log.start()) as usize).min(last),
            Rows::Passing { numbers, .. } => numbers.partition_point(|n| *n < held).min(last),
        })
    }

    /// The number of the selected event.
    pub(crate) fn selected(&self, log: &EventLog) -> Option<u64> {
        self.number(self.selected_row(log)?, log)
    }

    /// Whether the list follows the newest event.
    pub(crate) fn is_following(&self) -> bool {
        self.held.is_none()
    }

    /// How many events were added since the list was held.
    pub(crate) fn behind(&self, log: &EventLog) -> u64 {
        if self.is_following() {
            0
        } else {
            log.end().saturating_sub(self.held_end.max(log.start()))
        }
    }

    /// Follows the newest event.
    pub(crate) fn follow(&mut self) {
        self.held = None;
    }

    /// Stays at the selected event.
    pub(crate) fn hold(&mut self, log: &EventLog) {
        if self.held.is_none() {
            self.held = self.selected(log);
            self.held_end = log.end();
        }
    }

    /// Moves the selection by rows, held from then on; past the last row it stays there.
    pub(crate) fn move_by(&mut self, rows: isize, log: &EventLog) {
        let Some(row) = self.selected_row(log) else {
            return;
        };
        let last = self.len(log) - 1;
        self.select_row(row.saturating_add_signed(rows).min(last), log);
    }

    /// Selects a row, held from then on.
    pub(crate) fn select_row(&mut self, row: usize, log: &EventLog) {
        self.hold(log);
        if let Some(number) = self.number(row, log) {
            self.held = Some(number);
        }
    }

    /// Selects the event with this id, where it is kept and passes; false where not.
    pub(crate) fn select_id(&mut self, id: EventId, log: &EventLog) -> bool {
        let found = log
            .find(id)
            .filter(|number| log.head(*number).is_some_and(|head| head.id == id));
        if let Some(number) = found {
            self.hold(log);
            self.held = Some(number);
            // Not at the very top: what led to it is seen too.
            let row = self.selected_row(log).unwrap_or(0);
            self.top.set(row.saturating_sub(LEAD_ROWS));
        }
        found.is_some()
    }

    /// The first row to draw on a screen of this height, so that the selected one is seen.
    pub(crate) fn top(&self, height: usize, log: &EventLog) -> usize {
        let selected = self.selected_row(log).unwrap_or(0);
        self.top.follow(selected, height, self.len(log))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample;

    fn log(count: u64) -> EventLog {
        let mut log = EventLog::new(10_000);
        for id in 1..=count {
            log.push(sample::log(id, "x"));
        }
        log
    }

    #[test]
    fn a_held_list_stays_where_it_is_and_counts_what_comes() {
        let mut log = log(100);
        let mut browse = Browse::new();
        assert_eq!(browse.selected(&log), Some(99));
        browse.move_by(-10, &log);
        for id in 101..=105 {
            log.push(sample::log(id, "x"));
        }
        assert_eq!(browse.selected(&log), Some(89));
        assert_eq!(browse.behind(&log), 5);
        browse.follow();
        assert_eq!(browse.selected(&log), Some(104));
        assert_eq!(browse.behind(&log), 0);
    }

    #[test]
    fn the_ends_hold() {
        let log = log(3);
        let mut browse = Browse::new();
        browse.move_by(-10, &log);
        assert_eq!(browse.selected(&log), Some(0));
        browse.move_by(isize::MAX, &log);
        assert_eq!(browse.selected(&log), Some(2));
        let empty = EventLog::new(1_000);
        browse.move_by(1, &empty);
        assert_eq!(Browse::new().selected(&empty), None);
    }

    #[test]
    fn an_event_is_found_by_its_id() {
        let log = log(10);
        let mut browse = Browse::new();
        assert!(browse.select_id(EventId(4), &log));
        assert_eq!(browse.selected(&log), Some(3));
        assert!(!browse.select_id(EventId(40), &log));
    }
}
