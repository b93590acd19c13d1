//! The colours of each theme.

use ratatui::style::Color;

/// A colour, and the one of sixteen that stands for it.
pub(super) type Pair = (u32, Color);

pub(super) struct Palette {
    pub(super) text: Option<Pair>,
    pub(super) dim: Pair,
    pub(super) rule: Pair,
    pub(super) accent: Pair,
    pub(super) selection: Pair,
    pub(super) band: Pair,
    pub(super) good: Pair,
    pub(super) notice: Pair,
    pub(super) warning: Pair,
    pub(super) high: Pair,
    pub(super) critical: Pair,
    pub(super) cpu: Pair,
    pub(super) system: Pair,
    pub(super) memory: Pair,
    pub(super) disk: Pair,
    pub(super) net_in: Pair,
    pub(super) net_out: Pair,
}

pub(super) const DARK: Palette = Palette {
    text: None,
    dim: (0x8A_93_A6, Color::Gray),
    rule: (0x45_4C_5C, Color::DarkGray),
    accent: (0x7F_B4_FF, Color::LightBlue),
    selection: (0x2B_34_48, Color::DarkGray),
    band: (0x1B_22_30, Color::DarkGray),
    good: (0x7F_D1_8B, Color::Green),
    notice: (0x6C_C5_E8, Color::LightCyan),
    warning: (0xE8_C0_66, Color::LightYellow),
    high: (0xF2_94_4E, Color::Yellow),
    critical: (0xFF_6B_6B, Color::LightRed),
    cpu: (0x7F_B4_FF, Color::LightBlue),
    system: (0xB4_9C_F5, Color::LightMagenta),
    memory: (0x6F_D0_BD, Color::Cyan),
    disk: (0xE8_C0_66, Color::Yellow),
    net_in: (0x8F_D1_7A, Color::Green),
    net_out: (0xD7_92_D9, Color::Magenta),
};

pub(super) const LIGHT: Palette = Palette {
    text: None,
    dim: (0x5F_68_78, Color::DarkGray),
    rule: (0xB8_BE_C9, Color::Gray),
    accent: (0x1F_5F_BF, Color::Blue),
    selection: (0xD9_E4_F5, Color::Gray),
    band: (0xEF_F3_F9, Color::Gray),
    good: (0x1E_7A_34, Color::Green),
    notice: (0x0B_6E_99, Color::Cyan),
    warning: (0x8A_63_00, Color::Yellow),
    high: (0xB4_4A_00, Color::Magenta),
    critical: (0xC0_1C_28, Color::Red),
    cpu: (0x1F_5F_BF, Color::Blue),
    system: (0x6B_3F_C4, Color::Magenta),
    memory: (0x0F_76_6E, Color::Cyan),
    disk: (0x8A_63_00, Color::Yellow),
    net_in: (0x2F_7D_1F, Color::Green),
    net_out: (0x9A_2F_A0, Color::Magenta),
};

pub(super) const HIGH_CONTRAST: Palette = Palette {
    text: Some((0xFF_FF_FF, Color::White)),
    dim: (0xD0_D0_D0, Color::White),
    rule: (0x90_90_90, Color::Gray),
    accent: (0x66_D9_FF, Color::LightCyan),
    selection: (0x00_4A_9F, Color::Blue),
    band: (0x20_20_3C, Color::Gray),
    good: (0x5C_FF_5C, Color::LightGreen),
    notice: (0x66_D9_FF, Color::LightCyan),
    warning: (0xFF_F0_00, Color::LightYellow),
    high: (0xFF_A5_00, Color::LightMagenta),
    critical: (0xFF_5C_5C, Color::LightRed),
    cpu: (0x66_D9_FF, Color::LightCyan),
    system: (0xFF_8C_FF, Color::LightMagenta),
    memory: (0x5C_FF_E0, Color::LightCyan),
    disk: (0xFF_F0_00, Color::LightYellow),
    net_in: (0x5C_FF_5C, Color::LightGreen),
    net_out: (0xFF_8C_FF, Color::LightMagenta),
};

/// After Okabe and Ito's palette (<https://jfly.uni-koeln.de/color/>): told apart by every common
/// kind of colour vision.
pub(super) const COLOR_BLIND: Palette = Palette {
    text: None,
    dim: (0x99_9F_AA, Color::Gray),
    rule: (0x4A_50_5E, Color::DarkGray),
    accent: (0x56_B4_E9, Color::LightBlue),
    selection: (0x26_3A_4F, Color::DarkGray),
    band: (0x1C_26_33, Color::DarkGray),
    good: (0x56_B4_E9, Color::LightBlue),
    notice: (0x9A_D0_F5, Color::LightCyan),
    warning: (0xF0_E4_42, Color::LightYellow),
    high: (0xE6_9F_00, Color::Yellow),
    critical: (0xFF_7A_33, Color::LightRed),
    cpu: (0x56_B4_E9, Color::LightBlue),
    system: (0xCC_79_A7, Color::Magenta),
    memory: (0x00_B8_8A, Color::Cyan),
    disk: (0xE6_9F_00, Color::Yellow),
    net_in: (0x56_B4_E9, Color::LightBlue),
    net_out: (0xCC_79_A7, Color::Magenta),
};
