//! Colours, by what they mean.
//!
//! A theme is a table of 24-bit colours with, for each, the nearest of the terminal's own sixteen.
//! Which of the two is used, or the 256-colour cube between them, is decided once from the
//! environment. Nothing is told by colour alone: tiers have signs, levels have words.

use hark_api::{Level, Tier};
use ratatui::style::{Color, Modifier, Style};

mod palettes;

use self::palettes::{COLOR_BLIND, DARK, HIGH_CONTRAST, LIGHT, Pair};
use crate::cli::ThemeName;

/// How many colours the terminal has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// None, or none are wanted (<https://no-color.org>).
    None,
    Sixteen,
    Cube,
    True,
}

impl Depth {
    /// As the environment tells.
    pub(crate) fn detect() -> Self {
        let var = |name| std::env::var(name).unwrap_or_default();
        if !var("NO_COLOR").is_empty() || var("TERM") == "dumb" {
            Self::None
        } else if matches!(var("COLORTERM").as_str(), "truecolor" | "24bit") {
            Self::True
        } else if var("TERM").contains("256color") {
            Self::Cube
        } else {
            Self::Sixteen
        }
    }
}

/// What a colour is for, as the configuration file names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    Text,
    Dim,
    Rule,
    Accent,
    Selection,
    Band,
    Good,
    Notice,
    Warning,
    High,
    Critical,
    Cpu,
    System,
    Memory,
    Disk,
    NetIn,
    NetOut,
}

impl Role {
    pub(crate) const ALL: [Self; 17] = [
        Self::Text,
        Self::Dim,
        Self::Rule,
        Self::Accent,
        Self::Selection,
        Self::Band,
        Self::Good,
        Self::Notice,
        Self::Warning,
        Self::High,
        Self::Critical,
        Self::Cpu,
        Self::System,
        Self::Memory,
        Self::Disk,
        Self::NetIn,
        Self::NetOut,
    ];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Dim => "dim",
            Self::Rule => "rule",
            Self::Accent => "accent",
            Self::Selection => "selection",
            Self::Band => "band",
            Self::Good => "good",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Cpu => "cpu",
            Self::System => "system",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::NetIn => "net-in",
            Self::NetOut => "net-out",
        }
    }

    /// The one of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == name)
    }
}

/// Styles, by what they mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Theme {
    pub(crate) name: ThemeName,
    depth: Depth,
    /// Colours that were set, to be laid over the next theme too.
    own: Vec<(Role, u32)>,
    pub(crate) text: Style,
    pub(crate) strong: Style,
    pub(crate) dim: Style,
    pub(crate) rule: Style,
    pub(crate) accent: Style,
    /// Laid over a selected row.
    pub(crate) selection: Style,
    /// Where values are expected.
    pub(crate) band: Style,
    pub(crate) good: Style,
    notice: Style,
    warning: Style,
    high: Style,
    critical: Style,
    pub(crate) cpu: Style,
    pub(crate) system: Style,
    pub(crate) memory: Style,
    pub(crate) disk: Style,
    pub(crate) net_in: Style,
    pub(crate) net_out: Style,
}

impl Theme {
    /// The theme of this name on a terminal with so many colours.
    pub(crate) fn new(name: ThemeName, depth: Depth) -> Self {
        let depth = match name {
            ThemeName::Mono => Depth::None,
            ThemeName::Ansi => depth.min_sixteen(),
            _ => depth,
        };
        if depth == Depth::None {
            return Self::mono(name);
        }
        let palette = match name {
            ThemeName::Light => LIGHT,
            ThemeName::HighContrast => HIGH_CONTRAST,
            ThemeName::ColorBlind => COLOR_BLIND,
            ThemeName::Dark | ThemeName::Ansi | ThemeName::Mono => DARK,
        };
        let color = |(rgb, sixteen): Pair| match depth {
            Depth::True => from_rgb(rgb),
            Depth::Cube => Color::Indexed(nearest_indexed(rgb)),
            Depth::Sixteen | Depth::None => sixteen,
        };
        let fg = |pair| Style::new().fg(color(pair));
        // Set, not left as it is: text also stands over what was drawn before.
        let text = palette.text.map_or(Style::new().fg(Color::Reset), fg);
        Self {
            name,
            depth,
            own: Vec::new(),
            text,
            strong: text.add_modifier(Modifier::BOLD),
            dim: fg(palette.dim),
            rule: fg(palette.rule),
            accent: fg(palette.accent),
            selection: if depth == Depth::Sixteen {
                // Sixteen colours have none that every text stands out from.
                Style::new().add_modifier(Modifier::REVERSED)
            } else {
                Style::new().bg(color(palette.selection))
            },
            band: if depth == Depth::Sixteen {
                fg(palette.rule)
            } else {
                fg(palette.selection).bg(color(palette.band))
            },
            good: fg(palette.good),
            notice: fg(palette.notice),
            warning: fg(palette.warning),
            high: fg(palette.high),
            critical: fg(palette.critical).add_modifier(Modifier::BOLD),
            cpu: fg(palette.cpu),
            system: fg(palette.system),
            memory: fg(palette.memory),
            disk: fg(palette.disk),
            net_in: fg(palette.net_in),
            net_out: fg(palette.net_out),
        }
    }

    fn mono(name: ThemeName) -> Self {
        let plain = Style::new().fg(Color::Reset);
        let bold = plain.add_modifier(Modifier::BOLD);
        let dim = plain.add_modifier(Modifier::DIM);
        Self {
            name,
            depth: Depth::None,
            own: Vec::new(),
            text: plain,
            strong: bold,
            dim,
            rule: dim,
            accent: bold,
            selection: Style::new().add_modifier(Modifier::REVERSED),
            band: dim,
            good: plain,
            notice: plain,
            warning: bold,
            high: bold,
            critical: bold.add_modifier(Modifier::UNDERLINED),
            cpu: plain,
            system: plain,
            memory: plain,
            disk: plain,
            net_in: plain,
            net_out: plain,
        }
    }

    /// The next theme, on the same terminal.
    pub(crate) fn next(&self) -> Self {
        use clap::ValueEnum as _;
        let all = ThemeName::value_variants();
        let at = all.iter().position(|name| *name == self.name).unwrap_or(0);
        // From no colours one comes back to what the terminal has.
        let depth = match self.depth {
            Depth::None | Depth::Sixteen => Depth::detect(),
            depth => depth,
        };
        Self::new(all[(at + 1) % all.len()], depth).with(&self.own)
    }

    /// With colours of one's own in place of the theme's; with none where there are none.
    pub(crate) fn with(mut self, own: &[(Role, u32)]) -> Self {
        own.clone_into(&mut self.own);
        for (role, rgb) in own {
            let color = match self.depth {
                Depth::None => continue,
                Depth::True => from_rgb(*rgb),
                Depth::Cube => Color::Indexed(nearest_indexed(*rgb)),
                Depth::Sixteen => nearest_sixteen(*rgb),
            };
            let style = match role {
                Role::Selection | Role::Band if self.depth == Depth::Sixteen => continue,
                Role::Selection => {
                    self.selection = Style::new().bg(color);
                    continue;
                }
                Role::Band => {
                    self.band = self.band.bg(color);
                    continue;
                }
                Role::Text => {
                    self.strong = self.strong.fg(color);
                    &mut self.text
                }
                Role::Dim => &mut self.dim,
                Role::Rule => &mut self.rule,
                Role::Accent => &mut self.accent,
                Role::Good => &mut self.good,
                Role::Notice => &mut self.notice,
                Role::Warning => &mut self.warning,
                Role::High => &mut self.high,
                Role::Critical => &mut self.critical,
                Role::Cpu => &mut self.cpu,
                Role::System => &mut self.system,
                Role::Memory => &mut self.memory,
                Role::Disk => &mut self.disk,
                Role::NetIn => &mut self.net_in,
                Role::NetOut => &mut self.net_out,
            };
            *style = style.fg(color);
        }
        self
    }

    /// How a tier looks.
    pub(crate) fn tier(&self, tier: Tier) -> Style {
        match tier {
            Tier::Normal => self.dim,
            Tier::Notice => self.notice,
            Tier::Warning => self.warning,
            Tier::High => self.high,
            Tier::Critical => self.critical,
        }
    }

    /// How what is worth a look looks.
    pub(crate) fn warning(&self) -> Style {
        self.warning
    }

    /// How what is bad looks.
    pub(crate) fn high(&self) -> Style {
        self.high
    }

    /// How what is broken looks.
    pub(crate) fn critical(&self) -> Style {
        self.critical
    }

    /// How a level looks.
    pub(crate) fn level(&self, level: Level) -> Style {
        match level {
            Level::Trace | Level::Debug | Level::Info => self.dim,
            Level::Notice => self.notice,
            Level::Warning => self.warning,
            Level::Error => self.high,
            Level::Critical | Level::Fatal => self.critical,
        }
    }

    /// How a share looks, 0 to 1, where much of it is bad.
    pub(crate) fn share(&self, share: f64, calm: Style) -> Style {
        match share {
            s if s >= 0.95 => self.high,
            s if s >= 0.85 => self.warning,
            _ => calm,
        }
    }
}

impl Depth {
    fn min_sixteen(self) -> Self {
        match self {
            Self::None => Self::None,
            _ => Self::Sixteen,
        }
    }
}

/// The sign of a tier, one column wide.
pub(crate) fn tier_sign(tier: Tier) -> &'static str {
    match tier {
        Tier::Normal => " ",
        Tier::Notice => "○",
        Tier::Warning => "△",
        Tier::High => "▲",
        Tier::Critical => "◆",
    }
}

fn channels(rgb: u32) -> [u8; 3] {
    let [_, r, g, b] = rgb.to_be_bytes();
    [r, g, b]
}

fn from_rgb(rgb: u32) -> Color {
    let [r, g, b] = channels(rgb);
    Color::Rgb(r, g, b)
}

/// The nearest of the terminal's own sixteen, as xterm has them.
fn nearest_sixteen(rgb: u32) -> Color {
    const TABLE: [(u32, Color); 16] = [
        (0x00_00_00, Color::Black),
        (0xCD_00_00, Color::Red),
        (0x00_CD_00, Color::Green),
        (0xCD_CD_00, Color::Yellow),
        (0x00_00_EE, Color::Blue),
        (0xCD_00_CD, Color::Magenta),
        (0x00_CD_CD, Color::Cyan),
        (0xE5_E5_E5, Color::Gray),
        (0x7F_7F_7F, Color::DarkGray),
        (0xFF_00_00, Color::LightRed),
        (0x00_FF_00, Color::LightGreen),
        (0xFF_FF_00, Color::LightYellow),
        (0x5C_5C_FF, Color::LightBlue),
        (0xFF_00_FF, Color::LightMagenta),
        (0x00_FF_FF, Color::LightCyan),
        (0xFF_FF_FF, Color::White),
    ];
    let nearest = TABLE
        .into_iter()
        .min_by_key(|(known, _)| distance(*known, rgb));
    nearest.map_or(Color::Reset, |(_, color)| color)
}

/// How far two colours are apart.
fn distance(a: u32, b: u32) -> u32 {
    let pairs = channels(a).into_iter().zip(channels(b));
    pairs.map(|(a, b)| u32::from(a.abs_diff(b)).pow(2)).sum()
}

/// The nearest colour of the 256-colour table's 6×6×6 cube and grey ramp.
fn nearest_indexed(rgb: u32) -> u8 {
    const STEPS: [u8; 6] = [0, 95, 135, 175, 215, 255];
    let target = channels(rgb);
    let distance = |c: [u8; 3]| -> u32 {
        c.iter()
            .zip(target)
            .map(|(a, b)| u32::from(a.abs_diff(b)).pow(2))
            .sum()
    };
    let cube = (0..216u8).map(|i| {
        let step = |n: u8| STEPS[usize::from(n % 6)];
        (16 + i, [step(i / 36), step(i / 6), step(i)])
    });
    let greys = (0..24u8).map(|i| (232 + i, [8 + 10 * i; 3]));
    cube.chain(greys)
        .min_by_key(|(_, c)| distance(*c))
        .map_or(15, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    #[test]
    fn colours_become_their_nearest_of_256() {
        assert_eq!(nearest_indexed(0xFF_00_00), 196);
        assert_eq!(nearest_indexed(0x08_08_08), 232);
        assert_eq!(nearest_indexed(0x5F_87_AF), 67);
    }

    #[test]
    fn colours_of_one_s_own_are_laid_over_every_theme() {
        let own = [(Role::Accent, 0x12_34_56), (Role::Selection, 0xFF_00_00)];
        let theme = Theme::new(ThemeName::Dark, Depth::True).with(&own);
        assert_eq!(theme.accent.fg, Some(Color::Rgb(0x12, 0x34, 0x56)));
        assert_eq!(theme.next().accent.fg, theme.accent.fg);
        assert_eq!(theme.selection.bg, Some(Color::Rgb(0xFF, 0, 0)));
        let sixteen = Theme::new(ThemeName::Dark, Depth::Sixteen).with(&own);
        assert_eq!(sixteen.accent.fg, Some(Color::Black));
        let none = Theme::new(ThemeName::Dark, Depth::None);
        assert_eq!(none.clone().with(&own).accent, none.accent);
    }

    #[test]
    fn without_colours_there_are_none_in_any_theme() {
        for name in ThemeName::value_variants() {
            let shown = format!("{:?}", Theme::new(*name, Depth::None));
            assert!(
                !shown.contains("Rgb") && !shown.contains("Indexed"),
                "{shown}"
            );
        }
        assert_ne!(
            Theme::new(ThemeName::Dark, Depth::None).selection,
            Style::new()
        );
    }

    #[test]
    fn sixteen_colours_are_the_terminal_s_own() {
        let shown = format!("{:?}", Theme::new(ThemeName::Light, Depth::Sixteen));
        assert!(
            !shown.contains("Rgb") && !shown.contains("Indexed"),
            "{shown}"
        );
    }
}
