//! Commands, found by their words.

use ratatui::layout::{Position, Rect};
use tui_input::Input;

use crate::console::keys::{Action, BINDINGS, Binding};
use crate::console::state::{App, Tab, scroll_to};
use crate::console::widget::canvas::{Canvas, below, centered};

/// The commands that a text finds, the best first. Its letters must come in order; letters that
/// begin words or stand together count more.
pub(crate) fn found(text: &str, tab: Tab) -> Vec<&'static Binding> {
    let here = BINDINGS
        .iter()
        .filter(|b| b.place.has(tab) && b.action != Action::Palette);
    let mut scored: Vec<_> = here
        .filter_map(|b| Some((score(text, b.help)?, b)))
        .collect();
    scored.sort_by_key(|(score, _)| std::cmp::Reverse(*score));
    scored.into_iter().map(|(_, binding)| binding).collect()
}

/// How well the letters of `text` fit into `help`; `None` where they do not.
fn score(text: &str, help: &str) -> Option<u32> {
    let help: Vec<char> = help.to_lowercase().chars().collect();
    let mut score = 0;
    let mut from = 0;
    for c in text.to_lowercase().chars().filter(|c| !c.is_whitespace()) {
        let begins_word = |at: usize| at == 0 || !help[at - 1].is_alphanumeric();
        let fits = |at: &usize| help[*at] == c;
        // Next to the last letter, else where a word begins, else anywhere.
        let at = if from > 0 && help.get(from) == Some(&c) {
            score += 4;
            from
        } else if let Some(at) = (from..help.len()).filter(fits).find(|at| begins_word(*at)) {
            score += 3;
            at
        } else {
            (from..help.len()).find(fits)?
        };
        if at == 0 {
            score += 2;
        }
        from = at + 1;
    }
    Some(score)
}

pub(super) fn draw(
    canvas: &mut Canvas<'_>,
    area: Rect,
    app: &App,
    input: &Input,
    selected: usize,
) -> Option<Position> {
    let theme = canvas.theme;
    let found = found(input.value(), app.tab);
    let height = area.height.min(14);
    let inside = canvas.popup(centered(area, area.width.min(88), height), "Commands");
    if inside.is_empty() {
        return None;
    }
    let x = canvas.put(inside.x, inside.y, 2, ": ", theme.accent);
    let width = inside.width.saturating_sub(3);
    let end = canvas.put(x, inside.y, width, input.value(), theme.strong);
    if input.value().is_empty() {
        canvas.put(
            end,
            inside.y,
            width,
            "type some letters of what you want",
            theme.rule,
        );
    }
    let rows = below(inside, 1);
    let top = scroll_to(0, selected, rows.height.into(), found.len());
    for (row, (i, binding)) in (rows.y..rows.bottom()).zip(found.iter().enumerate().skip(top)) {
        let line = Rect::new(rows.x, row, rows.width, 1);
        let bound = app.keys.all().find(|(b, _)| std::ptr::eq(*b, *binding));
        let key = bound.and_then(|(_, keys)| keys.first());
        let key = key.map_or(String::new(), |key| key.name());
        canvas.put(
            line.x,
            row,
            line.width.saturating_sub(11),
            binding.help,
            theme.text,
        );
        canvas.put_right(line.right(), row, 10, &key, theme.accent);
        if i == selected {
            canvas.paint(line, theme.selection);
        }
        canvas.hit(line, binding.action);
    }
    if found.is_empty() {
        canvas.put(
            rows.x,
            rows.y,
            rows.width,
            "Nothing has these letters",
            theme.dim,
        );
    }
    Some(Position::new(
        (x + input.visual_cursor() as u16).min(inside.right() - 1),
        inside.y,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_find_commands_and_words_come_first() {
        let first = |text| found(text, Tab::Events).first().map(|b| b.action);
        assert_eq!(first("quit"), Some(Action::Quit));
        assert_eq!(first("clear f"), Some(Action::ClearFilter));
        assert_eq!(first("health"), Some(Action::Show(Tab::Health)));
        assert_eq!(first("zzzz"), None);
        assert!(found("", Tab::Events).len() > 20);
    }
}
