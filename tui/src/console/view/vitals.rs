//! The host's vital signs as curves.

use hark_api::vitals::{Filesystem, ProcessUse};
use hark_api::{Band, Vitals};
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::usual::Usual;
use crate::console::state::App;
use crate::console::state::history::{Curve, memory_share, outside, share};
use crate::console::widget::canvas::{Canvas, below, split_top};
use crate::console::widget::chart::Ink;
use crate::console::widget::{chart, words};
use crate::units;

/// A rate of bytes below which curves of them do not fill their place, bytes a second.
pub(super) const LEAST_RATE: f64 = 64.0 * 1024.0;

/// A share as a percentage in five columns.
pub(super) fn percent(share: f64) -> String {
    let percent = share * 100.0;
    if percent < 9.95 {
        format!("{percent:.1} %")
    } else {
        format!("{percent:.0} %")
    }
}

/// Smaller file systems hold nothing that could fill them, as those of sockets and secrets.
const LEAST_FILESYSTEM: u64 = 16 << 20;

pub(super) fn rate(bytes: f64) -> String {
    format!("{}/s", units::bytes(bytes))
}

pub(super) fn load(vitals: &Vitals) -> String {
    // Of a moment before, the longer ones may not be known.
    let known = vitals.load.iter().filter(|load| load.is_finite());
    known.fold("load".to_owned(), |text, load| format!("{text} {load:.2}"))
}

pub(super) fn fullest_first(vitals: &Vitals) -> Vec<&Filesystem> {
    let real = vitals
        .filesystems
        .iter()
        .filter(|f| f.size >= LEAST_FILESYSTEM);
    let mut filesystems: Vec<_> = real.collect();
    let left = |f: &Filesystem| 1.0 - share(f.size, f.available);
    filesystems.sort_by(|a, b| left(a).total_cmp(&left(b)));
    filesystems
}

/// Sections with curves, as many as there is room for.
pub(super) fn tall(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let Some(vitals) = &app.scene().vitals else {
        let inside = canvas.section(area, "Vital signs", "");
        canvas.put(
            inside.x + 1,
            inside.y,
            inside.width,
            "None yet",
            canvas.theme.dim,
        );
        return;
    };
    let theme = canvas.theme;
    let spare = area.height.saturating_sub(24);
    let curve = 3 + (spare / 8).min(4);
    let mut rest = cpu(canvas, area, app, vitals, curve);
    let memory = memory_share(vitals);
    rest = curve_section(
        canvas,
        rest,
        &format!("Memory  {}", percent(memory)),
        &format!(
            "{} of {} left",
            units::bytes(vitals.memory.available as f64),
            units::bytes(vitals.memory.total as f64)
        ),
        Usual::new(app.expected.band(Curve::Memory, vitals), memory, percent),
        curve.saturating_sub(1),
        |canvas, place| {
            let values = app
                .scene()
                .history
                .newest_first(Curve::Memory)
                .map(|m| (m, 0.0));
            let style = theme.share(memory, theme.memory);
            let band = app.expected.band(Curve::Memory, vitals);
            let ink = Ink {
                style,
                band,
                out: theme.warning(),
            };
            if let Some(band) = band {
                chart::shade(canvas, place, band, 1.0);
            }
            chart::area(canvas, place, values, 1.0, (ink, style));
        },
    );
    if let Some(pressure) = vitals.pressure {
        let inside = canvas.section(rest, "Waiting for", "share of time, PSI");
        let rows = [
            ("CPU", pressure.cpu.some, Curve::PressureCpu),
            ("memory", pressure.memory.some, Curve::PressureMemory),
            ("I/O", pressure.io.some, Curve::PressureIo),
        ];
        for ((name, some, curve), y) in rows.into_iter().zip(inside.y..inside.bottom()) {
            let style = theme.share(some * 2.0, theme.system);
            named_spark(
                canvas,
                Rect {
                    y,
                    height: 1,
                    ..inside
                },
                app,
                name,
                &percent(some),
                curve,
                0.25,
                style,
            );
        }
        rest = below(inside, 3);
    }
    rest = pair(
        canvas,
        rest,
        app,
        "Network",
        [
            (
                "in",
                Curve::NetIn,
                outside(vitals).map(|i| i.rx_bytes).sum(),
                theme.net_in,
            ),
            (
                "out",
                Curve::NetOut,
                outside(vitals).map(|i| i.tx_bytes).sum(),
                theme.net_out,
            ),
        ],
    );
    rest = pair(
        canvas,
        rest,
        app,
        "Disks",
        [
            (
                "read",
                Curve::DiskRead,
                vitals.disks.iter().map(|d| d.read_bytes).sum(),
                theme.disk,
            ),
            (
                "write",
                Curve::DiskWrite,
                vitals.disks.iter().map(|d| d.write_bytes).sum(),
                theme.disk,
            ),
        ],
    );
    if rest.height >= 5 {
        rest = filesystems(canvas, rest, vitals);
    }
    if rest.height >= 3 {
        top(canvas, rest, vitals);
    }
}

fn cpu(canvas: &mut Canvas<'_>, area: Rect, app: &App, vitals: &Vitals, curve: u16) -> Rect {
    let theme = canvas.theme;
    let busy = vitals.cpu.busy();
    let mut rest = curve_section(
        canvas,
        area,
        &format!("CPU  {}", percent(busy)),
        &load(vitals),
        Usual::new(
            app.expected.band(Curve::Cpu, vitals),
            1.0 - vitals.cpu.idle,
            percent,
        ),
        curve,
        |canvas, place| {
            let system = app.scene().history.newest_first(Curve::CpuSystem);
            let values = app.scene().history.newest_first(Curve::Cpu).zip(system);
            let band = app.expected.band(Curve::Cpu, vitals);
            let ink = Ink {
                style: theme.cpu,
                // The band is of all that is not idle: what is busy is no more than that.
                band: band.map(|band| Band { low: 0.0, ..band }),
                out: theme.warning(),
            };
            if let Some(band) = band {
                chart::shade(canvas, place, band, 1.0);
            }
            chart::area(canvas, place, values, 1.0, (ink, theme.system));
        },
    );
    // Each CPU, in as many columns as fit.
    let columns = (rest.width / 22).max(1);
    let rows = (vitals.cpus.len() as u16).div_ceil(columns);
    if vitals.cpus.len() > 1 && rows + 14 <= rest.height {
        let width = rest.width / columns;
        for (i, cpu) in vitals.cpus.iter().enumerate() {
            let i16 = i as u16;
            let x = rest.x + (i16 / rows) * width;
            let y = rest.y + i16 % rows;
            let share = cpu.busy();
            let style = theme.share(share, theme.cpu);
            canvas.put(x + 1, y, 4, &i.to_string(), theme.dim);
            canvas.put_right(x + 10, y, 6, &percent(share), style);
            let place = Rect::new(x + 11, y, width.saturating_sub(13), 1);
            chart::spark(
                canvas,
                place,
                app.scene().history.cpu_newest_first(i),
                1.0,
                style,
            );
        }
        rest = below(rest, rows);
    }
    rest
}

fn curve_section(
    canvas: &mut Canvas<'_>,
    area: Rect,
    title: &str,
    note: &str,
    usual: Option<Usual>,
    height: u16,
    draw: impl FnOnce(&mut Canvas<'_>, Rect),
) -> Rect {
    let inside = canvas.section(area, title, note);
    if let Some(usual) = usual.filter(|_| !inside.is_empty()) {
        let x = area.x + 3 + title.chars().count() as u16;
        let room = area
            .width
            .saturating_sub((title.len() + note.len()) as u16 + 8);
        let style = usual.style(canvas.theme);
        let texts = [Some(&usual.text), usual.left.as_ref()];
        let fits = |text: &&String| text.chars().count() + 3 <= room.into();
        if let Some(text) = texts.into_iter().flatten().find(fits) {
            canvas.put(x, area.y, room, &format!("─ {text} "), style);
        }
    }
    let (place, rest) = split_top(inside, height);
    draw(canvas, place);
    rest
}

#[expect(clippy::too_many_arguments, reason = "a line's parts")]
fn named_spark(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    name: &str,
    value: &str,
    curve: Curve,
    max: f64,
    style: Style,
) {
    canvas.put(area.x + 1, area.y, 7, name, canvas.theme.dim);
    canvas.put_right(area.x + 20, area.y, 11, value, style);
    let graph = Rect::new(area.x + 21, area.y, area.width.saturating_sub(22), 1);
    let vitals = app.scene().vitals.as_ref();
    let ink = Ink {
        style,
        band: vitals.and_then(|vitals| app.expected.band(curve, vitals)),
        out: canvas.theme.warning(),
    };
    let values = app.scene().history.newest_first(curve);
    chart::spark(canvas, graph, values, max, ink);
}

/// Two curves of bytes a second on one scale.
fn pair(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    title: &str,
    curves: [(&str, Curve, f64, Style); 2],
) -> Rect {
    if area.height < 3 {
        return area;
    }
    let width = usize::from(area.width);
    let values = curves.map(|(_, curve, ..)| app.scene().history.newest_first(curve).take(width));
    let max = chart::round_max(values.into_iter().flatten(), LEAST_RATE);
    let note = format!("to {}", rate(max));
    let inside = canvas.section(area, title, &note);
    for ((name, curve, now, style), y) in curves.into_iter().zip(inside.y..) {
        let line = Rect {
            y,
            height: 1,
            ..inside
        };
        named_spark(canvas, line, app, name, &rate(now), curve, max, style);
    }
    below(inside, 2)
}

fn filesystems(canvas: &mut Canvas<'_>, area: Rect, vitals: &Vitals) -> Rect {
    let theme = canvas.theme;
    let fullest = fullest_first(vitals);
    if fullest.is_empty() {
        return area;
    }
    let inside = canvas.section(area, "File systems", "fullest first");
    let rows = (fullest.len() as u16).min(3).min(inside.height);
    for (filesystem, y) in fullest.iter().zip(inside.y..inside.y + rows) {
        let used = share(filesystem.size, filesystem.available);
        let style = theme.share(used, theme.disk);
        let name = words::fit_end(&filesystem.mountpoint, 13);
        canvas.put(inside.x + 1, y, 13, &name, theme.dim);
        canvas.put_right(inside.x + 20, y, 6, &percent(used), style);
        let left = format!("{} left", units::bytes(filesystem.available as f64));
        let bar = Rect::new(inside.x + 21, y, inside.width.saturating_sub(37), 1);
        chart::bar(canvas, bar, used, style);
        canvas.put_right(inside.right() - 1, y, 14, &left, theme.dim);
    }
    below(inside, rows)
}

fn top(canvas: &mut Canvas<'_>, area: Rect, vitals: &Vitals) {
    let theme = canvas.theme;
    let inside = canvas.section(area, "Processes", "CPU · memory");
    let mut processes: Vec<&ProcessUse> = vitals.processes.iter().collect();
    processes.sort_by(|a, b| b.cpu.total_cmp(&a.cpu).then(b.rss.cmp(&a.rss)));
    for (process, y) in processes.iter().zip(inside.y..inside.bottom()) {
        canvas.put_right(inside.x + 8, y, 7, &process.pid.to_string(), theme.dim);
        let room = inside.width.saturating_sub(28);
        canvas.put(inside.x + 9, y, room, &process.comm, theme.accent);
        let style = theme.share(process.cpu / vitals.cpus.len().max(1) as f64, theme.text);
        canvas.put_right(inside.right() - 11, y, 7, &percent(process.cpu), style);
        canvas.put_right(
            inside.right() - 1,
            y,
            9,
            &units::bytes(process.rss as f64),
            theme.dim,
        );
    }
}
