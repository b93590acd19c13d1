//! All that the console knows. `update` changes it, `view` draws it; it does neither itself.

pub(crate) mod ask;
pub(crate) mod browse;
pub(crate) mod connects;
pub(crate) mod curves;
pub(crate) mod expected;
pub(crate) mod failures;
pub(crate) mod heat;
pub(crate) mod history;
pub(crate) mod hosts;
pub(crate) mod incidents;
pub(crate) mod log;
pub(crate) mod metrics;
pub(crate) mod processes;
pub(crate) mod reel;
pub(crate) mod scene;
pub(crate) mod templates;
pub(crate) mod trail;
pub(crate) mod travel;
pub(crate) mod unusual;

use std::cell::Cell;

use hark_api::{Event, EventId, FilterError, IncidentId, Status, Timestamp};
use tui_input::Input;

use self::curves::Curves;
use self::expected::Expected;
use self::heat::Heat;
use self::hosts::Hosts;
use self::metrics::Metrics;
use self::reel::Reel;
use self::scene::Scene;
use self::templates::Templates;
use self::travel::Travel;
use super::keys::Keymap;
use super::signal::Target;
use super::theme::Theme;
use crate::clean::Clean;
use crate::remedy::Remedy;

/// Filters that are remembered.
const FILTERS: usize = 50;

/// The console's state.
pub(crate) struct App {
    /// The time on the clock, set before each frame.
    pub(crate) now: Timestamp,
    /// Where the agent is looked for.
    pub(crate) endpoint: Clean<String>,
    pub(crate) theme: Theme,
    pub(crate) keys: Keymap,
    /// Whether what comes is written to a file.
    pub(crate) is_recording: bool,
    pub(crate) link: Link,
    pub(crate) status: Option<Clean<Status>>,
    /// The one before, for rates.
    pub(crate) status_before: Option<Clean<Status>>,
    /// What the host shows now.
    pub(crate) live: Scene,
    /// The moment that is looked at instead.
    pub(crate) travel: Option<Travel>,
    /// Readings as they were seen.
    pub(crate) reel: Reel,
    /// Where vital signs are expected to lie.
    pub(crate) expected: Expected,
    /// Events that the agent could not bring here fast enough; it has them stored.
    pub(crate) missed: u64,
    pub(crate) tab: Tab,
    /// The event selected among the unusual ones; the worst where `None`.
    pub(crate) unusual_selected: Option<EventId>,
    pub(crate) detail: Detail,
    /// Whether the agent runs on this host, as far as one can tell: it is spoken with over a socket.
    pub(crate) is_local: bool,
    pub(crate) metrics: Metrics,
    /// Several hosts, where they are asked for.
    pub(crate) hosts: Hosts,
    keep: usize,
    pub(crate) heat: Heat,
    /// The metrics of the selected incident.
    pub(crate) curves: Curves,
    /// The log templates, which the view of events shows where they are asked for.
    pub(crate) templates: Templates,
    /// How far the views of plain text are scrolled.
    pub(crate) scroll: Scroll,
    pub(crate) overlay: Overlay,
    /// Filters used before, the newest last.
    pub(crate) filters_used: Vec<String>,
    /// A short word on what was just done, and until when it is shown.
    pub(crate) said: Option<(String, Timestamp)>,
    /// How many rows a page of the current list has, as last drawn.
    pub(crate) page: Cell<u16>,
}

impl App {
    pub(crate) fn new(endpoint: String, theme: Theme, keep: usize) -> Self {
        Self {
            now: Timestamp::now(),
            endpoint: Clean::new(endpoint),
            theme,
            keys: Keymap::default(),
            is_recording: false,
            link: Link::Connecting,
            status: None,
            status_before: None,
            live: Scene::new(keep),
            travel: None,
            reel: Reel::default(),
            expected: Expected::default(),
            missed: 0,
            tab: Tab::Overview,
            unusual_selected: None,
            detail: Detail::default(),
            is_local: false,
            metrics: Metrics::new(),
            hosts: Hosts::default(),
            keep,
            heat: Heat::default(),
            curves: Curves::default(),
            templates: Templates::default(),
            scroll: Scroll::default(),
            overlay: Overlay::None,
            filters_used: Vec::new(),
            said: None,
            page: Cell::new(10),
        }
    }

    /// Looks at another host, of which nothing is known yet.
    pub(crate) fn enter(&mut self, at: usize) {
        let Some(host) = self.hosts.all.get(at) else {
            return;
        };
        self.endpoint = host.endpoint.clone();
        self.hosts.entered = at;
        self.link = Link::Connecting;
        self.status = None;
        self.status_before = None;
        self.live = Scene::new(self.keep);
        self.travel = None;
        self.reel = Reel::default();
        self.expected = Expected::default();
        self.missed = 0;
        self.metrics = Metrics::new();
        self.heat = Heat::default();
        self.curves = Curves::default();
        self.templates = Templates::default();
        self.detail = Detail::default();
        self.unusual_selected = None;
        self.is_local = false;
    }

    /// Keeps a filter, so that one finds it again.
    pub(crate) fn remember_filter(&mut self, text: &str) {
        if text.is_empty() {
            return;
        }
        self.filters_used.retain(|used| used != text);
        self.filters_used.push(text.to_owned());
        if self.filters_used.len() > FILTERS {
            self.filters_used.remove(0);
        }
    }

    /// The views that have a place in the first line.
    pub(crate) fn tabs(&self) -> &'static [Tab] {
        let all = &Tab::ALL;
        if self.hosts.all.is_empty() && self.tab != Tab::Hosts {
            &all[..all.len() - 1]
        } else {
            all
        }
    }

    /// What is looked at: now, or a moment before.
    pub(crate) fn scene(&self) -> &Scene {
        self.travel.as_ref().map_or(&self.live, |then| &then.scene)
    }

    /// The same, to be changed.
    pub(crate) fn scene_mut(&mut self) -> &mut Scene {
        match &mut self.travel {
            Some(travel) => &mut travel.scene,
            None => &mut self.live,
        }
    }

    /// The time that is looked at.
    pub(crate) fn at(&self) -> Timestamp {
        self.travel.as_ref().map_or(self.now, |travel| travel.at)
    }

    /// The event that the detail pane shows, where it is open.
    pub(crate) fn detailed(&self) -> Option<Clean<Event>> {
        let scene = self.scene();
        match &self.detail.of {
            DetailOf::Nothing => None,
            DetailOf::Selected => scene.log.get(scene.events.selected(&scene.log)?),
            DetailOf::Event(event) => Some((**event).clone()),
        }
    }
}

/// The connection with the agent.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Link {
    /// The first answer is waited for.
    Connecting,
    /// Streams run.
    Live,
    /// A recorded session is shown.
    Replay,
    /// There is none.
    Down {
        /// What went wrong.
        why: Clean<String>,
        remedy: Option<Remedy>,
        /// When it is tried again.
        retry: Timestamp,
    },
}

/// The views.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tab {
    Overview,
    Incidents,
    Events,
    Metrics,
    Processes,
    Kernel,
    Health,
    Hosts,
}

impl Tab {
    pub(crate) const ALL: [Self; 8] = [
        Self::Overview,
        Self::Incidents,
        Self::Events,
        Self::Metrics,
        Self::Processes,
        Self::Kernel,
        Self::Health,
        Self::Hosts,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Overview => "Overview",
            Self::Incidents => "Incidents",
            Self::Events => "Events",
            Self::Metrics => "Metrics",
            Self::Processes => "Processes",
            Self::Kernel => "Kernel",
            Self::Health => "Health",
            Self::Hosts => "Hosts",
        }
    }

    /// The tab some places on among these, around the ends.
    pub(crate) fn step(self, by: isize, among: &[Self]) -> Self {
        let at = (self as isize + by).rem_euclid(among.len() as isize);
        among[at as usize]
    }
}

/// What the detail pane shows.
#[derive(Default)]
pub(crate) struct Detail {
    pub(crate) of: DetailOf,
    pub(crate) scroll: Scroll,
}

#[derive(Default)]
pub(crate) enum DetailOf {
    /// It is closed.
    #[default]
    Nothing,
    /// The event selected in the list.
    Selected,
    /// An event that the list may not have.
    Event(Box<Clean<Event>>),
}

/// How far text is scrolled. What is drawn bounds it, so it is kept in bounds when drawn.
#[derive(Default)]
pub(crate) struct Scroll(Cell<usize>);

impl Scroll {
    pub(crate) fn by(&self, lines: isize) {
        self.0.set(self.0.get().saturating_add_signed(lines));
    }

    pub(crate) fn to(&self, line: usize) {
        self.0.set(line);
    }

    /// The first line to draw of so many on a screen of this height.
    pub(crate) fn top(&self, lines: usize, height: usize) -> usize {
        let top = self.0.get().min(lines.saturating_sub(height));
        self.0.set(top);
        top
    }
}

/// What lies over the view and takes the keys.
pub(crate) enum Overlay {
    None,
    Help(Scroll),
    Palette {
        input: Input,
        selected: usize,
    },
    Filter(FilterPrompt),
    /// A note on an incident.
    Note {
        input: Input,
        id: IncidentId,
    },
    /// The moment to go to, and what is wrong with it.
    Moment {
        input: Input,
        error: Option<String>,
    },
    /// The name of the file that what is seen is exported to.
    Export(Input),
    /// The name of the file that the session is recorded to.
    Record(Input),
    /// A signal to be sent, by its place among [`super::signal::SIGNALS`].
    Signal {
        target: Target,
        chosen: usize,
    },
    /// A search in the names of metrics, and what was searched for before.
    Search {
        input: Input,
        before: String,
    },
}

/// The filter as it is typed.
pub(crate) struct FilterPrompt {
    pub(crate) input: Input,
    pub(crate) error: Option<FilterError>,
    /// What the filter was, to come back to.
    pub(crate) before: String,
    /// How far back in the history one is; 0 is what is typed.
    pub(crate) back: usize,
}

/// The first row of a list that is drawn, kept from one frame to the next.
#[derive(Default)]
pub(crate) struct Top(Cell<usize>);

impl Top {
    /// Begins the next frame with a row, as far as the selected one is seen then.
    pub(crate) fn set(&self, row: usize) {
        self.0.set(row);
    }

    /// The first row of this frame: see [`scroll_to`].
    pub(crate) fn follow(&self, selected: usize, height: usize, len: usize) -> usize {
        self.0.set(scroll_to(self.0.get(), selected, height, len));
        self.0.get()
    }
}

/// The first row to draw so that the selected one is seen, moving as little as need be.
pub(crate) fn scroll_to(top: usize, selected: usize, height: usize, len: usize) -> usize {
    let lowest = (selected + 1).saturating_sub(height);
    let highest = selected.min(len.saturating_sub(height));
    top.clamp(lowest.min(highest), highest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_selected_row_is_always_seen() {
        for len in 0..20 {
            for height in 1..10 {
                for selected in 0..len {
                    for top in 0..25 {
                        let top = scroll_to(top, selected, height, len);
                        assert!((top..top + height).contains(&selected));
                        assert!(top == 0 || top + height <= len);
                    }
                }
            }
        }
    }

    #[test]
    fn tabs_go_round() {
        assert_eq!(Tab::Overview.step(-1, &Tab::ALL[..7]), Tab::Health);
        assert_eq!(Tab::Hosts.step(1, &Tab::ALL), Tab::Overview);
        for (i, tab) in Tab::ALL.into_iter().enumerate() {
            assert_eq!(tab as usize, i);
        }
    }
}
