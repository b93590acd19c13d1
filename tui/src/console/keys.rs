//! What keys do: one table, from which the console acts, and shows its help, footer and palette.

use std::borrow::Cow;

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::state::Tab;

/// What one can ask the console to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    Quit,
    Help,
    Palette,
    Filter,
    ClearFilter,
    Back,
    Open,
    Move(Move),
    NextTab,
    PreviousTab,
    Show(Tab),
    Follow,
    /// Keeps the selected series on the screen, or no more.
    Pin,
    Sort,
    Tree,
    /// Send a signal to the selected process.
    Signal,
    /// Everything that the process of the selected event, or the selected process, did.
    OfProcess,
    /// Everything of the kind of the selected event.
    OfKind,
    /// Everything around the selected event, unfiltered.
    Around,
    ZoomIn,
    ZoomOut,
    /// Back in time, by half of what curves show.
    BackInTime,
    Onward,
    /// The same, by ten seconds.
    StepBack,
    StepOn,
    /// To a moment that is typed.
    GoTo,
    /// Now again.
    Live,
    /// To the unusual event after this moment, or before it.
    NextAnomaly,
    PreviousAnomaly,
    /// The text beside a list, by lines.
    Scroll(isize),
    Acknowledge,
    Silence,
    Note,
    NextUnusual,
    PreviousUnusual,
    Copy,
    /// Write what is seen to a file.
    Export,
    /// Write what comes to a file, or no more.
    Record,
    /// The curves of the selected incident's metrics.
    Curves,
    /// The log templates in place of the events, or back.
    Templates,
    /// The rhythms of a curve instead of itself, or back.
    Spectrum,
    Retry,
    NextTheme,
    Redraw,
    /// A click on a row, counted from the first one drawn.
    Row(u16),
}

impl Action {
    /// Its name in the configuration file: the action's own, in small letters.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Scroll(lines) if lines < 0 => return "scroll-up".to_owned(),
            Self::Scroll(_) => return "scroll-down".to_owned(),
            _ => {}
        }
        let mut name = String::new();
        for c in format!("{self:?}").chars() {
            match c {
                '(' | ')' => {}
                c if c.is_uppercase() => {
                    if !name.is_empty() {
                        name.push('-');
                    }
                    name.extend(c.to_lowercase());
                }
                c => name.push(c),
            }
        }
        name
    }
}

/// Where a selection or a text goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Move {
    Up,
    Down,
    PageUp,
    PageDown,
    First,
    Last,
}

/// A key with its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key(KeyCode, KeyModifiers);

const fn ch(c: char) -> Key {
    Key(KeyCode::Char(c), KeyModifiers::NONE)
}

const fn ctrl(c: char) -> Key {
    Key(KeyCode::Char(c), KeyModifiers::CONTROL)
}

const fn key(code: KeyCode) -> Key {
    Key(code, KeyModifiers::NONE)
}

impl Key {
    fn is(self, event: KeyEvent) -> bool {
        // Shift is in the character already; terminals differ in telling it besides.
        let modifiers = event.modifiers - KeyModifiers::SHIFT;
        self.0 == event.code && self.1 == modifiers
    }

    /// A key by its name, as [`Key::name`] gives it.
    ///
    /// # Errors
    /// There is no such key.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (modifiers, name) = match text.strip_prefix("Ctrl-") {
            Some(name) if !name.is_empty() => (KeyModifiers::CONTROL, name),
            _ => (KeyModifiers::NONE, text),
        };
        let mut chars = name.chars();
        let code = match (chars.next(), chars.next()) {
            (Some('↑'), None) => KeyCode::Up,
            (Some('↓'), None) => KeyCode::Down,
            (Some('←'), None) => KeyCode::Left,
            (Some('→'), None) => KeyCode::Right,
            (Some(c), None) if !c.is_control() && !c.is_whitespace() => KeyCode::Char(c),
            _ => match name {
                "Space" => KeyCode::Char(' '),
                "Enter" => KeyCode::Enter,
                "Esc" => KeyCode::Esc,
                "Tab" => KeyCode::Tab,
                "Shift-Tab" => KeyCode::BackTab,
                "Backspace" => KeyCode::Backspace,
                "Del" | "Delete" => KeyCode::Delete,
                "Ins" | "Insert" => KeyCode::Insert,
                "Home" => KeyCode::Home,
                "End" => KeyCode::End,
                "PgUp" => KeyCode::PageUp,
                "PgDn" => KeyCode::PageDown,
                "Up" => KeyCode::Up,
                "Down" => KeyCode::Down,
                "Left" => KeyCode::Left,
                "Right" => KeyCode::Right,
                _ => {
                    let number = name.strip_prefix('F').and_then(|n| n.parse().ok());
                    let number = number.filter(|n| (1..=12).contains(n));
                    KeyCode::F(number.ok_or_else(|| {
                        format!("there is no key {text:?}; write x, Ctrl-x, Space, Enter, Up or F5")
                    })?)
                }
            },
        };
        Ok(Self(code, modifiers))
    }

    /// The key as people call it.
    pub(crate) fn name(self) -> String {
        let name = match self.0 {
            KeyCode::Char(' ') => "Space".to_owned(),
            KeyCode::Char(c) => c.to_string(),
            KeyCode::Up => "↑".to_owned(),
            KeyCode::Down => "↓".to_owned(),
            KeyCode::Left => "←".to_owned(),
            KeyCode::Right => "→".to_owned(),
            KeyCode::PageUp => "PgUp".to_owned(),
            KeyCode::PageDown => "PgDn".to_owned(),
            KeyCode::BackTab => "Shift-Tab".to_owned(),
            other => other.to_string(),
        };
        if self.1.contains(KeyModifiers::CONTROL) {
            format!("Ctrl-{name}")
        } else {
            name
        }
    }
}

/// Where a key does something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Everywhere,
    /// In these views.
    In(&'static [Tab]),
}

impl Place {
    pub(crate) fn has(self, tab: Tab) -> bool {
        match self {
            Self::Everywhere => true,
            Self::In(tabs) => tabs.contains(&tab),
        }
    }
}

/// Keys, what they do, and in words.
pub(crate) struct Binding {
    pub(crate) keys: &'static [Key],
    pub(crate) action: Action,
    pub(crate) place: Place,
    /// A word for the footer, where it is worth a place there.
    pub(crate) hint: Option<&'static str>,
    /// What it does, for the help and the palette.
    pub(crate) help: &'static str,
}

const fn bind(
    keys: &'static [Key],
    action: Action,
    place: Place,
    hint: Option<&'static str>,
    help: &'static str,
) -> Binding {
    Binding {
        keys,
        action,
        place,
        hint,
        help,
    }
}

const EVERYWHERE: Place = Place::Everywhere;
const EVENTS: Place = Place::In(&[Tab::Events]);
const OVERVIEW: Place = Place::In(&[Tab::Overview]);
const EVENT_LISTS: Place = Place::In(&[Tab::Overview, Tab::Events]);
const SUBJECTS: Place = Place::In(&[Tab::Overview, Tab::Incidents, Tab::Events, Tab::Processes]);
const COPIED: Place = Place::In(&[Tab::Overview, Tab::Events, Tab::Processes]);
const DETAILS: Place = Place::In(&[Tab::Incidents, Tab::Events]);
const INCIDENTS: Place = Place::In(&[Tab::Incidents]);
const CURVES: Place = Place::In(&[Tab::Metrics, Tab::Kernel]);
const METRICS: Place = Place::In(&[Tab::Metrics]);
const NOT_EVENTS: Place = Place::In(&[
    Tab::Overview,
    Tab::Incidents,
    Tab::Metrics,
    Tab::Processes,
    Tab::Kernel,
    Tab::Health,
    Tab::Hosts,
]);
const NOT_METRICS: Place = Place::In(&[
    Tab::Overview,
    Tab::Incidents,
    Tab::Events,
    Tab::Processes,
    Tab::Kernel,
    Tab::Health,
    Tab::Hosts,
]);
const HOSTS: Place = Place::In(&[Tab::Hosts]);
const PROCESSES: Place = Place::In(&[Tab::Processes]);

/// All keys. The first that fits wins.
#[rustfmt::skip]
pub(crate) static BINDINGS: &[Binding] = &[
    bind(&[key(KeyCode::Enter)], Action::Open, OVERVIEW, Some("open"), "Open the selected unusual event"),
    bind(&[key(KeyCode::Enter)], Action::Open, EVENTS, Some("detail"), "Show all of the selected event"),
    bind(&[key(KeyCode::Enter)], Action::Open, PROCESSES, Some("events"), "Show the events of the selected process"),
    bind(&[key(KeyCode::Enter)], Action::Open, INCIDENTS, Some("events"), "Show the events around the selected incident"),
    bind(&[key(KeyCode::Enter)], Action::Open, HOSTS, Some("look"), "Look at the selected host in all views"),
    bind(&[ch('A')], Action::Acknowledge, INCIDENTS, Some("acknowledge"), "Note that the incident was seen"),
    bind(&[ch('S')], Action::Silence, INCIDENTS, Some("silence"), "Silence the incident for an hour, or end its silence"),
    bind(&[ch('i')], Action::Note, INCIDENTS, Some("note"), "Write a note on the incident"),
    bind(&[ch('M')], Action::Curves, INCIDENTS, Some("curves"), "Show the metrics of the incident over its time"),
    bind(&[ch('T')], Action::Templates, EVENTS, Some("templates"), "The log templates with how often each was seen, or the events again; Enter filters by one"),
    bind(&[ch('/'), ch('f')], Action::Filter, METRICS, Some("search"), "Search in the names of metrics"),
    bind(&[ch('+'), ch('=')], Action::ZoomIn, CURVES, Some("closer"), "Look at less time, closer"),
    bind(&[ch('-')], Action::ZoomOut, CURVES, Some("wider"), "Look at more time"),
    bind(&[ch('F')], Action::Spectrum, METRICS, Some("rhythms"), "The rhythms of the curve, with the periods that were learned; or the curve again"),
    bind(&[ch('P')], Action::Pin, METRICS, Some("pin"), "Keep this series on the screen beside the next, or no more"),
    bind(&[ch('/'), ch('f')], Action::Filter, NOT_METRICS, Some("filter"), "Filter events: tier>=warning service:web \"text\" -level:debug"),
    bind(&[key(KeyCode::Esc), key(KeyCode::Backspace)], Action::Back, EVERYWHERE, None, "Close what is open, then clear the filter"),
    bind(&[ch('?'), key(KeyCode::F(1))], Action::Help, EVERYWHERE, Some("help"), "This help"),
    bind(&[ch(' ')], Action::Follow, EVERYWHERE, Some("pause"), "Stop time in every view, or let it go on"),
    bind(&[ch('[')], Action::BackInTime, EVERYWHERE, None, "Back in time, by half of what curves show"),
    bind(&[ch(']')], Action::Onward, EVERYWHERE, None, "On in time, up to now"),
    bind(&[ch('{')], Action::StepBack, EVERYWHERE, None, "Ten seconds back in time"),
    bind(&[ch('}')], Action::StepOn, EVERYWHERE, None, "Ten seconds on in time"),
    bind(&[ch('N')], Action::PreviousAnomaly, NOT_EVENTS, Some("unusual before"), "To the moment of the unusual event before"),
    bind(&[ch('n')], Action::NextAnomaly, NOT_EVENTS, None, "To the moment of the next unusual event"),
    bind(&[ch('@')], Action::GoTo, EVERYWHERE, None, "To a moment: 5m (ago), 14:05, or RFC 3339"),
    bind(&[ch('L')], Action::Live, EVERYWHERE, None, "Live again: now, in every view"),
    bind(&[ch('s')], Action::Sort, PROCESSES, Some("sort"), "Order by CPU, memory, I/O, age, pid"),
    bind(&[ch('T')], Action::Tree, PROCESSES, Some("tree"), "Show children below their parents, or all in one order"),
    bind(&[ch('X')], Action::Signal, PROCESSES, Some("signal"), "Send a signal to the selected process; asks first"),
    bind(&[ch('p')], Action::OfProcess, SUBJECTS, None, "Show everything that this process did"),
    bind(&[ch('m')], Action::OfKind, EVENT_LISTS, None, "Show more events of this kind and subject"),
    bind(&[ch('a')], Action::Around, EVENT_LISTS, None, "Show what happened around this event"),
    bind(&[ch('n')], Action::NextUnusual, EVENTS, Some("next unusual"), "To the next unusual event; at the end of the list, on in time"),
    bind(&[ch('N')], Action::PreviousUnusual, EVENTS, None, "To the unusual event before; at the start of the list, back in time"),
    bind(&[ch('y')], Action::Copy, COPIED, None, "Copy the selected event as JSON (OSC 52)"),
    bind(&[ch('E')], Action::Export, EVERYWHERE, None, "Export what is seen to a file: .json, .csv or .txt"),
    bind(&[ch('R')], Action::Record, EVERYWHERE, None, "Record the session to a file, or stop"),
    bind(&[ch('j'), key(KeyCode::Down)], Action::Move(Move::Down), EVERYWHERE, None, "Down"),
    bind(&[ch('k'), key(KeyCode::Up)], Action::Move(Move::Up), EVERYWHERE, None, "Up"),
    bind(&[ch('J')], Action::Scroll(1), DETAILS, None, "Scroll the detail down"),
    bind(&[ch('K')], Action::Scroll(-1), DETAILS, None, "Scroll the detail up"),
    bind(&[ctrl('d'), key(KeyCode::PageDown)], Action::Move(Move::PageDown), EVERYWHERE, None, "A page down"),
    bind(&[ctrl('u'), key(KeyCode::PageUp)], Action::Move(Move::PageUp), EVERYWHERE, None, "A page up"),
    bind(&[ch('g'), key(KeyCode::Home)], Action::Move(Move::First), EVERYWHERE, None, "To the first"),
    bind(&[ch('G'), key(KeyCode::End)], Action::Move(Move::Last), EVERYWHERE, None, "To the last; a list of events follows again"),
    bind(&[key(KeyCode::Tab), ch('l'), key(KeyCode::Right)], Action::NextTab, EVERYWHERE, None, "The next view"),
    bind(&[key(KeyCode::BackTab), ch('h'), key(KeyCode::Left)], Action::PreviousTab, EVERYWHERE, None, "The view before"),
    bind(&[ch('1')], Action::Show(Tab::Overview), EVERYWHERE, None, "Overview: what is unusual, vital signs, events"),
    bind(&[ch('2')], Action::Show(Tab::Incidents), EVERYWHERE, None, "Incidents: what is unusual together, and who is behind it"),
    bind(&[ch('3')], Action::Show(Tab::Events), EVERYWHERE, None, "Events: all, filtered and followed"),
    bind(&[ch('4')], Action::Show(Tab::Metrics), EVERYWHERE, None, "Metrics: every series over time"),
    bind(&[ch('5')], Action::Show(Tab::Processes), EVERYWHERE, None, "Processes: who uses what"),
    bind(&[ch('6')], Action::Show(Tab::Kernel), EVERYWHERE, None, "Kernel: waits for CPUs and disks, TCP, programs and their cost"),
    bind(&[ch('7')], Action::Show(Tab::Health), EVERYWHERE, None, "Health: the agent itself"),
    bind(&[ch('8')], Action::Show(Tab::Hosts), EVERYWHERE, None, "Hosts: several agents at once, the worst first"),
    bind(&[ch(':'), ctrl('p')], Action::Palette, EVERYWHERE, Some("commands"), "Find a command by its words"),
    bind(&[ch('x')], Action::ClearFilter, EVENTS, None, "Clear the filter"),
    bind(&[ch('r')], Action::Retry, EVERYWHERE, None, "Try to reach the agent now"),
    bind(&[ch('t')], Action::NextTheme, EVERYWHERE, None, "The next set of colours"),
    bind(&[ctrl('l')], Action::Redraw, EVERYWHERE, None, "Draw the screen anew"),
    bind(&[ch('q'), ctrl('c')], Action::Quit, EVERYWHERE, Some("quit"), "Quit"),
];

/// The keys as they are set: for each of [`BINDINGS`] its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Keymap(Vec<Cow<'static, [Key]>>);

impl Default for Keymap {
    fn default() -> Self {
        let keys = BINDINGS.iter().map(|binding| Cow::Borrowed(binding.keys));
        Self(keys.collect())
    }
}

impl Keymap {
    /// All bindings with their keys.
    pub(crate) fn all(&self) -> impl Iterator<Item = (&'static Binding, &[Key])> {
        BINDINGS.iter().zip(self.0.iter().map(AsRef::as_ref))
    }

    /// What a key does in a view. The first binding that fits wins.
    pub(crate) fn action(&self, event: KeyEvent, tab: Tab) -> Option<Action> {
        let mut here = self.all().filter(|(binding, _)| binding.place.has(tab));
        let found = here.find(|(_, keys)| keys.iter().any(|key| key.is(event)));
        found.map(|(binding, _)| binding.action)
    }

    /// Gives an action other keys, wherever it has some.
    pub(crate) fn set(&mut self, name: &str, keys: &[Key]) {
        for (slot, binding) in self.0.iter_mut().zip(BINDINGS) {
            if binding.action.name() == name {
                *slot = Cow::Owned(keys.to_vec());
            }
        }
    }

    /// A key with two meanings in one view, in words.
    pub(crate) fn conflict(&self) -> Option<String> {
        for tab in Tab::ALL {
            let mut seen: Vec<(Key, Action)> = Vec::new();
            for (binding, keys) in self.all().filter(|(b, _)| b.place.has(tab)) {
                for key in keys {
                    if let Some((_, other)) = seen.iter().find(|(k, _)| k == key) {
                        return Some(format!(
                            "`{}` is both `{}` and `{}` in the view {}",
                            key.name(),
                            other.name(),
                            binding.action.name(),
                            tab.name()
                        ));
                    }
                    seen.push((*key, binding.action));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_key_has_two_meanings_in_one_view() {
        assert_eq!(Keymap::default().conflict(), None);
        let mut keys = Keymap::default();
        keys.set("export", &[ch('q')]);
        assert!(keys.conflict().is_some());
    }

    #[test]
    fn every_key_is_found_by_its_name_and_every_action_has_one() {
        for binding in BINDINGS {
            for key in binding.keys {
                assert_eq!(Key::parse(&key.name()), Ok(*key));
            }
            let name = binding.action.name();
            assert!(
                name.chars().all(|c| c.is_ascii_lowercase() || c == '-'),
                "{name}"
            );
        }
        assert!(Key::parse("").is_err() && Key::parse("F99").is_err());
    }

    #[test]
    fn keys_that_are_set_do_it_instead() {
        let mut keys = Keymap::default();
        keys.set("quit", &[Key::parse("Ctrl-q").expect("a key")]);
        let event = |code, modifiers| KeyEvent::new(KeyCode::Char(code), modifiers);
        let quits = |event| keys.action(event, Tab::Events) == Some(Action::Quit);
        assert!(quits(event('q', KeyModifiers::CONTROL)));
        assert!(!quits(event('q', KeyModifiers::NONE)));
    }

    #[test]
    fn capitals_are_told_with_or_without_shift() {
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let event = KeyEvent::new(KeyCode::Char('G'), modifiers);
            let action = Keymap::default().action(event, Tab::Events);
            assert_eq!(action, Some(Action::Move(Move::Last)));
        }
        let event = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        let action = Keymap::default().action(event, Tab::Health);
        assert_eq!(action, Some(Action::Quit));
    }
}
