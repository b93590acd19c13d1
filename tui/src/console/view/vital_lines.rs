//! The host's vital signs, a line each.

use hark_api::{Band, Vitals};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::usual::Usual;
use super::vitals::{LEAST_RATE, fullest_first, load, percent, rate};
use crate::console::state::App;
use crate::console::state::history::{Curve, memory_share, outside, share, swap_share};
use crate::console::widget::canvas::Canvas;
use crate::console::widget::chart::Ink;
use crate::console::widget::{chart, words};
use crate::units;

/// A vital sign on a line: name, value, curve, and more in words.
struct Line {
    name: &'static str,
    value: String,
    style: Style,
    graph: Graph,
    more: String,
    usual: Option<Usual>,
}

enum Graph {
    Curve(Curve, f64),
    Bar(f64),
    None,
}

/// A line each, in two columns where there is room.
pub(super) fn flat(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let title = match &app.scene().vitals {
        Some(v) => format!("{} · up {}", load(v), crate::moment::span(v.uptime)),
        None => String::new(),
    };
    let inside = canvas.section(area, "Vital signs", &title);
    let Some(vitals) = &app.scene().vitals else {
        canvas.put(
            inside.x + 1,
            inside.y,
            inside.width,
            "None yet",
            canvas.theme.dim,
        );
        return;
    };
    let lines = lines(canvas, app, vitals);
    let columns = if area.width >= 70 { 2 } else { 1 };
    let width = inside.width / columns;
    let height = usize::from(inside.height);
    for (i, line) in lines.iter().take(height * usize::from(columns)).enumerate() {
        let column = (i / height) as u16;
        let place = Rect::new(
            inside.x + column * width,
            inside.y + (i % height) as u16,
            width - u16::from(columns > 1),
            1,
        );
        draw_line(canvas, place, app, line);
    }
}

fn draw_line(canvas: &mut Canvas<'_>, area: Rect, app: &App, line: &Line) {
    let theme = canvas.theme;
    canvas.put(area.x + 1, area.y, 6, line.name, theme.dim);
    canvas.put_right(area.x + 16, area.y, 8, &line.value, line.style);
    let graph_width = match area.width {
        0..=30 => 5,
        31..=44 => 6,
        _ => (area.width - 34).min(24),
    };
    let graph = Rect::new(area.x + 17, area.y, graph_width, 1);
    match line.graph {
        Graph::Curve(curve, max) => {
            let vitals = app.scene().vitals.as_ref();
            let band = vitals.and_then(|vitals| app.expected.band(curve, vitals));
            let ink = Ink {
                style: line.style,
                // Of the CPU the band is of all that is not idle, which what is busy is a part of.
                band: match curve {
                    Curve::Cpu => band.map(|band| Band { low: 0.0, ..band }),
                    _ => band,
                },
                out: theme.warning(),
            };
            let values = app.scene().history.newest_first(curve);
            chart::spark(canvas, graph, values, max, ink);
        }
        Graph::Bar(share) => chart::bar(canvas, graph, share, line.style),
        Graph::None => {}
    }
    let x = graph.right() + 1;
    let room = area.right().saturating_sub(x);
    let Some(usual) = &line.usual else {
        canvas.put(x, area.y, room, &line.more, theme.dim);
        return;
    };
    let style = usual.style(theme);
    let needs = |text: &str| text.chars().count();
    if needs(&line.more) + 3 + needs(&usual.text) <= usize::from(room) {
        let parts = [
            (line.more.as_str(), theme.dim),
            (" · ", theme.dim),
            (&usual.text, style),
        ];
        let from = if line.more.is_empty() { 2 } else { 0 };
        canvas.parts(x, area.y, room, &parts[from..]);
    } else if let Some(left) = &usual.left {
        canvas.put(x, area.y, room, left, style);
    } else {
        canvas.put(x, area.y, room, &line.more, theme.dim);
    }
}

fn lines(canvas: &Canvas<'_>, app: &App, vitals: &Vitals) -> Vec<Line> {
    let theme = canvas.theme;
    let max_rate = |curves: [Curve; 2]| {
        let values = curves.map(|curve| app.scene().history.newest_first(curve).take(24));
        chart::round_max(values.into_iter().flatten(), LEAST_RATE)
    };
    let busy = vitals.cpu.busy();
    let memory = memory_share(vitals);
    let usual = |curve, now, write| Usual::new(app.expected.band(curve, vitals), now, write);
    let mut lines = vec![
        Line {
            name: "CPU",
            value: percent(busy),
            style: theme.share(busy, theme.cpu),
            graph: Graph::Curve(Curve::Cpu, 1.0),
            more: format!("load {:.2}", vitals.load[0]),
            usual: usual(Curve::Cpu, 1.0 - vitals.cpu.idle, percent),
        },
        Line {
            name: "memory",
            value: percent(memory),
            style: theme.share(memory, theme.memory),
            graph: Graph::Curve(Curve::Memory, 1.0),
            more: format!("{} left", units::bytes(vitals.memory.available as f64)),
            usual: usual(Curve::Memory, memory, percent),
        },
    ];
    if let Some(pressure) = vitals.pressure {
        let (name, curve, worst) = [
            ("CPU", Curve::PressureCpu, pressure.cpu.some),
            ("memory", Curve::PressureMemory, pressure.memory.some),
            ("I/O", Curve::PressureIo, pressure.io.some),
        ]
        .into_iter()
        .max_by(|a, b| a.2.total_cmp(&b.2))
        .unwrap_or(("", Curve::PressureIo, 0.0));
        lines.push(Line {
            name: "waits",
            value: percent(worst),
            style: theme.share(worst * 2.0, theme.system),
            graph: Graph::Curve(curve, 0.25),
            more: if worst < 0.000_5 {
                String::new()
            } else {
                format!("for {name}")
            },
            usual: usual(curve, worst, percent),
        });
    }
    if let Some(busiest) = vitals
        .processes
        .iter()
        .max_by(|a, b| a.cpu.total_cmp(&b.cpu))
    {
        lines.push(Line {
            name: "top",
            value: percent(busiest.cpu),
            style: theme.cpu,
            graph: Graph::Bar(busiest.cpu / vitals.cpus.len().max(1) as f64),
            more: format!("{}[{}]", busiest.comm, busiest.pid),
            usual: None,
        });
    }
    lines.push(Line {
        name: "net in",
        value: units::bytes(outside(vitals).map(|i| i.rx_bytes).sum()),
        style: theme.net_in,
        graph: Graph::Curve(Curve::NetIn, max_rate([Curve::NetIn, Curve::NetOut])),
        more: format!(
            "out {}/s",
            units::bytes(outside(vitals).map(|i| i.tx_bytes).sum())
        ),
        usual: usual(
            Curve::NetIn,
            outside(vitals).map(|i| i.rx_bytes).sum(),
            units::bytes,
        ),
    });
    lines.push(Line {
        name: "disk w",
        value: units::bytes(vitals.disks.iter().map(|d| d.write_bytes).sum()),
        style: theme.disk,
        graph: Graph::Curve(
            Curve::DiskWrite,
            max_rate([Curve::DiskWrite, Curve::DiskRead]),
        ),
        more: format!(
            "read {}",
            rate(vitals.disks.iter().map(|d| d.read_bytes).sum())
        ),
        usual: usual(
            Curve::DiskWrite,
            vitals.disks.iter().map(|d| d.write_bytes).sum(),
            units::bytes,
        ),
    });
    if let Some(fullest) = fullest_first(vitals).first() {
        let used = share(fullest.size, fullest.available);
        lines.push(Line {
            name: "full",
            value: percent(used),
            style: theme.share(used, theme.disk),
            graph: Graph::Bar(used),
            more: words::fit_end(&fullest.mountpoint, 14).into_owned(),
            usual: None,
        });
    }
    if vitals.memory.swap_total > 0 {
        let swap = swap_share(vitals);
        lines.push(Line {
            name: "swap",
            value: percent(swap),
            style: theme.share(swap, theme.memory),
            graph: Graph::Curve(Curve::Swap, 1.0),
            more: format!("of {}", units::bytes(vitals.memory.swap_total as f64)),
            usual: usual(Curve::Swap, swap, percent),
        });
    }
    lines.push(Line {
        name: "load",
        value: format!("{:.2}", vitals.load[0]),
        style: theme.text,
        graph: Graph::Curve(Curve::Load, vitals.cpus.len().max(1) as f64),
        more: format!("{:.2} in 5 min", vitals.load[1]),
        usual: usual(Curve::Load, vitals.load[0], |load| format!("{load:.2}")),
    });
    lines.push(Line {
        name: "tasks",
        value: units::count(vitals.tasks.processes as f64),
        style: theme.text,
        graph: Graph::None,
        more: String::new(),
        usual: None,
    });
    lines
}
