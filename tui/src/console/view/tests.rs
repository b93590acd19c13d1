//! Every view as it looks at four sizes, with nothing, ordinary and hostile data.

mod keys;

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
use crate::console::state::ask::Ask;
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
        for event in sample::failed_calls(name) {
            app.live.failures.push(&event);
        }
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
        answer_curves(&mut app);
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

/// Answers what the view of incidents asks for.
fn answer_curves(app: &mut App) {
    app.tab = Tab::Incidents;
    while let Some(Ask::Data { key, from, to }) = update::ask(app) {
        let mut data = Box::new(sample::memory_data());
        data.band = Some(hark_api::Band {
            low: 4.9e9,
            high: 5.8e9,
        });
        data.key = key;
        update::news(app, News::Data { data, from, to });
    }
    app.tab = Tab::Overview;
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
fn templates_stand_in_place_of_the_events_and_filter_them() {
    for (data, mut app) in [("ordinary", ordinary()), ("hostile", hostile())] {
        press(&mut app, "3T");
        assert_eq!(update::ask(&mut app), Some(Ask::Templates));
        let name = (data == "hostile").then_some(HOSTILE);
        update::news(&mut app, News::Templates(sample::templates(name)));
        insta::assert_snapshot!(format!("templates_{data}"), at_all_sizes(&app));
        press(&mut app, "jj\n");
        assert_eq!(app.scene().events.filter_text(), "template:2");
        assert!(!app.templates.is_shown);
        press(&mut app, "T\u{1B}");
        assert!(!app.templates.is_shown, "Esc shows the events again");
    }
    let mut app = ordinary();
    press(&mut app, "3T");
    update::news(&mut app, News::Templates(Vec::new()));
    insta::assert_snapshot!("templates_empty", at_all_sizes(&app));
}

#[test]
fn failed_calls_that_are_not_counted_say_how_to_count_them() {
    let mut app = ordinary();
    let mut status = sample::status(None);
    let feature = status
        .features
        .iter_mut()
        .find(|f| f.name == "syscall_error");
    feature.expect("is there").state = hark_api::FeatureState::Disabled;
    update::news(&mut app, News::Status(Box::new(Clean::new(status))));
    press(&mut app, "6");
    insta::assert_snapshot!("kernel_calls_off", at_all_sizes(&app));
    assert!(screen(&app, (120, 40)).contains("kernel.extra_features = [\"syscall_error\"]"));
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
