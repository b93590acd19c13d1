//! The moment that is looked at instead of now, and where it lies among what was unusual.

use hark_api::{Tier, Timestamp};
use ratatui::layout::Rect;

use crate::console::keys::Action;
use crate::console::state::{App, Link};
use crate::console::theme::tier_sign;
use crate::console::widget::canvas::Canvas;
use crate::moment;
use crate::units;

/// The least time that the bar spans.
const LEAST_SPAN: i64 = 900 * 1_000_000_000;

pub(super) fn draw(canvas: &mut Canvas<'_>, area: Rect, app: &App) {
    let Some(travel) = &app.travel else { return };
    let theme = canvas.theme;
    let at = travel.at;
    let clock = &moment::clock(at)[..8];
    let ago = moment::in_words(at, app.now);
    let day = moment::day(at);
    let text = match area.width {
        0..60 => format!("◀ {clock}, {ago}"),
        _ => format!("◀ {day} {clock} UTC, {ago}"),
    };
    let x = canvas.put(area.x + 1, area.y, area.width, &text, theme.warning()) + 2;
    let new = app.live.log.end().saturating_sub(travel.live_end);
    let note = match (travel.lacks, new) {
        (true, _) if app.link == Link::Live => "asking …".to_owned(),
        (_, 0) => "L live".to_owned(),
        (_, new) => format!("{} new  L live", units::count(new as f64)),
    };
    let right = area.right().saturating_sub(note.chars().count() as u16 + 1);
    canvas.put_right(area.right() - 1, area.y, 24, &note, theme.dim);
    canvas.hit(
        Rect {
            x: right,
            width: area.right() - right,
            ..area
        },
        Action::Live,
    );
    let room = right.saturating_sub(x + 2);
    if room < 12 {
        return;
    }
    bar(canvas, Rect::new(x, area.y, room, 1), app, at);
}

/// From well before the moment up to now, with what was unusual.
fn bar(canvas: &mut Canvas<'_>, area: Rect, app: &App, at: Timestamp) {
    let theme = canvas.theme;
    let now = app.now.as_nanos();
    let span = ((now - at.as_nanos()) * 5 / 4).max(LEAST_SPAN);
    let column = |time: Timestamp| {
        let share = (time.as_nanos() - (now - span)) as f64 / span as f64;
        (0.0..=1.0)
            .contains(&share)
            .then(|| ((share * f64::from(area.width)) as u16).min(area.width - 1))
    };
    canvas.put(
        area.x,
        area.y,
        area.width,
        &"─".repeat(area.width.into()),
        theme.rule,
    );
    let mut worst = vec![Tier::Normal; area.width.into()];
    let since = Timestamp::from_nanos(now - span);
    let kept = app.live.log.heads_newest_first();
    let kept = kept.take_while(|head| head.time >= since);
    let kept = kept.map(|head| (head.time, head.tier));
    let known = [&app.live, app.scene()];
    let known = known.into_iter().flat_map(|scene| scene.unusual.events());
    let known = known.map(|event| (event.time, event.verdict.tier));
    for (time, tier) in kept.chain(known) {
        if let Some(column) = column(time) {
            let slot = &mut worst[usize::from(column)];
            *slot = (*slot).max(tier);
        }
    }
    for (column, tier) in (0..).zip(worst) {
        if tier > Tier::Normal {
            canvas.put(
                area.x + column,
                area.y,
                1,
                tier_sign(tier),
                theme.tier(tier),
            );
        }
    }
    if let Some(column) = column(at) {
        canvas.put(area.x + column, area.y, 1, "┃", theme.strong);
    }
}
