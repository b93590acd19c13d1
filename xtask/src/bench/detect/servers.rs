//! Server machines with many metrics: ranking of the minutes, and alarms at a threshold that the
//! unlabelled history gives.

use std::fmt::Write as _;
use std::path::PathBuf;

use hark_detect::backtest::{HostReplay, Table};
use hark_detect::{host, series};

use super::{Bench, floor, malformed, names, read, write};
use crate::error::Error;

/// The scores of one row: for ranking and for alarms.
type Row = [f64; 2];

pub(super) fn run(bench: &Bench) -> Result<(), Error> {
    println!("Server machines: VUS-PR of the ranking; alarms: event F1, false alarms a day");
    for set in ["smd", "asd"] {
        if !bench.data.join(set).is_dir() {
            println!("  {set}: not at hand");
            continue;
        }
        detector(bench, set, "hark", |width| {
            let series = series::Config {
                memory: 1800,
                ..series::Config::single(60.0)
            };
            let mut replay = HostReplay::new(&series, host::Config::minutes(), width);
            Box::new(move |row: &[f64]| {
                let a = replay.push(row);
                [a.rank, a.alarm]
            })
        })?;
        detector(bench, set, "highest z-score", |width| {
            let mut z = vec![floor::ZScore::default(); width];
            Box::new(move |row: &[f64]| {
                let each = z.iter_mut().zip(row).map(|(z, &v)| z.push(v));
                [each.fold(0.0, f64::max); 2]
            })
        })?;
        detector(bench, set, "random", |_| {
            let mut row = 0;
            Box::new(move |_: &[f64]| {
                row += 1;
                [floor::random(row); 2]
            })
        })?;
    }
    println!("published, SMD, other machines, VUS-PR: TranAD .474, EIF .469, PCA .462\n");
    Ok(())
}

fn detector(
    bench: &Bench,
    set: &str,
    name: &str,
    make: impl Fn(usize) -> Box<dyn FnMut(&[f64]) -> Row>,
) -> Result<(), Error> {
    let data = bench.data.join(set);
    let out = bench.out.join(set).join(name.replace(' ', "-"));
    let plain = bench.out.join(set).join("data");
    for file in names(&data.join("test"))? {
        let machine = file.trim_end_matches(".csv.gz");
        let load = |part: &str| -> Result<(Table, String), Error> {
            let path: PathBuf = data.join(part).join(&file);
            let text = read(&path)?;
            let table = Table::from_csv(&text).map_err(|e| malformed(&path, &e))?;
            Ok((table, text))
        };
        let (train, _) = load("train")?;
        let (test, text) = load("test")?;
        write(&plain.join(format!("{machine}.csv")), &text)?;
        let mut judge = make(train.rows.first().map_or(0, Vec::len));
        for (part, rows) in [("-train", &train.rows), ("", &test.rows)] {
            let (mut rank, mut alarm) = (String::new(), String::new());
            for row in rows {
                let [r, a] = judge(row);
                let _ = writeln!(rank, "{r:.9}");
                let _ = writeln!(alarm, "{a:.9}");
            }
            write(&out.join(format!("rank{part}/{machine}.csv")), &rank)?;
            write(&out.join(format!("alarm{part}/{machine}.csv")), &alarm)?;
        }
    }
    let labels = data.join("test_label");
    let folder = |name: &str| out.join(name).to_string_lossy().into_owned();
    let (labels, plain) = (labels.to_string_lossy(), plain.to_string_lossy());
    let ranked = bench.score(
        "score_series.py",
        &[
            &folder("rank"),
            &labels,
            "--window",
            "auto",
            "--data",
            &plain,
            "--json",
        ],
    )?;
    let alarmed = bench.score(
        "score_series.py",
        &[
            &folder("alarm"),
            &labels,
            "--calib",
            &folder("alarm-train"),
            "--alarms-per-day",
            "1",
            "--gap",
            "10",
            "--pre",
            "5",
            "--step",
            "60",
            "--json",
        ],
    )?;
    let value = |json: &str, key: &str| -> f64 {
        // The scorer writes NaN for what cannot be said, which JSON lacks.
        serde_json::from_str::<serde_json::Value>(&json.replace("NaN", "null"))
            .ok()
            .and_then(|v| v.get("ALL")?.get(key)?.as_f64())
            .unwrap_or(f64::NAN)
    };
    println!(
        "  {set} {name:<20} VUS-PR {:.3}   event F1 {:.2}, {:.2} false a day",
        value(&ranked, "VUS_PR"),
        value(&alarmed, "evF"),
        value(&alarmed, "fa_day"),
    );
    Ok(())
}
