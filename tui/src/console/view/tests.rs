//! Every view as it looks at four sizes, with nothing, ordinary and hostile data; and what keys do
//! to it.

use std::fmt::Write as _;

use crossterm::event::{Event as Input, KeyCode, KeyEvent, KeyModifiers};
use hark_api::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use unicode_width::UnicodeWidthStr as _;

use crate::clean::Clean;
use crate::cli::ThemeName;
use crate::console::connection::News;
use crate::console::sample::{self, HOSTILE, NOON};
use crate::console::state::{App, Overlay, Tab};
use crate::console::theme::{Depth, Theme};
use crate::console::update::{self, Effect};
use crate::remedy::Remedy;

const SIZES: [(u16, u16); 4] = [(40, 12), (80, 24), (120, 40), (200, 60)];

fn empty() -> App {
    let theme = Theme::new(ThemeName::Dark, Depth::True);
    let mut app = App::new("/run/hark/agent.sock".into(), theme, 10_000);
    app.now = NOON;
    app
}

fn filled(name: Option<&str>, events: Vec<hark_api::Event>) -> App {
    let mut app = empty();
    update::news(
        &mut app,
        News::Status(Box::new(Clean::new(sample::status(name)))),
    );
    update::news(&mut app, News::Live);
    for second in 1..=600 {
        update::news(
            &mut app,
            News::Vitals(Box::new(sample::vitals(second, name))),
        );
    }
    update::news(&mut app, News::Events(events));
    if !app.scene().log.is_empty() {
        let listed = sample::listed(name);
        let data = hark_api::SeriesData {
            key: listed[0].key.clone(),
            step: 1,
            points: sample::load_points(),
            band: listed[0].band,
            periods: vec![56.5, 300.0],
        };
        update::news(&mut app, News::Series(listed));
        let from = NOON.plus_nanos(-900_000_000_000);
        let data = Box::new(data);
        update::news(
            &mut app,
            News::Data {
                data,
                from,
                to: NOON,
            },
        );
        update::news(&mut app, News::Incidents(sample::incidents(name)));
        let maps = sample::heat();
        let time = (from, NOON, 10);
        update::news(&mut app, News::Heat { maps, time });
        // Two seconds before, the programs had run less often.
        let mut before = sample::status(name);
        before.now = before.now.plus_nanos(-2_000_000_000);
        let programs = before.features.iter_mut().flat_map(|f| &mut f.programs);
        programs.for_each(|program| program.runs = program.runs.map(|runs| runs - 900));
        app.status_before = Some(Clean::new(before));
    }
    app
}

fn ordinary() -> App {
    filled(None, sample::events())
}

fn hostile() -> App {
    filled(Some(HOSTILE), sample::hostile_events())
}

fn buffer(app: &App, (width, height): (u16, u16)) -> Buffer {
    let mut buffer = Buffer::empty(Rect::new(0, 0, width, height));
    super::draw(app, &mut buffer);
    buffer
}

/// The cells as text, a line each, without the second cell of wide characters.
fn screen(app: &App, size: (u16, u16)) -> String {
    let buffer = buffer(app, size);
    let mut text = String::new();
    for y in 0..size.1 {
        let mut line = String::new();
        let mut x = 0;
        while x < size.0 {
            let symbol = buffer[(x, y)].symbol();
            line.push_str(symbol);
            x += symbol.width().max(1) as u16;
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn at_all_sizes(app: &App) -> String {
    let mut text = String::new();
    for (width, height) in SIZES {
        let _ = writeln!(text, "== {width}x{height}");
        text.push_str(&screen(app, (width, height)));
    }
    text
}

fn press(app: &mut App, keys: &str) -> Option<Effect> {
    let mut effect = None;
    for c in keys.chars() {
        let code = match c {
            '\n' => KeyCode::Enter,
            '\u{1B}' => KeyCode::Esc,
            c => KeyCode::Char(c),
        };
        let key = Input::Key(KeyEvent::new(code, KeyModifiers::NONE));
        effect = update::input(app, &key, &[]);
    }
    effect
}

#[test]
fn views_look_right() {
    for tab in Tab::ALL {
        for (data, mut app) in [("ordinary", ordinary()), ("hostile", hostile())] {
            app.tab = tab;
            if tab == Tab::Hosts {
                app.hosts = sample::hosts((data == "hostile").then_some(HOSTILE));
            }
            let name = format!("{}_{data}", tab.name().to_lowercase());
            insta::assert_snapshot!(name, at_all_sizes(&app));
        }
        let mut bare = filled(None, Vec::new());
        bare.live.vitals = None;
        bare.live.history = crate::console::state::history::History::default();
        bare.tab = tab;
        insta::assert_snapshot!(
            format!("{}_empty", tab.name().to_lowercase()),
            at_all_sizes(&bare)
        );
    }
}

#[test]
fn the_first_frame_needs_no_agent() {
    insta::assert_snapshot!("connecting", at_all_sizes(&empty()));
}

#[test]
fn an_agent_that_is_not_there_is_explained() {
    let source = std::io::ErrorKind::NotFound.into();
    let endpoint = hark_api::client::Endpoint::Unix("/run/hark/agent.sock".into());
    let error = hark_api::client::ClientError::Connect { endpoint, source };
    let down = |app: &mut App| {
        let news = News::Down {
            why: error.to_string(),
            remedy: Remedy::of(&error),
            wait: std::time::Duration::from_secs(4),
        };
        update::news(app, news);
    };
    let mut app = empty();
    down(&mut app);
    insta::assert_snapshot!("no_agent", at_all_sizes(&app));
    assert!(screen(&app, (80, 24)).contains("Trying again in 5 s"));
    app.now = NOON.plus_nanos(3_000_000_000);
    assert!(screen(&app, (80, 24)).contains("Trying again in 2 s"));
    assert_eq!(press(&mut app, "r"), Some(Effect::Retry));

    // Once there was an agent, what it told stays on the screen.
    let mut app = ordinary();
    down(&mut app);
    insta::assert_snapshot!("lost_agent", screen(&app, (80, 24)));
}

#[test]
fn help_and_palette_show_the_real_keys() {
    let mut app = ordinary();
    press(&mut app, "3?");
    insta::assert_snapshot!("help", at_all_sizes(&app));
    press(&mut app, "\u{1B}:unus");
    insta::assert_snapshot!("palette", screen(&app, (80, 24)));
}

#[test]
fn an_event_opens_with_all_that_is_known() {
    let mut app = ordinary();
    // The worst of the unusual ones is selected first: the OOM kill.
    press(&mut app, "\n");
    assert_eq!(app.tab, Tab::Events);
    insta::assert_snapshot!("detail_ordinary", at_all_sizes(&app));
    let mut app = hostile();
    press(&mut app, "\n");
    insta::assert_snapshot!("detail_hostile", at_all_sizes(&app));
}

#[test]
fn keys_lead_from_an_anomaly_to_what_is_around_it() {
    let mut app = ordinary();
    press(&mut app, "\n");
    let event = app.detailed().expect("the OOM kill");
    assert_eq!(event.kind, hark_api::Kind::OomKill);
    press(&mut app, "p");
    let pid = event.process.as_ref().map(|process| process.pid);
    assert_eq!(
        app.scene().events.filter_text(),
        format!("pid:{}", pid.expect("a process"))
    );
    press(&mut app, "\u{1B}\u{1B}");
    assert_eq!(app.scene().events.filter_text(), "");
}

#[test]
fn what_is_seen_is_exported() {
    let dir = tempfile::tempdir().expect("a directory");
    let screen = Rect::new(0, 0, 80, 24);
    let export = |app: &mut App, tab: Tab, name: &str| {
        app.tab = tab;
        let path = dir.path().join(name);
        let path = path.to_str().expect("a name");
        crate::console::export::write(app, path, screen)
            .map(|_| std::fs::read_to_string(path).expect("written"))
    };
    let mut app = ordinary();
    let events = export(&mut app, Tab::Events, "events.csv").expect("a table");
    assert_eq!(events.lines().count(), app.scene().log.len() + 1);
    assert!(events.contains(",critical,"), "{events}");
    let text = export(&mut app, Tab::Overview, "screen.txt").expect("text");
    assert!(text.contains("Vital signs"), "{text}");
    let points = export(&mut app, Tab::Metrics, "points.json").expect("lines");
    let first: serde_json::Value =
        serde_json::from_str(points.lines().next().expect("a line")).expect("an object");
    assert_eq!(first["series"], "node_load1");
    let refused = export(&mut app, Tab::Events, "events.csv").expect_err("it is there");
    assert!(refused.contains("already"), "{refused}");
    export(&mut app, Tab::Health, "health.csv").expect_err("it is no table");
    // Nothing that could move a terminal's cursor gets into any of them.
    let mut app = hostile();
    for (tab, name) in [
        (Tab::Events, "a.csv"),
        (Tab::Processes, "b.csv"),
        (Tab::Overview, "c.txt"),
        (Tab::Incidents, "d.json"),
    ] {
        let text = export(&mut app, tab, name).expect("written");
        assert!(
            !text.contains('\u{1B}') && !text.contains('\u{202E}'),
            "{name}"
        );
    }
    for (keys, path) in [("Ea.csv\n", "a.csv"), (":export b.txt\n", "b.txt")] {
        assert_eq!(press(&mut app, keys), Some(Effect::Export(path.into())));
    }
}

#[test]
fn pinned_series_share_one_time_axis() {
    for (data, mut app) in [("ordinary", ordinary()), ("hostile", hostile())] {
        app.tab = Tab::Metrics;
        press(&mut app, "Pj");
        if data == "ordinary" {
            let to = NOON;
            let from = to.plus_nanos(-900_000_000_000);
            let data = Box::new(sample::memory_data());
            update::news(&mut app, News::Data { data, from, to });
        }
        insta::assert_snapshot!(format!("metrics_pinned_{data}"), at_all_sizes(&app));
    }
}

#[test]
fn the_rhythms_of_a_curve_are_shown_with_the_learned_periods() {
    for (data, mut app) in [("ordinary", ordinary()), ("hostile", hostile())] {
        press(&mut app, "4F");
        insta::assert_snapshot!(format!("spectrum_{data}"), at_all_sizes(&app));
    }
    let mut app = ordinary();
    press(&mut app, "4Fj");
    insta::assert_snapshot!("spectrum_empty", at_all_sizes(&app));
}

#[test]
fn a_session_is_recorded_from_its_middle_on() {
    let mut app = ordinary();
    let record = Effect::Record(Some("a b".into()));
    assert_eq!(press(&mut app, "Ra b\n"), Some(record.clone()));
    assert_eq!(press(&mut app, ":record a b\n"), Some(record));
    update::recording(&mut app, true, "Recording to a b");
    assert!(screen(&app, (80, 24)).contains("Recording to a b"));
    app.now = app.now.plus_nanos(10_000_000_000);
    assert!(screen(&app, (80, 24)).contains("⏺ recording"));
    assert_eq!(press(&mut app, "R"), Some(Effect::Record(None)));
    // What is known already comes first.
    let known = update::known(&app);
    assert!(matches!(known[0], News::Status(_)));
    let events = known.iter().find_map(|news| match news {
        News::Events(events) => Some(events.len()),
        _ => None,
    });
    assert_eq!(events, Some(600));
}

#[test]
fn a_host_of_several_is_looked_at() {
    let mut app = ordinary();
    app.hosts = sample::hosts(None);
    press(&mut app, "8jj");
    assert_eq!(press(&mut app, "\n"), None, "it is looked at already");
    assert_eq!(app.tab, Tab::Overview);
    assert_eq!(press(&mut app, "8k\n"), Some(Effect::Enter(1)));
    assert_eq!(*app.endpoint, "http://db.example:5000");
    assert!(app.scene().log.is_empty() && app.status.is_none());
}

#[test]
fn a_process_shows_what_it_did_and_gets_a_signal_only_when_that_is_confirmed() {
    for (data, mut app) in [("ordinary", ordinary()), ("hostile", hostile())] {
        let name = (data == "hostile").then_some(HOSTILE);
        let mut exit = sample::kernel(700, hark_api::Kind::Exit, "node", "killed by SIGKILL");
        if let Some(process) = &mut exit.process {
            process.pid = 937;
        }
        exit.message = name.unwrap_or("killed by SIGKILL").to_owned();
        update::news(&mut app, News::Events(vec![exit]));
        press(&mut app, "5jT");
        insta::assert_snapshot!(format!("processes_tree_{data}"), at_all_sizes(&app));
        assert_eq!(press(&mut app, "X"), None);
        assert!(matches!(app.overlay, Overlay::None), "it has ended");
        press(&mut app, "k");
        press(&mut app, "X");
        assert!(matches!(app.overlay, Overlay::None), "it is far away");
        app.is_local = true;
        assert_eq!(press(&mut app, "X\n"), None);
        insta::assert_snapshot!(format!("signal_{data}"), at_all_sizes(&app));
        assert_eq!(press(&mut app, "\u{1B}"), None);
        let Some(Effect::Signal(target, signal)) = press(&mut app, "Xjy") else {
            panic!("nothing is sent");
        };
        assert_eq!((target.pid, signal), (900, rustix::process::Signal::INT));
    }
}

#[test]
fn every_view_shows_a_moment_before() {
    for tab in Tab::ALL {
        for (data, mut app) in [("ordinary", ordinary()), ("hostile", hostile())] {
            app.tab = tab;
            app.now = NOON.plus_nanos(60_000_000_000);
            press(&mut app, "[");
            let name = format!("then_{}_{data}", tab.name().to_lowercase());
            insta::assert_snapshot!(name, at_all_sizes(&app));
        }
    }
    let mut bare = filled(None, Vec::new());
    press(&mut bare, "{");
    insta::assert_snapshot!("then_empty", at_all_sizes(&bare));
}

#[test]
fn time_stops_goes_back_to_what_was_unusual_and_is_live_again() {
    let mut app = ordinary();
    app.link = crate::console::state::Link::Replay;
    press(&mut app, "N");
    // The last unusual event, a second before noon.
    assert_eq!(app.at(), NOON.plus_nanos(-1_000_000_000));
    press(&mut app, "N");
    let oom = app.at();
    let last = app.scene().log.end() - 1;
    let event = app.scene().log.get(last).expect("the OOM kill");
    assert_eq!(event.kind, hark_api::Kind::OomKill);
    assert!(screen(&app, (80, 24)).contains("11:59:58"));
    let vitals = app.scene().vitals.as_ref().expect("as they were");
    assert!(vitals.time <= oom);
    // What comes meanwhile changes nothing that is seen but the count.
    update::news(&mut app, News::Events(vec![sample::log(601, "later")]));
    let seen = screen(&app, (80, 24));
    assert!(!seen.contains("later") && seen.contains("1 new"), "{seen}");
    press(&mut app, "nn");
    assert!(app.travel.is_none(), "there is nothing more, so it is now");
    press(&mut app, "@11:55\n");
    assert_eq!(app.at(), NOON.plus_nanos(-300_000_000_000));
    press(&mut app, "}");
    assert_eq!(app.at(), NOON.plus_nanos(-290_000_000_000));
    press(&mut app, "L");
    assert!(screen(&app, (80, 24)).contains("later"));
    press(&mut app, "@soon\n");
    assert!(screen(&app, (80, 24)).contains("write 5m"));
}

#[test]
fn what_the_console_does_not_have_of_a_moment_the_agent_is_asked_for() {
    use crate::console::state::ask::Ask;
    use crate::console::state::scene::Stored;
    let mut app = ordinary();
    press(&mut app, "@9h\n");
    let at = NOON.plus_nanos(-9 * 3_600_000_000_000);
    assert_eq!(update::ask(&mut app), Some(Ask::Scene(at)));
    assert!(screen(&app, (80, 24)).contains("asking"));
    let mut old = sample::log(1, "long ago");
    old.time = at.plus_nanos(-1_000_000_000);
    let stored = |at| Stored {
        at,
        events: vec![old.clone()],
        unusual: Vec::new(),
        past: Vec::new(),
    };
    // An answer for a moment that was left behind is none.
    update::news(&mut app, News::Stored(Box::new(stored(NOON))));
    assert_eq!(app.scene().log.len(), 0);
    update::news(&mut app, News::Stored(Box::new(stored(at))));
    assert!(screen(&app, (80, 24)).contains("long ago"));
    assert!(!matches!(update::ask(&mut app), Some(Ask::Scene(_))));
    let before = press(&mut app, "N");
    let ask = Ask::Anomaly { at, forward: false };
    assert_eq!(before, Some(Effect::Ask(ask)));
}

#[test]
fn a_pause_holds_the_list_while_events_come() {
    let mut app = ordinary();
    press(&mut app, "3 ");
    let before = screen(&app, (80, 24));
    let more = (601..=640).map(|id| sample::log(id, "later")).collect();
    update::news(&mut app, News::Events(more));
    let after = screen(&app, (80, 24));
    assert!(!after.contains("later"), "{after}");
    assert!(after.contains("40 new"), "{after}");
    let row = |text: &str| text.lines().nth(22).map(str::to_owned);
    assert_eq!(row(&before), row(&after));
    press(&mut app, " ");
    assert!(screen(&app, (80, 24)).contains("later"));
}

#[test]
fn hostile_text_stays_in_its_cells() {
    for tab in Tab::ALL {
        for size in SIZES {
            let mut app = hostile();
            app.tab = tab;
            let buffer = buffer(&app, size);
            for cell in buffer.content() {
                let symbol = cell.symbol();
                assert!(symbol.width() <= 2, "{symbol:?}");
                let harmless = symbol.chars().all(|c| {
                    !c.is_control() && !matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' | '\u{FEFF}')
                });
                assert!(harmless, "{symbol:?}");
            }
        }
    }
}

#[test]
fn no_size_breaks_a_view() {
    for app in [&mut ordinary(), &mut hostile(), &mut empty()] {
        for tab in Tab::ALL {
            app.tab = tab;
            for keys in ["", "\n", "?", "\u{1B}:", "\u{1B}/"] {
                press(app, keys);
                for width in [1, 2, 7, 19, 20, 33, 61, 77, 101, 139, 300] {
                    for height in [1, 2, 3, 4, 5, 9, 15, 22, 37, 100] {
                        buffer(app, (width, height));
                    }
                }
            }
            press(app, "\u{1B}\u{1B}\u{1B}");
        }
    }
}

#[test]
fn every_theme_draws_every_view() {
    use clap::ValueEnum as _;
    for name in ThemeName::value_variants() {
        for depth in [Depth::None, Depth::Sixteen, Depth::Cube, Depth::True] {
            let mut app = ordinary();
            let text = screen(&app, (120, 40));
            app.theme = Theme::new(*name, depth);
            // Colours change, the text does not.
            assert_eq!(screen(&app, (120, 40)), text);
        }
    }
}

#[test]
fn an_old_event_ages() {
    let mut app = ordinary();
    app.now = Timestamp::from_nanos(NOON.as_nanos() + 3 * 3_600_000_000_000);
    assert!(screen(&app, (120, 40)).contains(" 3h "));
    app.now = Timestamp::from_nanos(NOON.as_nanos() + 30 * 3_600_000_000_000);
    assert!(screen(&app, (120, 40)).contains("Nothing unusual in 24 hours"));
}
