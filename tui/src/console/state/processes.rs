//! The table of processes: order and selection.

use std::cell::Cell;
use std::cmp::Ordering;

use hark_api::vitals::ProcessUse;

/// What the table is ordered by, the most first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Sort {
    #[default]
    Cpu,
    Memory,
    Io,
    Age,
    Pid,
}

impl Sort {
    const ALL: [Self; 5] = [Self::Cpu, Self::Memory, Self::Io, Self::Age, Self::Pid];

    pub(crate) fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % Self::ALL.len()]
    }

    fn compare(self, a: &ProcessUse, b: &ProcessUse) -> Ordering {
        let order = match self {
            Self::Cpu => b.cpu.total_cmp(&a.cpu).then(b.rss.cmp(&a.rss)),
            Self::Memory => b.rss.cmp(&a.rss),
            Self::Io => io(b).total_cmp(&io(a)),
            Self::Age => b.started.total_cmp(&a.started),
            Self::Pid => Ordering::Equal,
        };
        order.then(a.pid.cmp(&b.pid))
    }
}

/// Bytes read and written a second, as far as they may be seen.
pub(crate) fn io(process: &ProcessUse) -> f64 {
    process.read_bytes.unwrap_or(0.0) + process.write_bytes.unwrap_or(0.0)
}

/// How the table is looked at.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) sort: Sort,
    /// The selected process; the first row where it is gone.
    selected: Option<u32>,
    top: Cell<usize>,
}

impl Processes {
    /// The processes in order.
    pub(crate) fn ordered<'a>(&self, processes: &'a [ProcessUse]) -> Vec<&'a ProcessUse> {
        let mut rows: Vec<_> = processes.iter().collect();
        rows.sort_by(|a, b| self.sort.compare(a, b));
        rows
    }

    /// The selected row among these.
    pub(crate) fn selected_row(&self, rows: &[&ProcessUse]) -> usize {
        rows.iter()
            .position(|process| Some(process.pid) == self.selected)
            .unwrap_or(0)
    }

    /// Moves the selection by rows.
    pub(crate) fn move_by(&mut self, by: isize, processes: &[ProcessUse]) {
        let rows = self.ordered(processes);
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let row = self.selected_row(&rows).saturating_add_signed(by).min(last);
        self.selected = Some(rows[row].pid);
    }

    /// The first row to draw.
    pub(crate) fn top(&self, selected: usize, height: usize, len: usize) -> usize {
        let top = super::scroll_to(self.top.get(), selected, height, len);
        self.top.set(top);
        top
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selection_stays_with_its_process_when_the_order_changes() {
        let process = |pid, cpu| ProcessUse {
            pid,
            cpu,
            ..ProcessUse::default()
        };
        let before = [process(1, 0.9), process(2, 0.5), process(3, 0.1)];
        let after = [process(1, 0.0), process(2, 0.5), process(3, 0.9)];
        let mut table = Processes::default();
        table.move_by(2, &before);
        let selected = |processes: &[ProcessUse]| {
            let rows = table.ordered(processes);
            (
                table.selected_row(&rows),
                rows[table.selected_row(&rows)].pid,
            )
        };
        assert_eq!(selected(&before), (2, 3));
        assert_eq!(selected(&after), (0, 3));
    }
}
