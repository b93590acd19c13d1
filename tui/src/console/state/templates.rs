//! The log templates: what services write, without the values, and how often.

use hark_api::{Template, Timestamp};

use super::ask::Ask;
use crate::clean::Clean;

/// How often they are asked for.
const EVERY: i64 = 1_000_000_000;

/// The templates, most frequent first, and the one that is looked at.
#[derive(Default)]
pub(crate) struct Templates {
    /// Whether they are shown, in place of the events.
    pub(crate) is_shown: bool,
    all: Vec<Clean<Template>>,
    selected: Option<u32>,
    top: super::Top,
    asked: Option<Timestamp>,
    answers: u32,
}

impl Templates {
    /// Takes in what the agent knows.
    pub(crate) fn set(&mut self, templates: Vec<Template>) {
        self.answers = self.answers.saturating_add(1);
        self.all = templates.into_iter().map(Clean::new).collect();
    }

    /// What is to be asked so that they can be shown.
    pub(crate) fn ask(&mut self, now: Timestamp) -> Option<Ask> {
        let is_due = self
            .asked
            .is_none_or(|asked| now >= asked.plus_nanos(EVERY));
        if !self.is_shown || !is_due {
            return None;
        }
        self.asked = Some(now);
        Some(Ask::Templates)
    }

    /// Whether the agent has answered: with those of the last time that somebody asked, so that
    /// the first answer may have none.
    pub(crate) fn is_known(&self) -> bool {
        self.answers > 2
    }

    /// All of them, most frequent first.
    pub(crate) fn all(&self) -> &[Clean<Template>] {
        &self.all
    }

    /// The row of the selected one.
    pub(crate) fn selected_row(&self) -> usize {
        let selected = self.all.iter().position(|t| Some(t.id) == self.selected);
        selected.unwrap_or(0)
    }

    /// The selected one.
    pub(crate) fn selected(&self) -> Option<&Clean<Template>> {
        self.all.get(self.selected_row())
    }

    /// Moves the selection by rows.
    pub(crate) fn move_by(&mut self, rows: isize) {
        let last = self.all.len().saturating_sub(1);
        let row = self.selected_row().saturating_add_signed(rows).min(last);
        self.selected = self.all.get(row).map(|template| template.id);
    }

    /// The first row to draw.
    pub(crate) fn top(&self, height: usize) -> usize {
        let row = self.selected_row();
        self.top.follow(row, height, self.all.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::sample::{self, NOON};

    #[test]
    fn the_selection_stays_with_its_template() {
        let mut templates = Templates {
            is_shown: true,
            ..Templates::default()
        };
        assert_eq!(templates.ask(NOON), Some(Ask::Templates));
        assert_eq!(templates.ask(NOON.plus_nanos(900_000_000)), None);
        templates.set(sample::templates(None));
        templates.move_by(1);
        let chosen = templates.selected().map(|t| t.id);
        let mut later = sample::templates(None);
        later.reverse();
        templates.set(later);
        assert_eq!(templates.selected().map(|t| t.id), chosen);
        templates.move_by(isize::MAX);
        assert_eq!(templates.selected_row(), templates.all().len() - 1);
        templates.set(Vec::new());
        assert!(templates.selected().is_none());
    }
}
