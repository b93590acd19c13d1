//! The help, made from the table of keys.

use ratatui::layout::Rect;

use crate::console::keys::{Binding, Key, Place};
use crate::console::state::{App, Scroll};
use crate::console::widget::canvas::{Canvas, centered};
use crate::console::widget::page::Page;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App, scroll: &Scroll) {
    let width = area.width.min(84);
    let inner = width.saturating_sub(4);
    let mut page = Page::new(inner, canvas.theme);
    let here =
        |(b, _): &(&Binding, &[Key])| matches!(b.place, Place::In(_)) && b.place.has(app.tab);
    section(
        &mut page,
        app.tab.name(),
        app.keys.all().filter(here),
        canvas,
    );
    let all = |(b, _): &(&'static Binding, &[Key])| matches!(b.place, Place::Everywhere);
    section(&mut page, "Everywhere", app.keys.all().filter(all), canvas);
    page.heading("Signs");
    let theme = canvas.theme;
    for tier in hark_api::Tier::ALL.iter().skip(1) {
        let sign = crate::console::theme::tier_sign(*tier);
        let often = match tier {
            hark_api::Tier::Normal => "",
            hark_api::Tier::Notice => "seen at most once a day",
            hark_api::Tier::Warning => "seen at most once a week",
            hark_api::Tier::High => "seen at most once a month",
            hark_api::Tier::Critical => "seen at most once a year, or plainly wrong",
        };
        page.field(22, &format!("{sign} {tier}"), often, theme.tier(*tier));
    }
    let height = (page.len() as u16 + 2).min(area.height);
    let inside = canvas.popup(centered(area, width, height), "Keys");
    app.page.set(inside.height);
    page.draw(canvas, inside, scroll);
}

fn section<'a>(
    page: &mut Page<'_>,
    title: &str,
    bindings: impl Iterator<Item = (&'static Binding, &'a [Key])>,
    canvas: &Canvas<'_>,
) {
    page.heading(title);
    for (binding, keys) in bindings {
        let keys: Vec<_> = keys.iter().map(|key| key.name()).collect();
        page.field(22, &keys.join("  "), binding.help, canvas.theme.text);
    }
}
