//! The processes that use most, as a table.

use ratatui::layout::Rect;

use super::process_detail;
use super::vitals::percent;
use crate::console::keys::Action;
use crate::console::state::App;
use crate::console::state::processes::{Row, Sort};
use crate::console::widget::canvas::{Canvas, below, split_top};
use crate::console::widget::chart;
use crate::moment;
use crate::units;

/// A column: its name, width, what it is ordered by, and from which width of the table it is shown.
struct Column {
    name: &'static str,
    width: u16,
    sort: Option<Sort>,
    from: u16,
}

const COLUMNS: &[Column] = &[
    Column {
        name: "PID",
        width: 8,
        sort: Some(Sort::Pid),
        from: 0,
    },
    Column {
        name: "USER",
        width: 6,
        sort: None,
        from: 76,
    },
    Column {
        name: "S",
        width: 2,
        sort: None,
        from: 56,
    },
    Column {
        name: "CPU",
        width: 7,
        sort: Some(Sort::Cpu),
        from: 0,
    },
    Column {
        name: "",
        width: 11,
        sort: None,
        from: 100,
    },
    Column {
        name: "MEMORY",
        width: 9,
        sort: Some(Sort::Memory),
        from: 0,
    },
    Column {
        name: "READ/s",
        width: 9,
        sort: Some(Sort::Io),
        from: 64,
    },
    Column {
        name: "WRITE/s",
        width: 9,
        sort: Some(Sort::Io),
        from: 64,
    },
    Column {
        name: "THR",
        width: 5,
        sort: None,
        from: 90,
    },
    Column {
        name: "AGE",
        width: 5,
        sort: Some(Sort::Age),
        from: 50,
    },
];

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let theme = canvas.theme;
    let Some(vitals) = &app.scene().vitals else {
        let inside = canvas.section(area, "Processes", "");
        canvas.put(
            inside.x + 1,
            inside.y,
            inside.width,
            "No vital signs yet",
            theme.dim,
        );
        return;
    };
    if app.travel.is_some() && vitals.processes.is_empty() {
        process_detail::deeds(canvas, area, app);
        return;
    }
    let note = format!(
        "{} processes, {} threads, {} running, {} blocked",
        vitals.tasks.processes, vitals.tasks.threads, vitals.tasks.running, vitals.tasks.blocked
    );
    let inside = canvas.section(area, "Processes", &note);
    let columns: Vec<_> = COLUMNS.iter().filter(|c| c.from <= inside.width).collect();
    let mut x = inside.x;
    for column in &columns {
        let by_this = column.sort == Some(app.scene().processes.sort) && !column.name.is_empty();
        let style = if by_this { theme.accent } else { theme.dim };
        canvas.put_right(x + column.width, inside.y, column.width, column.name, style);
        x += column.width;
    }
    canvas.put(
        x + 2,
        inside.y,
        inside.right().saturating_sub(x + 2),
        "NAME",
        theme.dim,
    );
    canvas.hit(
        Rect {
            height: 1,
            ..inside
        },
        Action::Sort,
    );

    let rows = app.scene().processes.ordered(&vitals.processes);
    let room = below(inside, 1);
    // What the selected one did is shown where that leaves a table.
    let detail = if room.height >= 16 {
        (room.height / 3).min(12)
    } else {
        0
    };
    let (table, detail) = split_top(room, room.height - detail);
    app.page.set(table.height);
    if rows.is_empty() {
        canvas.put(
            table.x + 1,
            table.y,
            table.width,
            "The agent names none",
            theme.dim,
        );
        return;
    }
    let selected = app.scene().processes.selected_row(&rows);
    let top = app
        .scene()
        .processes
        .top(selected, table.height.into(), rows.len());
    for ((at, row), y) in rows
        .iter()
        .enumerate()
        .skip(top)
        .zip(table.y..table.bottom())
    {
        let line = Rect::new(table.x, y, table.width, 1);
        draw_row(
            canvas,
            line,
            &columns,
            row,
            vitals.uptime,
            vitals.cpus.len(),
        );
        if at == selected {
            canvas.paint(line, theme.selection);
        }
    }
    canvas.hit(table, Action::Row(0));
    if let Some(row) = rows.get(selected) {
        process_detail::draw(canvas, detail, app, row);
    }
}

fn draw_row(
    canvas: &mut Canvas<'_>,
    line: Rect,
    columns: &[&Column],
    row: &Row<'_>,
    uptime: f64,
    cpus: usize,
) {
    let process = row.process;
    let theme = canvas.theme;
    let share = process.cpu / cpus.max(1) as f64;
    let rate = |bytes: Option<f64>| match bytes {
        None => "–".to_owned(),
        Some(bytes) if bytes < 1.0 => "·".to_owned(),
        Some(bytes) => units::bytes(bytes),
    };
    let mut x = line.x;
    for column in columns {
        let (text, style) = match column.name {
            "PID" => (process.pid.to_string(), theme.dim),
            "USER" => (process.uid.to_string(), theme.dim),
            "S" => (
                row.end.map_or(process.state.0, |_| 'X').to_string(),
                if process.state.0 == 'D' {
                    theme.warning()
                } else {
                    theme.dim
                },
            ),
            "CPU" => (percent(process.cpu), theme.share(share, theme.text)),
            "MEMORY" => (units::bytes(process.rss as f64), theme.text),
            "READ/s" => (rate(process.read_bytes), theme.dim),
            "WRITE/s" => (rate(process.write_bytes), theme.dim),
            "THR" => (process.threads.to_string(), theme.dim),
            "AGE" => (moment::span((uptime - process.started).max(0.0)), theme.dim),
            _ => {
                let bar = Rect::new(x + 1, line.y, column.width - 1, 1);
                chart::bar(canvas, bar, share, theme.share(share, theme.cpu));
                x += column.width;
                continue;
            }
        };
        x += column.width;
        canvas.put_right(x, line.y, column.width, &text, style);
    }
    let room = line.right().saturating_sub(x + 2);
    let indent = match row.depth {
        0 => String::new(),
        depth => format!("{}└ ", "  ".repeat((depth - 1).min(8))),
    };
    let Some(end) = row.end else {
        let parts = [(indent.as_str(), theme.rule), (&process.comm, theme.accent)];
        canvas.parts(x + 2, line.y, room, &parts);
        return;
    };
    // Whose end it is stands before it already.
    let who = format!("{}[{}] ", process.comm, process.pid);
    let end = end.strip_prefix(&who).unwrap_or(end);
    let text = format!("{indent}✗ {} {end}", process.comm);
    canvas.put(x + 2, line.y, room, &text, theme.dim);
}
