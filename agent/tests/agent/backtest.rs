//! `hark-agent backtest`.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::harness::{Place, program};

fn backtest(place: &Place, arguments: &[&str]) -> Output {
    program()
        .arg("backtest")
        .args(arguments)
        .current_dir(place.path("."))
        .output()
        .expect("runs")
}

fn lines(output: &Output) -> Vec<Value> {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

fn said(output: &Output) -> String {
    assert!(!output.status.success(), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn read(path: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(path).expect("written");
    text.lines().map(str::to_owned).collect()
}

/// Between 0 and 1, without a pattern.
fn noise(i: u64) -> f64 {
    let x = (i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    ((x ^ (x >> 32)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[test]
fn a_spike_in_a_recorded_series_is_found_and_scored() {
    let place = Place::new();
    let mut text = "timestamp,cpu\n".to_owned();
    for i in 0..3000 {
        let value = if i == 2500 { 99.0 } else { 40.0 + noise(i) };
        let _ = writeln!(text, "{},{value}", 1_700_000_000 + i * 60);
    }
    std::fs::create_dir_all(place.path("in/host")).expect("made");
    std::fs::write(place.path("in/host/cpu.csv"), text).expect("written");
    let flagged = [
        "in", "--format", "json", "--scores", "out", "--flag", "warning",
    ];
    let found = lines(&backtest(&place, &flagged));
    let spike = found
        .iter()
        .find(|line| line["line"] == 2502)
        .expect("the spike's line");
    let verdict = &spike["finding"]["verdict"];
    assert!(verdict["reasons"][0]["text"].is_string(), "{spike}");
    assert!(
        spike["finding"]["message"]
            .as_str()
            .is_some_and(|m| m.contains("cpu is 99")),
        "{spike}"
    );
    assert_eq!(found.last().expect("a summary")["rows"], 3000);

    let scores = read(&place.path("out/host/cpu.csv"));
    assert_eq!(scores[0], "timestamp,value,anomaly_score,flag");
    assert_eq!(scores.len(), 3001);
    assert!(
        scores[2501].starts_with("1700150000,99,"),
        "{}",
        scores[2501]
    );
    let score = |line: &String| -> f64 {
        line.split(',')
            .nth(2)
            .and_then(|s| s.parse().ok())
            .expect("a score")
    };
    let highest = scores[200..]
        .iter()
        .max_by(|a, b| score(a).total_cmp(&score(b)));
    assert_eq!(highest, Some(&scores[2501]));
    assert!(scores[2501].ends_with(",1"), "{}", scores[2501]);

    let human = backtest(&place, &["in/host/cpu.csv"]);
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(
        human.contains("line 2502: cpu is 99") && human.contains("3000 rows"),
        "{human}"
    );
}

#[test]
fn many_columns_without_a_time_follow_what_was_learned() {
    let place = Place::new();
    let rows = |from: u64, odd: Option<u64>| {
        (from..from + 2000).fold(String::new(), |mut text, i| {
            let a = noise(i);
            // The second follows the first, but for one row.
            let b = if odd == Some(i) {
                -3.0
            } else {
                a + 0.1 * noise(i + 77_777)
            };
            let _ = writeln!(text, "{a},{b},{}", noise(i + 99_999));
            text
        })
    };
    std::fs::write(place.path("train.csv"), rows(0, None)).expect("written");
    std::fs::write(place.path("test.csv"), rows(5000, Some(6000))).expect("written");
    let arguments = [
        "test.csv",
        "--learn",
        "train.csv",
        "--step",
        "60",
        "--format",
        "none",
        "--scores",
        "out",
    ];
    let output = backtest(&place, &arguments);
    assert!(
        output.status.success() && output.stdout.is_empty(),
        "{output:?}"
    );
    let scores: Vec<f64> = read(&place.path("out/test.csv"))[1..]
        .iter()
        .map(|line| line.parse().expect("one column"))
        .collect();
    assert_eq!(scores.len(), 2000);
    let usual = scores[900..1000].iter().copied().fold(0.0, f64::max);
    assert!(scores[1000] > 2.0 * usual, "{} after {usual}", scores[1000]);
    // What was learned before speaks from the first row on; below what is usual it is negative.
    assert!(scores[0].abs() > 0.0);
}

#[test]
fn log_lines_of_each_form_get_templates_and_verdicts() {
    let place = Place::new();
    let mut text = String::new();
    let mut csv = "LineId,Level,Content\n".to_owned();
    let mut json = String::new();
    for i in 0..300_u64 {
        let message = format!("connection {i} from 10.0.0.{} closed", i % 250);
        let time = format!("2024-03-01T12:{:02}:{:02}Z", i / 60, i % 60);
        let _ = writeln!(text, "{time} {message}");
        let _ = writeln!(csv, "{i},INFO,\"{message}\"");
        let _ = writeln!(json, r#"{{"message":"{message}","time":"{time}"}}"#);
    }
    let worst = "disk \u{1b}[2J controller melted";
    let _ = writeln!(csv, "300,FATAL,{worst}");
    json.push_str(
        r#"{"message":"disk controller melted","level":"fatal","time":"2024-03-01T12:06:00Z"}"#,
    );
    for (name, content) in [("a.log", &text), ("b.csv", &csv), ("c.ndjson", &json)] {
        std::fs::write(place.path(name), content).expect("written");
    }
    let all = [
        "a.log", "b.csv", "c.ndjson", "--scores", "out", "--format", "json",
    ];
    let found = lines(&backtest(&place, &all));
    let findings = |file: &str| -> Vec<&Value> {
        let of = |line: &&Value| line["file"] == file && line["finding"].is_object();
        found.iter().filter(of).collect()
    };
    assert!(findings("a.log").is_empty());
    assert_eq!(findings("c.ndjson")[0]["line"], 301);
    assert_eq!(findings("b.csv").len(), 1, "{found:?}");
    assert_eq!(findings("c.ndjson").len(), 1, "{found:?}");
    let summary = |file: &str| {
        found
            .iter()
            .find(|l| l["file"] == file && l["rows"].is_u64())
    };
    assert_eq!(
        summary("a.log").expect("a summary")["to"],
        "2024-03-01T12:04:59Z"
    );

    let rows = read(&place.path("out/b.csv"));
    assert_eq!(rows[0], "LineId,ClusterId,Template,Tier,ReturnPeriod");
    assert_eq!(rows.len(), 302);
    let cluster = |row: &String| row.split(',').nth(1).expect("a cluster").to_owned();
    assert!(
        rows[1..301]
            .iter()
            .all(|row| cluster(row) == cluster(&rows[1])),
        "{}",
        rows[1]
    );
    assert_ne!(cluster(&rows[301]), cluster(&rows[1]));
    assert!(rows[1].contains("connection <*> from"), "{}", rows[1]);

    let human = backtest(&place, &["b.csv"]);
    let human = String::from_utf8_lossy(&human.stdout).into_owned();
    assert!(
        human.contains("controller melted") && !human.contains('\u{1b}'),
        "{human:?}"
    );
}

#[test]
fn what_makes_no_sense_is_named_with_file_line_and_column() {
    let place = Place::new();
    for (name, content, wanted) in [
        (
            "a.csv",
            "time,cpu\n1,2\n2,much\n",
            "a.csv, line 3, column `cpu`: `much` is not a number",
        ),
        (
            "b.csv",
            "time,cpu\nsoon,2\n",
            "b.csv, line 2, column `time`",
        ),
        (
            "c.csv",
            "time,cpu\n1,2\n2\n",
            "c.csv, line 3: has 1 columns instead of 2",
        ),
        ("d.csv", "", "d.csv: there is nothing in it"),
        (
            "e.csv",
            "1\n2\n",
            "there is no column beside the time; give --step",
        ),
        (
            "f.ndjson",
            "{\"message\":\"m\"}\n{\"message\":1}\n",
            "f.ndjson, line 2, column `message`",
        ),
        (
            "g.csv",
            "time,cpu\n1,2\n\"2,3\n",
            "a quoted cell has no end",
        ),
    ] {
        std::fs::write(place.path(name), content).expect("written");
        let said = said(&backtest(&place, &[name]));
        assert!(said.contains(wanted), "{name}: {said}");
    }
    let gone = said(&backtest(&place, &["gone.csv"]));
    assert!(gone.contains("gone.csv: No such file"), "{gone}");
    std::fs::write(place.path("a.csv"), "time,cpu\n1,2\n").expect("written");
    let setting = said(&backtest(&place, &["a.csv", "--detect", "series.memry=1"]));
    assert!(setting.contains("`memry` is unknown"), "{setting}");
}

#[test]
fn what_a_stopped_agent_stored_is_judged_again() {
    let place = Place::new();
    let agent = place.start();
    for i in 0..20 {
        agent.post("/log", format!(r#"{{"message":"request {i} served"}}"#));
    }
    agent.post(
        "/log",
        r#"{"message":"the ledger is damaged","level":"fatal"}"#,
    );
    let arguments = ["backtest", "--store", "--format", "json"];
    let busy = place.command(&arguments).output().expect("runs");
    assert!(said(&busy).contains("in use"), "{busy:?}");
    agent.signal(rustix::process::Signal::TERM);
    assert!(agent.wait().success());

    let found = lines(&place.command(&arguments).output().expect("runs"));
    let damaged = |line: &&Value| line["finding"]["message"] == "the ledger is damaged";
    assert_eq!(found.iter().filter(damaged).count(), 1, "{found:?}");
    let summary = found.last().expect("a summary");
    assert_eq!(summary["findings"]["high"], 1, "{summary}");
    assert_eq!(summary["findings_then"]["high"], 1, "{summary}");

    let later = [&arguments[..], &["--since", "2100-01-01T00:00:00Z"]].concat();
    let none = lines(&place.command(&later).output().expect("runs"));
    assert_eq!(none.len(), 1, "{none:?}");
    assert_eq!(none[0]["rows"], 0);
    let wrong = [&arguments[..], &["--since", "soon"]].concat();
    let wrong = place.command(&wrong).output().expect("runs");
    assert!(said(&wrong).contains("how long ago"), "{wrong:?}");
}
