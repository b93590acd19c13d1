//! What keys do to the views.

use ratatui::layout::Rect;

use super::{hostile, ordinary, press, screen};
use crate::console::connection::News;
use crate::console::sample::{self, NOON};
use crate::console::state::App;
use crate::console::state::Tab;
use crate::console::state::ask::Ask;
use crate::console::update::{self, Effect};

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
    // What a key has filtered by is found again among the filters used.
    assert_eq!(app.filters_used.len(), 1);
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
    let incidents = export(&mut app, Tab::Incidents, "incidents.csv").expect("a table");
    assert!(incidents.contains(",critical,"), "{incidents}");
    app.hosts = sample::hosts(None);
    let hosts = export(&mut app, Tab::Hosts, "hosts.csv").expect("a table");
    assert!(hosts.contains("connection refused"), "{hosts}");
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
fn an_incident_leads_to_its_curves() {
    let mut app = ordinary();
    press(&mut app, "2M");
    assert_eq!(app.tab, Tab::Metrics);
    let shown = app.metrics.selected().map(|(key, _)| key.as_str());
    assert_eq!(shown, Some("node_memory_MemAvailable_bytes"));
    assert!(app.travel.is_none(), "it goes on");
    // One that is over is looked at as it was.
    press(&mut app, "2jjM");
    let end = NOON.plus_nanos(-(6_000 - 300) * 1_000_000_000);
    assert_eq!(app.at(), end);
}

#[test]
fn what_a_later_agent_tells_is_shown_by_its_own_name() {
    let json = r#"{"id":601,"time":"2026-01-31T12:00:00Z","received":"2026-01-31T12:00:00Z",
        "source":"hypervisor","kind":"quota_exceeded","level":"info","message":"over quota",
        "balloon":{"pages":7},"verdict":{"tier":"high","reasons":[{"code":"echo","text":"as before"}]}}"#;
    let event: hark_api::Event = serde_json::from_str(json).expect("an event");
    let mut app = ordinary();
    update::news(&mut app, News::Events(vec![event]));
    press(&mut app, "3");
    let list = screen(&app, (120, 40));
    assert!(list.contains("quota_exceeded"), "{list}");
    press(&mut app, "G\n");
    let detail = screen(&app, (120, 40));
    for text in [
        "quota_exceeded from hypervisor",
        "unknown to this version",
        "echo",
        "balloon",
        r#"{"pages":7}"#,
    ] {
        assert!(detail.contains(text), "{text}: {detail}");
    }
    press(&mut app, "m");
    assert_eq!(app.scene().events.filter_text(), "");
    assert!(screen(&app, (120, 40)).contains("cannot filter by quota_exceeded"));
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
