//! A text of styled lines, wrapped to a width and scrolled.

use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr as _;

use super::canvas::Canvas;
use super::words;
use crate::console::state::Scroll;
use crate::console::theme::Theme;

/// Lines for an area of a given width.
pub(crate) struct Page<'a> {
    width: usize,
    theme: &'a Theme,
    lines: Vec<Vec<(String, Style)>>,
}

impl<'a> Page<'a> {
    pub(crate) fn new(width: u16, theme: &'a Theme) -> Self {
        Self {
            width: width.into(),
            theme,
            lines: Vec::new(),
        }
    }

    /// An empty line, except at the beginning and after another.
    pub(crate) fn gap(&mut self) {
        if self.lines.last().is_some_and(|line| !line.is_empty()) {
            self.lines.push(Vec::new());
        }
    }

    /// A heading, after an empty line.
    pub(crate) fn heading(&mut self, text: &str) {
        self.gap();
        self.lines.push(vec![(text.to_owned(), self.theme.strong)]);
    }

    /// Parts on one line; what does not fit is cut.
    pub(crate) fn line<const N: usize>(&mut self, parts: [(&str, Style); N]) {
        let parts = parts
            .into_iter()
            .map(|(text, style)| (text.to_owned(), style));
        self.lines.push(parts.collect());
    }

    /// A paragraph, wrapped, so many columns in.
    pub(crate) fn text(&mut self, indent: usize, text: &str, style: Style) {
        for line in words::wrap(text, self.width.saturating_sub(indent)) {
            self.lines.push(vec![(" ".repeat(indent) + &line, style)]);
        }
    }

    /// A value with its name before it in a column of this width; a long value is wrapped beside.
    pub(crate) fn field(&mut self, column: usize, name: &str, value: &str, style: Style) {
        let column = column.min(self.width / 2);
        let name = words::fit(name, column.saturating_sub(1)).into_owned();
        let pad = column.saturating_sub(name.width());
        let first = format!("{name}{}", " ".repeat(pad));
        let lines = words::wrap(value, self.width.saturating_sub(column));
        for (i, line) in lines.into_iter().enumerate() {
            let name = if i == 0 {
                first.clone()
            } else {
                " ".repeat(column)
            };
            self.lines.push(vec![(name, self.theme.dim), (line, style)]);
        }
    }

    /// How many lines there are.
    pub(crate) fn len(&self) -> usize {
        self.lines.len()
    }

    /// Draws what is seen of it, with a sign of how far it is scrolled.
    pub(crate) fn draw(&self, canvas: &mut Canvas<'_>, area: Rect, scroll: &Scroll) {
        let height = usize::from(area.height);
        let top = scroll.top(self.lines.len(), height);
        for (line, y) in self.lines.iter().skip(top).zip(area.y..area.bottom()) {
            let mut x = area.x;
            for (text, style) in line {
                x = canvas.put(x, y, area.right().saturating_sub(x), text, *style);
            }
        }
        if self.lines.len() > height && area.width > 8 {
            let last = top + height;
            let sign = if last < self.lines.len() {
                "▼ "
            } else {
                "▲ "
            };
            let text = format!(" {sign}{}/{}", last.min(self.lines.len()), self.lines.len());
            canvas.put_right(area.right(), area.bottom() - 1, 12, &text, self.theme.dim);
        }
    }
}
