use proptest::prelude::*;

use super::*;
use crate::{
    Event, EventId, Fields, Kind, Level, Process, Reason, ReasonCode, ReturnPeriod, Source, Tier,
    TraceContext, Verdict,
};

const NOW: i64 = 1_800_000_000_000_000_000;

fn event() -> Event {
    let time = Timestamp::from_nanos(NOW - 600_000_000_000);
    Event {
        id: EventId(42),
        time,
        received: time,
        source: Source::Log,
        kind: Kind::Log,
        level: Level::Error,
        message: "Connection refused by 10.2.6.110: upstream timed-out (größe 5)".to_owned(),
        template: Some(3),
        service: Some("nginx".to_owned()),
        host: Some("web-01".to_owned()),
        process: Some(Box::new(Process {
            pid: 1234,
            uid: Some(33),
            comm: "postgres".to_owned(),
            exe: Some("/usr/lib/postgresql/15/bin/postgres".to_owned()),
            ..Process::default()
        })),
        fields: Fields::from_iter([
            ("status", serde_json::json!(502)),
            ("path", serde_json::json!("/API/v1")),
            ("ms", serde_json::json!("250.5")),
            ("ok", serde_json::json!(false)),
            ("none", serde_json::Value::Null),
            ("odd name", serde_json::json!({"a": 1})),
        ]),
        trace: Some(TraceContext {
            trace_id: "0af7651916cd43dd8448eb211c80319c".to_owned(),
            span_id: "b7ad6b7169203331".to_owned(),
            flags: 1,
        }),
        verdict: Verdict {
            tier: Tier::Warning,
            rarity: Some(ReturnPeriod::from_secs(8.0 * 86_400.0)),
            reasons: vec![Reason::new(ReasonCode::Burst, "many")],
        },
    }
}

fn parse(text: &str) -> Result<Filter, FilterError> {
    Filter::parse_at(text, Timestamp::from_nanos(NOW))
}

#[track_caller]
fn holds(text: &str) -> bool {
    parse(text)
        .unwrap_or_else(|error| panic!("{text}: {error}"))
        .matches(&event())
}

#[test]
fn what_holds() {
    for text in [
        "",
        "  ",
        "refused",
        "REFUSED",
        "\"connection refused\"",
        "connection upstream",
        "refus*",
        "*fused",
        "conn*refused",
        "10.2.6.110",
        "\"10.2.6.110: upstream\"",
        "größe",
        "gr*e",
        "con*tim*out",
        "re*by",
        "nothing OR refused",
        "nothing or refused",
        "(nothing OR refused) level:error",
        "-nothing",
        "NOT nothing",
        "-(nothing refused)",
        "--refused",
        "refused AND upstream",
        "tier>=warning",
        "tier<high",
        "level:error,fatal",
        "level!=debug",
        "level:err",
        "level>warn",
        "level~/^(err|fat)/",
        "source:log",
        "kind=log",
        "kind:*",
        "reason:burst",
        "reason:burst,new",
        "reason!=new",
        "service:NGINX",
        "service=nginx",
        "service!=apache",
        "service:apache,nginx",
        "service:ng*",
        "service:*",
        "-unit:*",
        "unit!=x.service",
        "host~/^web-\\d+$/",
        "msg~/time.?out|timed.out/",
        "msg~/TIMED/i",
        "message:refused",
        "msg~refused",
        "comm=postgres",
        "exe:/usr/*/postgres",
        "pid:1234",
        "pid>1000",
        "pid!=1",
        "uid<=33",
        "id>=42",
        "id:42",
        "template:3",
        "rarity>=7d",
        "rarity<1y",
        "trace:0af7651916cd43dd8448eb211c80319c",
        "span:b7ad6b7169203331",
        "fields.status:502",
        "fields.status>=500",
        "fields.ms>250",
        "fields.path:/api/v1",
        "fields.ok:false",
        "-fields.none:*",
        "-fields.absent:*",
        "fields.\"odd name\":*",
        "fields.path=\"/API/v1\"",
        "since:15m",
        "since:1h30m until:5m",
        "since:2027-01-15",
        "until:now",
        "time>=2027-01-15T07:49Z",
        "since:1799999000",
        "tier>=warning service:nginx \"connection refused\" comm=postgres pid:1234 -level:debug msg~/timed.?out/ since:15m",
    ] {
        assert!(holds(text), "{text}");
    }
}

#[test]
fn what_does_not_hold() {
    for text in [
        "refuse",
        "efused",
        "\"refused connection\"",
        "\"onnection refused\"",
        "nothing refused",
        "-refused",
        "größ",
        "tier>warning",
        "tier:normal",
        "level<=notice",
        "level:debug",
        "source:kernel",
        "reason:new",
        "service=NGINX",
        "service:apache",
        "service:n",
        "unit:*",
        "msg~/TIMED/",
        "message=\"connection refused\"",
        "comm=Postgres",
        "pid:12",
        "tid:1234",
        "rarity>30d",
        "fields.status<500",
        "fields.path=/api/v1",
        "fields.path>1",
        "fields.none:*",
        "since:5m",
        "until:15m",
        "until:2027-01-15T07:49Z",
    ] {
        assert!(!holds(text), "{text}");
    }
}

#[test]
fn errors_point_at_the_column() {
    for (text, column, reason) in [
        (
            "level:loud",
            7,
            "`loud` is not a level; known are: trace, debug",
        ),
        ("refused servce:nginx", 9, "did you mean `service`?"),
        ("12:30", 1, "searched for in quotes"),
        ("a (b OR c", 3, "this parenthesis is not closed"),
        ("a b)", 4, "a closing parenthesis without an opening one"),
        ("a \"b", 3, "this quote is not closed"),
        ("msg~/a(/", 5, "not a regular expression: unclosed group"),
        ("msg~/a", 5, "this `/` is not closed"),
        ("msg~/a/q", 8, "`q` is no flag"),
        ("since:yesterday", 7, "`yesterday` is not a time"),
        ("since>1h", 1, "write `since:15m`"),
        ("pid:init", 5, "`init` is not a number"),
        ("pid: 1", 5, "a value is missing here"),
        ("service>nginx", 9, "is not a number"),
        ("service>5", 9, "this field is text"),
        ("kind>log", 6, "no order"),
        ("a OR", 5, "a term is missing at the end"),
        ("OR a", 1, "a term is missing before this"),
        ("a AND", 6, "missing after `AND`"),
        ("()", 2, "a term is missing before `)`"),
        ("=5", 1, "a field's name is missing"),
        ("**", 1, "nothing to search for"),
        ("rarity>often", 8, "is not a duration"),
        ("fields.:5", 1, "the free field's name is missing"),
        ("größe level:x", 13, "is not a level"),
        ("pid>1,2", 6, "only one value"),
    ] {
        let error = parse(text).expect_err(text);
        assert_eq!(error.column, column, "{text}: {error}");
        assert!(error.reason.contains(reason), "{text}: {error}");
    }
}

#[test]
fn hostile_filters_are_refused_not_suffered() {
    let deep = "(".repeat(2000);
    let dashes = "-".repeat(2000) + "a";
    let many = "a ".repeat(500);
    let long = "a".repeat(5000);
    let regex = format!("msg~/{}/", "(a{999}){999}");
    for text in [deep, dashes, many, long, regex] {
        assert!(parse(&text).is_err(), "{}", &text[..20]);
    }
}

#[test]
fn whole_words_are_in_every_match() {
    let whole = |phrase: Phrase| {
        phrase
            .whole_words()
            .into_iter()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        whole(Phrase::exact("Connection refused").expect("text")),
        ["connection", "refused"]
    );
    assert_eq!(whole(Phrase::wild("refus*").expect("text")), [""; 0]);
    assert_eq!(whole(Phrase::wild("a-refus*").expect("text")), ["a"]);
    assert_eq!(whole(Phrase::wild("*x-a*b-c").expect("text")), ["c"]);
}

proptest! {
    #[test]
    fn any_text_is_parsed_or_refused(text in "[-a-z0-9 :=<>!~()\"/*,.\\\\ORNTAD]{0,40}") {
        if let Ok(filter) = parse(&text) {
            filter.matches(&event());
        }
    }

    #[test]
    fn an_error_points_into_the_text(text in ".{0,30}") {
        if let Err(error) = parse(&text) {
            prop_assert!((1..=text.chars().count() + 1).contains(&error.column), "{}", error);
        }
    }

    /// What the store's skipping rests on.
    #[test]
    fn a_phrase_in_a_message_has_its_whole_words_there(
        message in "[a-cA-C \\-_.é]{0,20}",
        phrase in "[a-c \\-.é*]{1,6}",
        wild: bool,
    ) {
        let phrase = if wild { Phrase::wild(&phrase) } else { Phrase::exact(&phrase) };
        if let Ok(phrase) = phrase && phrase.is_in(&message) {
            let lower = message.to_ascii_lowercase();
            let present: Vec<_> = words(&lower).collect();
            for word in phrase.whole_words() {
                prop_assert!(present.contains(&word), "{} in {}", word, message);
            }
        }
    }
}
