//! What a vital sign usually shows, in words.

use hark_api::Band;
use ratatui::style::Style;

use crate::console::theme::Theme;

/// What a vital sign usually shows, and whether it does now.
pub(super) struct Usual {
    pub(super) text: String,
    /// Which end of the band the sign is beyond, in few words.
    pub(super) left: Option<String>,
}

impl Usual {
    /// `now` is what the band is of, where that differs from the value that is shown.
    pub(super) fn new(band: Option<Band>, now: f64, write: fn(f64) -> String) -> Option<Self> {
        let band = band?;
        let (low, high) = (write(band.low), write(band.high));
        let left = band.is_left_by(now).then(|| {
            if now > band.high {
                format!("△ over {high}")
            } else {
                format!("△ under {low}")
            }
        });
        // One unit is enough for both.
        let unit = high.split_once(' ').map_or("", |(_, unit)| unit);
        let low = low.strip_suffix(unit).unwrap_or(&low).trim_end();
        let sign = if left.is_some() { "△ " } else { "" };
        Some(Self {
            text: format!("{sign}usually {low}–{high}"),
            left,
        })
    }

    pub(super) fn style(&self, theme: &Theme) -> Style {
        if self.left.is_some() {
            theme.warning()
        } else {
            theme.dim
        }
    }
}
