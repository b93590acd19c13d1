//! What is seen, as a file: the screen as text, or what the view lists as JSON or CSV.

use std::fs::OpenOptions;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use hark_api::Event;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde::Serialize;
use unicode_width::UnicodeWidthStr as _;

use super::state::{App, Tab};
use super::view;
use crate::clean::{self, Clean};

/// How a file is written, by the end of its name.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// An object a line.
    Json,
    Csv,
    /// The screen.
    Text,
}

/// Writes a new file; gives in words what it holds, or why there is none.
pub(crate) fn write(app: &App, path: &str, screen: Rect) -> Result<String, String> {
    let end = Path::new(path).extension().and_then(|end| end.to_str());
    let format = match end.map(str::to_ascii_lowercase).as_deref() {
        Some("json" | "ndjson") => Format::Json,
        Some("csv") => Format::Csv,
        Some("txt") => Format::Text,
        _ => return Err("the name must end in .json, .csv or .txt".to_owned()),
    };
    if format == Format::Csv && matches!(app.tab, Tab::Kernel | Tab::Health) {
        return Err("this view is no table; a name in .json or .txt works".to_owned());
    }
    // What a root console sees is not for everyone, and nothing is written over.
    let file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path);
    let written = file.and_then(|file| {
        let mut out = BufWriter::new(file);
        let count = match format {
            Format::Text => text(app, screen, &mut out)?,
            _ => rows(app, format, &mut out)?,
        };
        out.flush()?;
        Ok(count)
    });
    match written {
        Ok(count) => {
            let what = if format == Format::Text {
                "lines"
            } else {
                "rows"
            };
            Ok(format!("{count} {what} are in {path}"))
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(format!("{path} is there already"))
        }
        Err(error) => Err(format!("{path}: {error}")),
    }
}

fn text(app: &App, screen: Rect, out: &mut impl Write) -> io::Result<usize> {
    let mut buffer = Buffer::empty(screen);
    view::draw(app, &mut buffer);
    for y in screen.top()..screen.bottom() {
        let mut line = String::new();
        let mut x = screen.left();
        while x < screen.right() {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            // A wide character has the next cell too.
            x += symbol.width().max(1) as u16;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(screen.height.into())
}

/// Rows of a table, an object or a line of CSV each.
struct Rows<'a, W> {
    out: &'a mut W,
    format: Format,
    count: usize,
}

impl<W: Write> Rows<'_, W> {
    fn head(&mut self, names: &[&str]) -> io::Result<()> {
        match self.format {
            Format::Csv => writeln!(self.out, "{}", names.join(",")),
            _ => Ok(()),
        }
    }

    fn row(&mut self, object: &impl Serialize, cells: &[String]) -> io::Result<()> {
        self.count += 1;
        if self.format == Format::Csv {
            let cells: Vec<String> = cells.iter().map(|cell| quoted(cell)).collect();
            return writeln!(self.out, "{}", cells.join(","));
        }
        // Control characters are escaped in it; what else could fool a terminal goes here.
        let line = serde_json::to_string(object)?;
        writeln!(self.out, "{}", clean::text(&line))
    }
}

fn rows<W: Write>(app: &App, format: Format, out: &mut W) -> io::Result<usize> {
    let count = 0;
    let mut rows = Rows { out, format, count };
    match app.tab {
        Tab::Overview => {
            rows.head(EVENT)?;
            for sight in app.scene().unusual.worst_first(app.at()) {
                rows.row(&*sight.event, &event(&sight.event))?;
            }
        }
        Tab::Events if app.templates.is_shown => {
            rows.head(&["id", "count", "text"])?;
            for template in app.templates.all() {
                let numbers = [template.id.to_string(), template.count.to_string()];
                let [id, count] = numbers;
                rows.row(&**template, &[id, count, template.text.clone()])?;
            }
        }
        Tab::Events => {
            rows.head(EVENT)?;
            for row in 0..app.scene().events.len(&app.scene().log) {
                let number = app.scene().events.number(row, &app.scene().log);
                let kept: Option<Clean<Event>> = number.and_then(|n| app.scene().log.get(n));
                if let Some(kept) = kept {
                    rows.row(&*kept, &event(&kept))?;
                }
            }
        }
        Tab::Metrics => {
            rows.head(&["time", "series", "mean", "min", "max"])?;
            let window = app.metrics.window(app.at());
            for (key, name) in app.metrics.shown() {
                for point in app
                    .metrics
                    .loaded(key)
                    .map_or(&[][..], |l| l.within(window))
                {
                    let numbers = [point.mean, point.min, point.max];
                    let mut cells = vec![point.time.to_string(), name.to_owned()];
                    cells.extend(numbers.map(|number| number.to_string()));
                    let object = serde_json::json!({
                        "time": point.time, "series": name,
                        "mean": point.mean, "min": point.min, "max": point.max,
                    });
                    rows.row(&object, &cells)?;
                }
            }
        }
        Tab::Processes => {
            let names = "pid,ppid,uid,name,state,cpu,rss,read_bytes,write_bytes,threads,end";
            rows.head(&names.split(',').collect::<Vec<_>>())?;
            let list = app
                .scene()
                .vitals
                .as_ref()
                .map(|vitals| &vitals.processes[..]);
            for row in app.scene().processes.ordered(list.unwrap_or_default()) {
                let process = row.process;
                let rate = |bytes: Option<f64>| bytes.map_or(String::new(), |b| b.to_string());
                let cells = [
                    process.pid.to_string(),
                    process.ppid.to_string(),
                    process.uid.to_string(),
                    process.comm.clone(),
                    process.state.to_string(),
                    process.cpu.to_string(),
                    process.rss.to_string(),
                    rate(process.read_bytes),
                    rate(process.write_bytes),
                    process.threads.to_string(),
                    row.end.unwrap_or_default().to_owned(),
                ];
                rows.row(process, &cells)?;
            }
        }
        Tab::Incidents => {
            let names = "id,start,end,tier,title,culprit,share,findings";
            rows.head(&names.split(',').collect::<Vec<_>>())?;
            for record in app.scene().incidents.all() {
                let incident = &record.incident;
                let culprit = incident.suspects.first();
                let cells = [
                    incident.id.to_string(),
                    incident.start.to_string(),
                    incident.end.map_or(String::new(), |end| end.to_string()),
                    incident.tier.to_string(),
                    incident.title.clone(),
                    culprit.map_or(String::new(), |suspect| suspect.name.clone()),
                    culprit.map_or(String::new(), |suspect| suspect.share.to_string()),
                    incident.findings.to_string(),
                ];
                rows.row(&**record, &cells)?;
            }
        }
        Tab::Hosts => {
            let names = "host,endpoint,seen,health,tier,open,cpu,memory,why";
            rows.head(&names.split(',').collect::<Vec<_>>())?;
            for host in &app.hosts.all {
                let why = host.why.as_ref().map_or("", |why| why.as_str());
                let share = |share: Option<f64>| share.map_or(String::new(), |s| s.to_string());
                let cells = [
                    host.name.clone(),
                    host.endpoint.to_string(),
                    host.seen.map_or(String::new(), |seen| seen.to_string()),
                    host.health.to_owned(),
                    host.tier.to_string(),
                    host.open.to_string(),
                    share(host.cpu),
                    share(host.memory),
                    why.to_owned(),
                ];
                let object = serde_json::json!({
                    "host": host.name, "endpoint": *host.endpoint, "seen": host.seen,
                    "health": host.health, "tier": host.tier, "open": host.open,
                    "cpu": host.cpu, "memory": host.memory, "why": why,
                });
                rows.row(&object, &cells)?;
            }
        }
        Tab::Kernel | Tab::Health => {
            if let Some(status) = &app.status {
                rows.row(&**status, &[])?;
            }
        }
    }
    Ok(rows.count)
}

const EVENT: &[&str] = &[
    "id", "time", "tier", "level", "source", "kind", "service", "pid", "name", "message",
];

fn event(event: &Event) -> [String; 10] {
    let process = event.process.as_ref();
    [
        event.id.to_string(),
        event.time.to_string(),
        event.verdict.tier.to_string(),
        event.level.to_string(),
        event.source.to_string(),
        event.kind.to_string(),
        event.service.clone().unwrap_or_default(),
        process.map_or(String::new(), |process| process.pid.to_string()),
        process.map_or(String::new(), |process| process.comm.clone()),
        event.message.clone(),
    ]
}

/// A cell as RFC 4180 has it. A text that a spreadsheet would take for a formula begins with an
/// apostrophe, so that it takes it for none.
fn quoted(cell: &str) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@']) && cell.parse::<f64>().is_err();
    let cell = if is_formula {
        format!("'{cell}")
    } else {
        cell.to_owned()
    };
    if cell.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", cell.replace('"', "\"\""))
    } else {
        cell
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_are_quoted_and_are_no_formulas() {
        assert_eq!(quoted("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(quoted("=cmd()"), "'=cmd()");
        assert_eq!(quoted("-1.5"), "-1.5");
    }
}
