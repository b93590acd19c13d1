//! Where views draw: the frame's cells, the theme, and what a click on them means.

use ratatui::buffer::Buffer;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::words;
use crate::console::keys::Action;
use crate::console::theme::Theme;

/// What a click on a place does.
pub(crate) type Hit = (Rect, Action);

/// A frame as it is drawn.
pub(crate) struct Canvas<'a> {
    pub(crate) buffer: &'a mut Buffer,
    pub(crate) theme: &'a Theme,
    hits: Vec<Hit>,
}

impl<'a> Canvas<'a> {
    pub(crate) fn new(buffer: &'a mut Buffer, theme: &'a Theme) -> Self {
        Self {
            buffer,
            theme,
            hits: Vec::new(),
        }
    }

    /// What clicks mean, for the frame that was drawn.
    pub(crate) fn into_hits(self) -> Vec<Hit> {
        self.hits
    }

    /// A click here does this.
    pub(crate) fn hit(&mut self, area: Rect, action: Action) {
        self.hits.push((area, action));
    }

    /// Writes text at a place, cut with `…` to a width; gives the column after it.
    pub(crate) fn put(&mut self, x: u16, y: u16, width: u16, text: &str, style: Style) -> u16 {
        let area = self.buffer.area;
        if !area.contains(Position { x, y }) {
            return x;
        }
        let room = width.min(area.right() - x);
        let text = words::fit(text, room.into());
        let (end, _) = self.buffer.set_stringn(x, y, text, room.into(), style);
        end
    }

    /// Writes text so that it ends before a column.
    pub(crate) fn put_right(&mut self, right: u16, y: u16, width: u16, text: &str, style: Style) {
        let text = words::fit(text, width.into());
        let x = right.saturating_sub(text.width() as u16);
        self.put(x, y, width, &text, style);
    }

    /// Writes parts one after the other within a width; gives the column after them.
    pub(crate) fn parts(&mut self, x: u16, y: u16, width: u16, parts: &[(&str, Style)]) -> u16 {
        let right = x.saturating_add(width);
        parts.iter().fold(x, |x, (text, style)| {
            self.put(x, y, right.saturating_sub(x), text, *style)
        })
    }

    /// A section's heading on the area's first line, with a note at its right; gives what is left
    /// of the area.
    pub(crate) fn section(&mut self, area: Rect, title: &str, note: &str) -> Rect {
        if area.is_empty() {
            return area;
        }
        let theme = self.theme;
        let line = "─".repeat(area.width.into());
        self.put(area.x, area.y, area.width, &line, theme.rule);
        let title = format!(" {title} ");
        self.put(
            area.x + 1.min(area.width),
            area.y,
            area.width.saturating_sub(2),
            &title,
            theme.strong,
        );
        let room = area.width.saturating_sub(title.width() as u16 + 4);
        if !note.is_empty() && room > 3 {
            let note = format!(" {} ", words::fit(note, usize::from(room) - 2));
            self.put_right(area.right() - 1, area.y, room, &note, theme.dim);
        }
        below(area, 1)
    }

    /// Lays a style over cells.
    pub(crate) fn paint(&mut self, area: Rect, style: Style) {
        self.buffer.set_style(area, style);
    }

    /// Empties cells.
    pub(crate) fn clear(&mut self, area: Rect) {
        let area = area.intersection(self.buffer.area);
        for y in area.rows() {
            for cell in y.columns() {
                self.buffer[(cell.x, cell.y)].reset();
            }
        }
    }

    /// A box over what was drawn, with a heading; gives its inside.
    pub(crate) fn popup(&mut self, area: Rect, title: &str) -> Rect {
        let area = area.intersection(self.buffer.area);
        self.clear(area);
        if area.width < 4 || area.height < 3 {
            return area;
        }
        let theme = self.theme;
        let line = "─".repeat(usize::from(area.width) - 2);
        let (left, right, bottom) = (area.x, area.right() - 1, area.bottom() - 1);
        self.put(left, area.y, area.width, &format!("╭{line}╮"), theme.accent);
        self.put(left, bottom, area.width, &format!("╰{line}╯"), theme.accent);
        for y in area.y + 1..bottom {
            self.put(left, y, 1, "│", theme.accent);
            self.put(right, y, 1, "│", theme.accent);
        }
        self.put(
            left + 2,
            area.y,
            area.width - 4,
            &format!(" {title} "),
            theme.strong,
        );
        Rect::new(left + 2, area.y + 1, area.width - 4, area.height - 2)
    }
}

/// What is left of an area below its first lines.
pub(crate) fn below(area: Rect, lines: u16) -> Rect {
    let lines = lines.min(area.height);
    Rect {
        y: area.y + lines,
        height: area.height - lines,
        ..area
    }
}

/// The area in two, side by side, `gap` columns apart; the right one has this width.
pub(crate) fn split_right(area: Rect, right: u16, gap: u16) -> (Rect, Rect) {
    let right = right.min(area.width);
    let left = area.width.saturating_sub(right + gap);
    (
        Rect {
            width: left,
            ..area
        },
        Rect {
            x: area.right() - right,
            width: right,
            ..area
        },
    )
}

/// The area in two, one above the other.
pub(crate) fn split_top(area: Rect, top: u16) -> (Rect, Rect) {
    let top = top.min(area.height);
    (
        Rect {
            height: top,
            ..area
        },
        below(area, top),
    )
}

/// An area of this size in the middle of another, no larger than it.
pub(crate) fn centered(area: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(area.width), height.min(area.height));
    Rect {
        x: area.x + (area.width - width) / 2,
        y: area.y + (area.height - height) / 2,
        width,
        height,
    }
}
