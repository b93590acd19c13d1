//! Events and filters for property tests.

use hark_api::{
    Event, EventId, Fields, Kind, Level, Process, Reason, ReasonCode, ReturnPeriod, Source, Tier,
    Timestamp, TraceContext, Verdict,
};
use proptest::collection::{SizeRange, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Value, json};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "(alpha|beta|Gamma)",
        "conn(ection)? (refused|reset) by 10\\.0\\.0\\.[0-9]{1,2}",
        "id=[0-9a-f]{8} took [0-9]{1,3}ms",
        ".{0,10}",
    ]
}

fn value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..3).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        prop::num::f64::NORMAL.prop_map(Value::from),
        text().prop_map(Value::from),
        text().prop_map(|text| json!({"a": [text]})),
    ]
}

fn process() -> impl Strategy<Value = Process> {
    (
        (
            0u32..4,
            option::of(any::<u32>()),
            option::of(0u32..4),
            option::of(0u32..4),
        ),
        text(),
        (
            option::of(text()),
            option::of(text()),
            option::of(text()),
            option::of(text()),
        ),
    )
        .prop_map(
            |((pid, tid, ppid, uid), comm, (exe, cgroup, unit, container))| Process {
                pid,
                tid,
                ppid,
                uid,
                comm,
                exe,
                cgroup,
                unit,
                container,
            },
        )
}

fn trace() -> impl Strategy<Value = TraceContext> {
    (
        prop_oneof!["[0-9a-f]{32}", ".{0,8}"],
        prop_oneof!["[0-9a-f]{16}", ".{0,8}"],
        any::<u8>(),
    )
        .prop_map(|(trace_id, span_id, flags)| TraceContext {
            trace_id,
            span_id,
            flags,
        })
}

fn verdict() -> impl Strategy<Value = Verdict> {
    let number = || option::of(prop::num::f64::NORMAL);
    let reason = (
        prop::sample::select(ReasonCode::ALL),
        text(),
        (
            number(),
            option::of((-1.0..1.0, 1.0..2.0)),
            number(),
            number(),
            number(),
        ),
    )
        .prop_map(|(code, text, (value, band, p, period, history))| Reason {
            code,
            text,
            value,
            band,
            p,
            period,
            history,
        });
    prop_oneof![
        3 => Just(Verdict::default()),
        1 => (
            prop::sample::select(Tier::ALL),
            option::of((0.0..1e9).prop_map(ReturnPeriod::from_secs)),
            vec(reason, 0..3),
        )
            .prop_map(|(tier, rarity, reasons)| Verdict { tier, rarity, reasons }),
    ]
}

fn time() -> impl Strategy<Value = Timestamp> {
    prop_oneof![8 => -1000i64..1000, 1 => any::<i64>()].prop_map(Timestamp::from_nanos)
}

fn event() -> impl Strategy<Value = Event> {
    (
        (time(), time(), option::of(0u32..4)),
        prop::sample::select(Source::ALL),
        prop::sample::select(Kind::ALL),
        prop::sample::select(Level::ALL),
        (text(), option::of(text()), option::of(text())),
        option::of(process()),
        vec(("(a|b|long name|.{0,3})", value()), 0..4),
        option::of(trace()),
        verdict(),
    )
        .prop_map(
            |(
                (time, received, template),
                source,
                kind,
                level,
                (message, service, host),
                process,
                fields,
                trace,
                verdict,
            )| Event {
                id: EventId(0),
                time,
                received,
                source,
                kind,
                level,
                message,
                template,
                service,
                host,
                process: process.map(Box::new),
                fields: Fields::from_iter(fields),
                trace,
                verdict,
            },
        )
}

/// Events with ids that ascend, with gaps.
pub(crate) fn events(count: impl Into<SizeRange>) -> impl Strategy<Value = Vec<Event>> {
    vec((event(), 1u64..3), count).prop_map(|events| {
        let mut id = 0;
        events
            .into_iter()
            .map(|(mut event, step)| {
                id += step;
                event.id = EventId(id);
                event
            })
            .collect()
    })
}

/// Text of filters that parse, about what [`events`] have.
pub(crate) fn filter() -> impl Strategy<Value = String> {
    let term = prop_oneof![
        "(alpha|GAMMA|conn\\*|\\*fused|10\\.0\\.0\\.1|took|\"by 10\")",
        "(service|host|comm|unit|exe)[:=](alpha|GAMMA|\\*|al\\*)",
        "(pid|uid|tid|ppid|template)(:|!=|>=|<)[0-3]",
        "level(>=|<|:)(info|error)",
        "(tier|tier!)=(normal|high)",
        "kind:(log|exec)",
        "reason:(new|burst)",
        "rarity>[1-9]y",
        "fields\\.(a|b)(:|=|!=)(-?[0-3]|true|alpha|\\*)",
        "fields\\.\"long name\">=-?[0-3]",
        Just("msg~/al.ha|took [0-9]ms/".to_owned()),
        "id(<|:|>)[0-9]",
        "(since|until):-?0\\.[0-9]{9}",
    ];
    term.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|a| format!("-({a})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a} OR {b})")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("{a} {b}")),
        ]
    })
}
