//! The processes: order, tree and selection, and those that ended a short while ago.

use std::cmp::Ordering;
use std::collections::HashMap;

use hark_api::Timestamp;
use hark_api::vitals::ProcessUse;

/// How long an ended process stays in the table.
const DEAD_NANOS: i64 = 120 * 1_000_000_000;
/// Ended processes that are kept at most.
const MAX_DEAD: usize = 64;

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

/// A process that ended.
struct Dead {
    /// What it used last.
    process: ProcessUse,
    at: Timestamp,
    how: String,
    /// Whether it ended as it should: then those that live come first.
    is_ordinary: bool,
}

/// A row of the table.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) process: &'a ProcessUse,
    /// How many of its ancestors are above it, where a tree is shown.
    pub(crate) depth: usize,
    /// How it ended, where it did.
    pub(crate) end: Option<&'a str>,
    /// Whether it is over and done with.
    is_past: bool,
}

/// How the table is looked at.
#[derive(Default)]
pub(crate) struct Processes {
    pub(crate) sort: Sort,
    /// Whether children stand below their parents.
    pub(crate) is_tree: bool,
    dead: Vec<Dead>,
    /// The selected process; the first row where it is gone.
    selected: Option<u32>,
    top: super::Top,
}

impl Processes {
    /// The same way to look at other processes.
    pub(crate) fn alike(&self) -> Self {
        Self {
            sort: self.sort,
            is_tree: self.is_tree,
            selected: self.selected,
            ..Self::default()
        }
    }

    /// Takes in that one of these processes ended, in a way that is ordinary or not; what is said of
    /// it is safe to show.
    pub(crate) fn ended(
        &mut self,
        pid: u32,
        (how, is_ordinary): (&str, bool),
        at: Timestamp,
        processes: &[ProcessUse],
    ) {
        let Some(process) = processes.iter().find(|process| process.pid == pid) else {
            return;
        };
        if self.dead.iter().any(|dead| is_same(&dead.process, process)) {
            return;
        }
        if self.dead.len() == MAX_DEAD {
            self.dead.remove(0);
        }
        self.dead.push(Dead {
            process: process.clone(),
            at,
            how: how.to_owned(),
            is_ordinary,
        });
    }

    /// Lets go of those that ended long ago.
    pub(crate) fn forget(&mut self, now: Timestamp) {
        let oldest = now.plus_nanos(-DEAD_NANOS);
        self.dead.retain(|dead| dead.at > oldest);
    }

    /// The processes in order, those that ended a short while ago among them.
    pub(crate) fn ordered<'a>(&'a self, processes: &'a [ProcessUse]) -> Vec<Row<'a>> {
        let is_dead = |process: &ProcessUse| self.dead.iter().any(|d| is_same(&d.process, process));
        let living = processes.iter().filter(|process| !is_dead(process));
        let mut rows: Vec<Row<'a>> = living
            .map(|process| Row {
                process,
                depth: 0,
                end: None,
                is_past: false,
            })
            .collect();
        rows.extend(self.dead.iter().map(|dead| Row {
            process: &dead.process,
            depth: 0,
            end: Some(&dead.how),
            is_past: dead.is_ordinary,
        }));
        // What they used last would keep them above all that runs now.
        let order = |a: &Row<'_>, b: &Row<'_>| self.sort.compare(a.process, b.process);
        rows.sort_by(|a, b| a.is_past.cmp(&b.is_past).then_with(|| order(a, b)));
        if self.is_tree { tree(&rows) } else { rows }
    }

    /// The selected row among these.
    pub(crate) fn selected_row(&self, rows: &[Row<'_>]) -> usize {
        rows.iter()
            .position(|row| Some(row.process.pid) == self.selected)
            .unwrap_or(0)
    }

    /// Moves the selection by rows.
    pub(crate) fn move_by(&mut self, by: isize, processes: &[ProcessUse]) {
        let rows = self.ordered(processes);
        let Some(last) = rows.len().checked_sub(1) else {
            return;
        };
        let row = self.selected_row(&rows).saturating_add_signed(by).min(last);
        self.selected = Some(rows[row].process.pid);
    }

    /// The first row to draw.
    pub(crate) fn top(&self, selected: usize, height: usize, len: usize) -> usize {
        self.top.follow(selected, height, len)
    }
}

/// Whether it is one process, not two that had the same number.
fn is_same(a: &ProcessUse, b: &ProcessUse) -> bool {
    a.pid == b.pid && (a.started - b.started).abs() < 1.0
}

/// The rows with children below their parents, those of one parent in their order.
fn tree<'a>(rows: &[Row<'a>]) -> Vec<Row<'a>> {
    let at: HashMap<u32, usize> = (0..)
        .zip(rows)
        .map(|(i, row)| (row.process.pid, i))
        .collect();
    let mut children: Vec<Vec<usize>> = vec![Vec::new(); rows.len()];
    let mut open = Vec::new();
    for (i, row) in rows.iter().enumerate() {
        match at.get(&row.process.ppid) {
            Some(&parent) if parent != i => children[parent].push(i),
            _ => open.push((i, 0)),
        }
    }
    open.reverse();
    let mut seen = vec![false; rows.len()];
    let mut ordered = Vec::with_capacity(rows.len());
    // Numbers that are used again can make two processes each other's parents: such are entered
    // where they are met first.
    let mut rest = 0..rows.len();
    while let Some((i, depth)) = open
        .pop()
        .or_else(|| rest.find(|i| !seen[*i]).map(|i| (i, 0)))
    {
        if std::mem::replace(&mut seen[i], true) {
            continue;
        }
        ordered.push(Row { depth, ..rows[i] });
        open.extend(children[i].iter().rev().map(|child| (*child, depth + 1)));
    }
    ordered
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
                rows[table.selected_row(&rows)].process.pid,
            )
        };
        assert_eq!(selected(&before), (2, 3));
        assert_eq!(selected(&after), (0, 3));
    }

    fn family(pairs: &[(u32, u32)]) -> Vec<ProcessUse> {
        let process = |&(pid, ppid): &(u32, u32)| ProcessUse {
            pid,
            ppid,
            ..ProcessUse::default()
        };
        pairs.iter().map(process).collect()
    }

    fn shape(table: &Processes, processes: &[ProcessUse]) -> Vec<(u32, usize)> {
        let rows = table.ordered(processes).into_iter();
        rows.map(|row| (row.process.pid, row.depth)).collect()
    }

    #[test]
    fn children_stand_below_their_parents_and_none_is_lost() {
        let table = Processes {
            is_tree: true,
            ..Processes::default()
        };
        let processes = family(&[
            (1, 0),
            (2, 9),
            (3, 1),
            (4, 3),
            (5, 1),
            (6, 7),
            (7, 6),
            (8, 8),
        ]);
        assert_eq!(
            shape(&table, &processes),
            [
                (1, 0),
                (3, 1),
                (4, 2),
                (5, 1),
                (2, 0),
                (8, 0),
                (6, 0),
                (7, 1)
            ]
        );
    }

    #[test]
    fn what_ended_stays_for_a_while() {
        let mut table = Processes::default();
        let processes = family(&[(1, 0), (2, 1)]);
        let second = |s: i64| Timestamp::from_nanos(s * 1_000_000_000);
        let killed = ("killed by SIGKILL", false);
        table.ended(2, killed, second(10), &processes);
        // Twice told, and still in a reading: once in the table.
        table.ended(2, killed, second(10), &processes);
        let ends = |table: &Processes, processes: &[ProcessUse]| -> Vec<Option<String>> {
            let rows = table.ordered(processes).into_iter();
            rows.map(|row| row.end.map(str::to_owned)).collect()
        };
        let dead = [None, Some("killed by SIGKILL".to_owned())];
        assert_eq!(ends(&table, &processes), dead);
        assert_eq!(ends(&table, &processes[..1]), dead);
        table.forget(second(200));
        assert_eq!(ends(&table, &processes[..1]), [None]);
    }

    #[test]
    fn what_ended_as_it_should_stands_below_what_lives() {
        let mut table = Processes::default();
        let mut processes = family(&[(1, 0), (2, 1), (3, 1)]);
        for (process, cpu) in processes.iter_mut().zip([0.1, 0.9, 0.5]) {
            process.cpu = cpu;
        }
        let at = Timestamp::from_nanos(0);
        table.ended(2, ("ended with code 0", true), at, &processes);
        table.ended(3, ("killed by SIGKILL", false), at, &processes);
        let rows = table.ordered(&processes);
        let pids: Vec<u32> = rows.iter().map(|row| row.process.pid).collect();
        assert_eq!(pids, [3, 1, 2]);
    }
}
