//! What the agent shows of the host and of itself.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::harness::{Answer, Place, Request, is_root, wait_for, wait_longer};

#[test]
fn the_status_tells_what_works() {
    let place = Place::new();
    let agent = place.start();
    agent.post("/log", r#"{"message":"m"}"#);
    agent.post("/log", "{}");
    let status = agent.get("/status").json();
    assert_eq!(status["pid"], agent.pid());
    assert_eq!(status["health"]["state"], "ok");
    assert_eq!(status["ingest"]["accepted"], 1);
    assert_eq!(status["ingest"]["rejected"], 1);
    let source = |name: &str| {
        let all = status["sources"].as_array().expect("sources").iter();
        all.clone()
            .find(|source| source["name"] == name)
            .cloned()
            .expect("there")
    };
    assert_eq!(source("kernel")["state"]["is"], "disabled");
    assert_eq!(source("api")["received"], 1);
    assert!(status["store"]["commits"].as_u64() >= Some(1));
}

#[test]
fn series_of_the_host_are_kept() {
    let place = Place::new();
    let agent = place.start();
    let key = "node_load1";
    let data = wait_for("two samples", || {
        let answer = agent.get(&format!("/series/data?key={key}"));
        let data = (answer.status == 200).then(|| answer.json())?;
        (data["points"].as_array()?.len() >= 2).then_some(data)
    });
    assert_eq!(data["step"], 1);
    assert!(data["points"][0]["mean"].is_number());
    let listed = agent.get("/series?name=node_load").json();
    let names: Vec<_> = listed["series"]
        .as_array()
        .expect("some")
        .iter()
        .map(|s| s["key"].clone())
        .collect();
    assert!(names.contains(&key.into()), "{names:?}");
}

#[test]
fn a_series_comes_with_the_band_that_was_learned() {
    let place = Place::new();
    let agent = place.start();
    // It never changes, so that the band is known to the digit.
    let key = "node_memory_MemTotal_bytes";
    let data = wait_longer("a band", Duration::from_secs(120), || {
        let answer = agent.get(&format!("/series/data?key={key}&step=1"));
        let data = (answer.status == 200).then(|| answer.json())?;
        data["band"].is_object().then_some(data)
    });
    let value = data["points"][0]["mean"].as_f64().expect("a number");
    assert_eq!(data["band"]["low"].as_f64(), Some(value));
    assert_eq!(data["band"]["high"].as_f64(), Some(value));
    let listed = agent.get(&format!("/series?name={key}")).json();
    assert_eq!(listed["series"][0]["band"], data["band"]);
    // What a minute usually shows is not known from a minute.
    let minutes = agent.get(&format!("/series/data?key={key}&step=60")).json();
    assert!(minutes.get("band").is_none(), "{minutes}");
}

/// Every sample belongs to a family that was introduced, families come once, and no sample comes
/// twice. Gives the families.
fn families(answer: &Answer, open: bool) -> HashMap<String, String> {
    let text = answer.text();
    let mut types = HashMap::new();
    let mut seen = HashSet::new();
    let mut family = String::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("name and type");
            assert!(
                types.insert(name.to_owned(), kind.to_owned()).is_none(),
                "{name} comes twice"
            );
            name.clone_into(&mut family);
        } else if !line.starts_with('#') {
            let (key, value) = line.rsplit_once(' ').expect("key and value");
            assert!(seen.insert(key.to_owned()), "{key} comes twice");
            assert!(value.parse::<f64>().is_ok() || value == "+Inf", "{line}");
            let name = key.split('{').next().expect("a name");
            let suffix = name.strip_prefix(family.as_str()).expect("in its family");
            let known = match types[&family].as_str() {
                "histogram" => ["_bucket", "_sum", "_count"].contains(&suffix),
                "counter" if open => suffix == "_total",
                _ => suffix.is_empty(),
            };
            assert!(known, "{line} in a {} {family}", types[&family]);
        }
    }
    types
}

#[test]
fn metrics_are_fit_for_prometheus() {
    let place = Place::new();
    let agent = place.start_with(&["--set", "kernel.enabled=true"]);
    agent.post("/log", r#"{"message":"m"}"#);
    let plain = wait_for("metrics of the host", || {
        let plain = agent.get("/metrics");
        plain
            .text()
            .contains("node_cpu_seconds_total{")
            .then_some(plain)
    });
    assert_eq!(
        plain.header("content-type"),
        Some("text/plain; version=0.0.4; charset=utf-8")
    );
    let types = families(&plain, false);
    assert_eq!(types["node_cpu_seconds_total"], "counter");
    assert_eq!(types["node_memory_MemTotal_bytes"], "gauge");
    assert!(plain.text().contains("\nhark_ingest_accepted_total 1\n"));

    let open = Request::new("GET", "/metrics")
        .header(
            "Accept",
            "application/openmetrics-text; version=1.0.0,text/plain;q=0.5",
        )
        .send(agent.unix());
    assert!(
        open.header("content-type")
            .expect("one")
            .starts_with("application/openmetrics-text")
    );
    assert!(open.text().ends_with("\n# EOF\n"));
    assert_eq!(families(&open, true)["hark_ingest_accepted"], "counter");
}

#[test]
fn the_api_describes_itself_without_a_network() {
    let place = Place::new();
    let agent = place.start();
    let spec = agent.get("/openapi.json").json();
    let mut paths = Vec::new();
    for (path, operations) in spec["paths"].as_object().expect("paths") {
        for (method, operation) in operations.as_object().expect("operations") {
            let parameters: Vec<_> = operation["parameters"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|parameter| parameter["name"].as_str().expect("a name"))
                .collect();
            paths.push(
                format!("{} {path} {}", method.to_uppercase(), parameters.join(","))
                    .trim_end()
                    .to_owned(),
            );
            assert!(
                operation["summary"].is_string() || operation["description"].is_string(),
                "{path}"
            );
        }
    }
    let problem = &spec["paths"]["/log"]["post"]["responses"]["default"]["content"];
    assert!(
        problem.to_string().contains("application/problem+json"),
        "{problem}"
    );
    paths.sort();
    insta::assert_snapshot!(paths.join("\n"), @r"
GET /events q,from,to,order,limit,cursor
GET /events/stats q,from,to,bucket,facets,top
GET /events/stream q,after,Last-Event-ID
GET /events/{id} id
GET /healthz
GET /incidents open,before,limit
GET /incidents/{id} id
GET /metrics
GET /processes
GET /readyz
GET /series name
GET /series/data key,from,to,step
GET /status
GET /templates
GET /vitals
GET /vitals/stream
POST /backup
POST /incidents/{id}/acknowledge id
POST /incidents/{id}/notes id
POST /incidents/{id}/silence id
POST /log Idempotency-Key
POST /logs Idempotency-Key
");

    let page = Request::new("GET", "/docs")
        .header("Accept-Encoding", "gzip")
        .send(agent.tcp());
    assert_eq!(page.header("content-encoding"), Some("gzip"));
    assert!(page.body.len() < 1 << 20, "{} bytes", page.body.len());
    let etag = page.header("etag").expect("one").to_owned();
    let again = Request::new("GET", "/docs")
        .header("If-None-Match", &etag)
        .send(agent.tcp());
    assert_eq!((again.status, again.body.len()), (304, 0));
    let plain = agent.get("/docs").text();
    assert!(
        !plain.contains("src=\"http") && !plain.contains("href=\"http"),
        "nothing is fetched"
    );
}

#[test]
fn what_answers_is_what_the_description_says() {
    let place = Place::new();
    let agent = place.start();
    let spec = agent.get("/openapi.json").json();
    agent.post("/log", r#"{"message":"m","level":"critical","x":1}"#);
    wait_for("vitals", || {
        (agent.get("/vitals").status == 200).then_some(())
    });
    for path in [
        "/events",
        "/events/stats",
        "/status",
        "/vitals",
        "/series",
        "/incidents",
        "/templates",
        "/processes",
    ] {
        let schema = &spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json; charset=utf-8"];
        let schema = if schema.is_null() {
            &spec["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]
        } else {
            schema
        };
        assert!(
            schema["schema"].is_object(),
            "{path}: {}",
            spec["paths"][path]["get"]["responses"]
        );
        conforms(path, &agent.get(path).json(), &schema["schema"], &spec);
    }
}

/// Checks names and requiredness of properties, types and enums; as deep as there are values.
fn conforms(
    at: &str,
    value: &serde_json::Value,
    schema: &serde_json::Value,
    spec: &serde_json::Value,
) {
    if let Some(reference) = schema["$ref"].as_str() {
        let name = reference.rsplit('/').next().expect("a name");
        let referred = &spec["components"]["schemas"][name];
        assert!(referred.is_object(), "{at}: {reference} leads nowhere");
        return conforms(at, value, referred, spec);
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if schema["properties"].is_null() && schema["allOf"].as_array().map(Vec::len) == Some(1) {
            return conforms(at, value, part, spec);
        }
    }
    if value.is_null() {
        assert_eq!(schema["nullable"], true, "{at} is null");
        return;
    }
    if let Some(names) = schema["enum"].as_array() {
        assert!(names.contains(value), "{at}: {value} is not in {names:?}");
    }
    match schema["type"].as_str() {
        Some("object") => {
            let object = value
                .as_object()
                .unwrap_or_else(|| panic!("{at}: {value} is no object"));
            for name in schema["required"].as_array().into_iter().flatten() {
                let name = name.as_str().expect("text");
                assert!(object.contains_key(name), "{at} lacks {name}");
            }
            let Some(properties) = schema["properties"].as_object() else {
                return;
            };
            for (name, value) in object {
                let schema = properties
                    .get(name)
                    .unwrap_or_else(|| panic!("{at} has {name}, which is not described"));
                conforms(&format!("{at}.{name}"), value, schema, spec);
            }
        }
        Some("array") => {
            let items = value
                .as_array()
                .unwrap_or_else(|| panic!("{at}: {value} is no array"));
            for item in items {
                conforms(&format!("{at}[]"), item, &schema["items"], spec);
            }
        }
        Some("string") => assert!(value.is_string(), "{at}: {value} is no text"),
        Some("integer") => assert!(
            value.is_i64() || value.is_u64(),
            "{at}: {value} is no integer"
        ),
        Some("number") => assert!(value.is_number(), "{at}: {value} is no number"),
        Some("boolean") => assert!(value.is_boolean(), "{at}: {value} is no boolean"),
        Some(other) => panic!("{at}: {other} is no type of JSON Schema"),
        None => {}
    }
}

#[test]
fn incidents_can_be_acknowledged_silenced_and_noted() {
    let place = Place::new();
    let agent = place.start();
    agent.post(
        "/log",
        r#"{"message":"the reactor is on fire","level":"critical"}"#,
    );
    let incident = wait_for("an incident", || {
        agent.get("/incidents?open=true").json()["incidents"]
            .as_array()?
            .first()
            .cloned()
    });
    let id = incident["id"].as_u64().expect("an id");
    assert!(
        incident["title"]
            .as_str()
            .expect("a title")
            .contains("reactor")
    );
    let done = agent
        .post(&format!("/incidents/{id}/acknowledge"), "")
        .json();
    assert!(
        done["acknowledged"]["by"]
            .as_str()
            .expect("who")
            .starts_with("uid ")
    );
    agent.post(&format!("/incidents/{id}/silence"), r#"{"duration":"2h"}"#);
    agent.post(
        &format!("/incidents/{id}/notes"),
        r#"{"text":"looked at it"}"#,
    );
    let bad = agent.post(&format!("/incidents/{id}/notes"), r#"{"text":""}"#);
    bad.problem(400, "invalid-input");
    agent.kill();
    let agent = place.start();
    let stored = agent.get(&format!("/incidents/{id}")).json();
    assert_eq!(stored["notes"][0]["text"], "looked at it");
    assert!(stored["silenced_until"].is_string());
    assert!(stored["acknowledged"].is_object());
    // The agent forgot it in the crash, so it does not go on for ever.
    assert!(stored["end"].is_string(), "{stored}");
}

#[test]
fn the_kernel_is_heard() {
    if !is_root() {
        eprintln!("needs root: not tested");
        return;
    }
    let place = Place::new();
    let agent = place.start_with(&["--set", "kernel.enabled=true"]);
    let status = agent.get("/status").json();
    let on = status["features"]
        .as_array()
        .expect("features")
        .iter()
        .any(|f| f["name"] == "process" && f["state"]["is"] == "on");
    if !on {
        eprintln!("this kernel gives no process events: not tested");
        return;
    }
    let mark = format!("hark-test-{}", std::process::id());
    std::process::Command::new("/bin/true")
        .arg(&mark)
        .status()
        .expect("runs");
    let exec = wait_for("the exec", || {
        let found = agent.events("kind:exec");
        found.into_iter().find(|event| {
            event["fields"]["arguments"]
                .as_array()
                .is_some_and(|a| a.contains(&mark.clone().into()))
        })
    });
    assert_eq!(exec["source"], "kernel");
    assert!(exec["process"]["pid"].is_u64());
    let body = format!(r#"{{"message":"m","pid":{}}}"#, std::process::id());
    let id = agent.post("/log", body).json()["id"].clone();
    let log = agent.get(&format!("/events/{id}")).json();
    assert_eq!(
        log["process"]["pid"],
        std::process::id(),
        "a log knows its process: {log}"
    );
}
