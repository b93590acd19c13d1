//! The door: text from outside is made harmless here before it reaches a terminal.
//!
//! Logs, process names, arguments and even kernel strings are chosen by others. Printed as they
//! come they could move the cursor, recolour or retitle the terminal, answer its queries, reverse
//! the reading order (<https://trojansource.codes>), hide characters, or smear marks over the
//! lines around them. [`text`] takes all of that away and keeps what is left readable; [`Clean`]
//! marks values that went through it, and the console draws only those.

use std::borrow::Cow;
use std::ops::Deref;

use hark_api::{
    Acknowledgement, Event, Evidence, Feature, FeatureState, Fields, Health, Incident,
    IncidentRecord, Note, Process, ProgramCost, Reason, SourceStatus, Status, StoreStatus, Suspect,
    Template, Timestamp, TraceContext, Verdict, Vitals, vitals,
};
use serde_json::Value;
use unicode_width::UnicodeWidthChar as _;

/// How many combining marks a character may carry. Real scripts need two, rarely three.
const MAX_MARKS: usize = 3;

/// Stands for a character that has no business on a terminal.
const REPLACEMENT: char = '\u{FFFD}';

/// Stands for a line break inside a line.
pub(crate) const LINE_BREAK: char = '␤';

/// A value whose texts are all safe to show.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Clean<T>(T);

impl<T: Wash> Clean<T> {
    /// Makes every text in the value safe.
    pub(crate) fn new(mut value: T) -> Self {
        value.wash();
        Self(value)
    }
}

impl<T> Deref for Clean<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

/// Text that is safe on a terminal, on one line, with each character's width as `unicode-width`
/// says.
///
/// Colour codes (SGR sequences) are taken out, since many services write them. Other control
/// characters become their visible pictures (`␛`), line breaks `␤`, tabs a space; bidirectional
/// controls and invisible characters become U+FFFD; variation selectors go; and of combining
/// marks at most three follow a character.
pub(crate) fn text(raw: &str) -> Cow<'_, str> {
    let plain = raw.bytes().all(|b| matches!(b, 0x20..=0x7E));
    if plain {
        return Cow::Borrowed(raw);
    }
    let mut clean = String::with_capacity(raw.len());
    let mut marks = 0;
    let mut rest = raw.chars();
    while let Some(c) = rest.next() {
        if c == '\u{1B}'
            && let Some(after) = skip_colour(rest.as_str())
        {
            rest = after.chars();
            continue;
        }
        match shown(c) {
            Shown::Nothing => {}
            Shown::Mark if clean.is_empty() => {
                clean.push('◌');
                clean.push(c);
                marks = 1;
            }
            Shown::Mark => {
                marks += 1;
                if marks <= MAX_MARKS {
                    clean.push(c);
                }
            }
            Shown::As(c) => {
                clean.push(c);
                marks = 0;
            }
        }
    }
    Cow::Owned(clean)
}

/// What a character becomes.
enum Shown {
    As(char),
    /// Itself, on the character before it.
    Mark,
    Nothing,
}

fn shown(c: char) -> Shown {
    match c {
        '\n' => Shown::As(LINE_BREAK),
        '\r' => Shown::As('␍'),
        '\t' | '\u{A0}' | '\u{2000}'..='\u{200A}' | '\u{202F}' | '\u{205F}' => Shown::As(' '),
        // C0: the pictures stand at U+2400 in the same order.
        '\0'..='\u{1F}' => Shown::As(char::from_u32(0x2400 + c as u32).unwrap_or(REPLACEMENT)),
        '\u{7F}' => Shown::As('␡'),
        // Variation selectors and skin tones change widths by terminal; the base remains.
        '\u{FE00}'..='\u{FE0F}' | '\u{E0100}'..='\u{E01EF}' | '\u{1F3FB}'..='\u{1F3FF}' => {
            Shown::Nothing
        }
        // C1, soft hyphen, bidirectional and other format controls, zero-width characters,
        // invisible fillers, line separators, tags, noncharacters.
        '\u{80}'..='\u{9F}'
        | '\u{AD}'
        | '\u{34F}'
        | '\u{600}'..='\u{605}'
        | '\u{61C}'
        | '\u{6DD}'
        | '\u{70F}'
        | '\u{890}'..='\u{891}'
        | '\u{8E2}'
        | '\u{115F}'..='\u{1160}'
        | '\u{17B4}'..='\u{17B5}'
        | '\u{180B}'..='\u{180F}'
        | '\u{200B}'..='\u{200F}'
        | '\u{2028}'..='\u{202E}'
        | '\u{2060}'..='\u{206F}'
        | '\u{3164}'
        | '\u{FEFF}'
        | '\u{FFA0}'
        | '\u{FFF0}'..='\u{FFFB}'
        | '\u{FFFE}'..='\u{FFFF}'
        | '\u{1BCA0}'..='\u{1BCA3}'
        | '\u{1D173}'..='\u{1D17A}'
        | '\u{E0000}'..='\u{E00FF}' => Shown::As(REPLACEMENT),
        c => match c.width() {
            Some(0) => Shown::Mark,
            Some(_) => Shown::As(c),
            None => Shown::As(REPLACEMENT),
        },
    }
}

/// What follows a colour sequence (`CSI … m`) whose escape character was just read.
fn skip_colour(after_escape: &str) -> Option<&str> {
    let parameters = after_escape.strip_prefix('[')?;
    let end = parameters.find(|c: char| !matches!(c, '0'..='9' | ';' | ':'))?;
    parameters[end..].strip_prefix('m')
}

/// Has texts from outside that can be made safe in place.
pub(crate) trait Wash {
    fn wash(&mut self);
}

impl Wash for String {
    fn wash(&mut self) {
        if let Cow::Owned(clean) = text(self) {
            *self = clean;
        }
    }
}

impl<T: Wash> Wash for Option<T> {
    fn wash(&mut self) {
        if let Some(value) = self {
            value.wash();
        }
    }
}

impl<T: Wash> Wash for Vec<T> {
    fn wash(&mut self) {
        self.iter_mut().for_each(Wash::wash);
    }
}

impl<T: Wash> Wash for Box<T> {
    fn wash(&mut self) {
        (**self).wash();
    }
}

/// Every listed field of a type is a text from outside.
macro_rules! wash {
    ($type:ty: $($field:ident),+) => {
        impl Wash for $type {
            fn wash(&mut self) {
                $(self.$field.wash();)+
            }
        }
    };
}

wash!(Event: message, service, host, process, fields, trace, verdict);
wash!(Process: comm, exe, cgroup, unit, container);
wash!(TraceContext: trace_id, span_id);
wash!(Verdict: reasons);
wash!(Reason: text);
wash!(Status: version, host, kernel, health, sources, features, store);
wash!(SourceStatus: name, state);
wash!(Feature: name, description, state, programs);
wash!(ProgramCost: name, hook);
wash!(StoreStatus: path, last_error);
wash!(IncidentRecord: incident, acknowledged, notes);
wash!(Incident: title, suspects, evidence);
wash!(Suspect: kind, name);
wash!(Evidence: text);
wash!(Acknowledgement: by);
wash!(Note: by, text);
wash!(Template: text);
wash!(Vitals: disks, filesystems, interfaces, processes, cgroups);
wash!(vitals::Disk: device);
wash!(vitals::Filesystem: device, mountpoint, fstype);
wash!(vitals::Interface: device);
wash!(vitals::CgroupUse: path);

impl Wash for vitals::ProcessUse {
    fn wash(&mut self) {
        self.comm.wash();
        if !self.state.0.is_ascii_alphabetic() {
            self.state.0 = '?';
        }
    }
}

impl Wash for Health {
    fn wash(&mut self) {
        match self {
            Self::Ok => {}
            Self::Degraded { reasons } | Self::Failing { reasons } => reasons.wash(),
        }
    }
}

impl Wash for FeatureState {
    fn wash(&mut self) {
        if let Self::Unavailable { reason, remedy } = self {
            reason.wash();
            remedy.wash();
        }
    }
}

impl Wash for (Timestamp, String) {
    fn wash(&mut self) {
        self.1.wash();
    }
}

impl Wash for Fields {
    fn wash(&mut self) {
        *self = self
            .iter()
            .map(|(name, value)| {
                let mut value = value.clone();
                value.wash();
                (text(name).into_owned(), value)
            })
            .collect();
    }
}

impl Wash for Value {
    fn wash(&mut self) {
        match self {
            Self::String(text) => text.wash(),
            Self::Array(values) => values.wash(),
            Self::Object(object) => {
                *object = std::mem::take(object)
                    .into_iter()
                    .map(|(name, mut value)| {
                        value.wash();
                        (text(&name).into_owned(), value)
                    })
                    .collect();
            }
            Self::Null | Self::Bool(_) | Self::Number(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_width::UnicodeWidthStr as _;

    use super::*;

    #[test]
    fn attacks_become_visible() {
        assert_eq!(text("\u{1B}[2J\u{1B}]0;owned\u{7}"), "␛[2J␛]0;owned␇");
        assert_eq!(text("\u{9B}31m"), "\u{FFFD}31m");
        assert_eq!(
            text("a\u{202E}b\u{2066}c\u{200B}"),
            "a\u{FFFD}b\u{FFFD}c\u{FFFD}"
        );
        assert_eq!(text("one\ntwo\r"), "one␤two␍");
        assert_eq!(text("\u{301}x"), "◌\u{301}x");
        let flood = format!("a{}", "\u{301}".repeat(1_000));
        assert_eq!(text(&flood).chars().count(), 1 + MAX_MARKS);
    }

    #[test]
    fn honest_text_stays() {
        for honest in [
            "plain",
            "naïve café",
            "日本語ログ",
            "e\u{301}",
            "emoji 🦀",
            "עברית",
        ] {
            assert_eq!(text(honest), honest);
        }
        assert_eq!(text("\u{1B}[1;31mred\u{1B}[0m\tx"), "red x");
    }

    #[test]
    fn every_text_of_an_event_is_washed() {
        let hostile = "\u{1B}[2J\u{202E}";
        let json = serde_json::json!({
            "id": 1, "time": 0, "received": 0, "source": "log", "kind": "log", "level": "info",
            "message": hostile, "service": hostile, "host": hostile,
            "process": {"pid": 1, "comm": hostile, "exe": hostile, "cgroup": hostile,
                        "unit": hostile, "container": hostile},
            "fields": {hostile: [hostile, {hostile: hostile}]},
            "trace": {"trace_id": hostile, "span_id": hostile},
            "verdict": {"tier": "normal", "reasons": [{"code": "fact", "text": hostile}]},
        });
        let event: Event = serde_json::from_value(json).expect("an event");
        let shown = format!("{:?}", *Clean::new(event));
        assert!(
            !shown.contains("\\u{1b}") && !shown.contains("\\u{202e}"),
            "{shown}"
        );
    }

    fn is_harmless(c: char) -> bool {
        !c.is_control()
            && !matches!(c,
                '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FEFF}')
    }

    proptest! {
        #[test]
        fn nothing_harmful_passes(raw in any::<String>()) {
            let clean = text(&raw);
            prop_assert!(clean.chars().all(is_harmless), "{clean:?}");
            // Marks never pile up, nor stand where they would smear over a border.
            let mut marks = 0;
            for (i, c) in clean.chars().enumerate() {
                marks = if c.width() == Some(0) { marks + 1 } else { 0 };
                prop_assert!(marks <= MAX_MARKS && (marks == 0 || i > 0));
            }
            // Cleaning twice changes nothing more.
            prop_assert_eq!(text(&clean), clean.clone());
        }

        /// Texts dense with what attackers use.
        #[test]
        fn nothing_harmful_passes_in_hostile_text(raw in prop::collection::vec(prop::sample::select(vec![
            '\u{1B}', '[', '2', ';', 'm', 'J', '\u{9B}', '\u{202E}', '\u{2069}', '\u{200D}', '\u{301}',
            '\u{FE0F}', '\n', '\0', '語', 'a', '\u{FEFF}', '\u{E0041}', '🦀']), 0..60)) {
            let raw: String = raw.into_iter().collect();
            let clean = text(&raw);
            prop_assert!(clean.chars().all(is_harmless), "{clean:?}");
            // The width is what the characters say one by one, as terminals count.
            let by_char: usize = clean.chars().filter_map(unicode_width::UnicodeWidthChar::width).sum();
            prop_assert_eq!(clean.width(), by_char);
        }
    }
}
