//! What is drawn, one file a view. Pure: the state in, cells out.

mod detail;
mod events;
mod failed_calls;
mod frame;
mod health;
mod help;
mod hosts;
mod incidents;
mod kernel;
mod metrics;
mod overview;
pub(crate) mod palette;
mod process_detail;
mod processes;
mod tcp;
mod templates;
mod time_bar;
mod unreachable;
mod usual;
mod vital_lines;
mod vitals;

#[cfg(test)]
mod tests;

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};

use super::state::{App, Link, Overlay, Tab};
use super::widget::canvas::{Canvas, Hit, below};

/// What came of drawing a frame.
pub(crate) struct Drawn {
    /// What a click on a place means.
    pub(crate) hits: Vec<Hit>,
    /// Where the cursor is seen, when a text is typed.
    pub(crate) cursor: Option<Position>,
}

/// Draws a frame.
pub(crate) fn draw(app: &App, buffer: &mut Buffer) -> Drawn {
    let area = buffer.area;
    let mut canvas = Canvas::new(buffer, &app.theme);
    let mut cursor = None;
    if area.height < 3 || area.width < 20 {
        canvas.put(0, 0, area.width, "hark: too small", app.theme.text);
        return Drawn {
            hits: canvas.into_hits(),
            cursor,
        };
    }
    canvas.paint(area, app.theme.text);
    frame::header(&mut canvas, Rect { height: 1, ..area }, app);
    let footer = Rect {
        y: area.bottom() - 1,
        height: 1,
        ..area
    };
    let mut body = Rect {
        y: area.y + 1,
        height: area.height - 2,
        ..area
    };
    if let Link::Down { .. } = app.link
        && app.status.is_some()
    {
        unreachable::banner(&mut canvas, Rect { height: 1, ..body }, app);
        body = below(body, 1);
    }
    if app.travel.is_some() {
        time_bar::draw(&mut canvas, Rect { height: 1, ..body }, app);
        body = below(body, 1);
    }
    // Without an agent ever seen there is nothing else to show, but for others.
    if app.tab == Tab::Hosts {
        hosts::draw(&mut canvas, body, app);
    } else if app.status.is_none() && app.scene().log.is_empty() {
        unreachable::draw(&mut canvas, body, app);
    } else {
        match app.tab {
            Tab::Overview => overview::draw(&mut canvas, body, app),
            Tab::Incidents => incidents::draw(&mut canvas, body, app),
            Tab::Events => events::draw(&mut canvas, body, app),
            Tab::Metrics => metrics::draw(&mut canvas, body, app),
            Tab::Processes => processes::draw(&mut canvas, body, app),
            Tab::Kernel => kernel::draw(&mut canvas, body, app),
            Tab::Health | Tab::Hosts => health::draw(&mut canvas, body, app),
        }
    }
    match &app.overlay {
        Overlay::None => frame::footer(&mut canvas, footer, app),
        Overlay::Filter(prompt) => cursor = Some(frame::filter(&mut canvas, footer, app, prompt)),
        Overlay::Note { input, .. } => {
            cursor = Some(frame::line(
                &mut canvas,
                footer,
                "note ",
                "Enter keeps it",
                input,
            ));
        }
        Overlay::Moment { input, error } => {
            let note = error.as_deref().unwrap_or("5m  14:05  RFC 3339");
            cursor = Some(frame::line(&mut canvas, footer, "go to ", note, input));
        }
        Overlay::Export(input) => {
            let note = ".json .csv .txt";
            cursor = Some(frame::line(&mut canvas, footer, "export ", note, input));
        }
        Overlay::Record(input) => {
            let note = "a new file";
            cursor = Some(frame::line(&mut canvas, footer, "record ", note, input));
        }
        Overlay::Signal { target, chosen } => {
            frame::footer(&mut canvas, footer, app);
            process_detail::signal(&mut canvas, body, target, *chosen);
        }
        Overlay::Search { input, .. } => {
            cursor = Some(frame::search(&mut canvas, footer, app, input));
        }
        Overlay::Help(scroll) => {
            frame::footer(&mut canvas, footer, app);
            help::draw(&mut canvas, body, app, scroll);
        }
        Overlay::Palette { input, selected } => {
            frame::footer(&mut canvas, footer, app);
            cursor = palette::draw(&mut canvas, body, app, input, *selected);
        }
    }
    Drawn {
        hits: canvas.into_hits(),
        cursor,
    }
}
