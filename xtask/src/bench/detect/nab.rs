//! The Numenta Anomaly Benchmark: one score a point, one threshold for the whole corpus.

use std::fmt::Write as _;

use hark_detect::backtest::Recorded;
use hark_detect::series::{Config, Weights};

use super::{Bench, floor, malformed, names, read, write};
use crate::error::Error;

/// A detector: gives the scores of a series' points, 0 to 1.
type Detect<'a> = &'a dyn Fn(&Recorded) -> Vec<f64>;

pub(super) fn run(bench: &Bench) -> Result<(), Error> {
    let hark = |weights: Weights| {
        move |series: &Recorded| -> Vec<f64> {
            let config = Config {
                weights,
                ..Config::single(series.step())
            };
            series.replay(config).map(|a| a.onset / 20.0).collect()
        }
    };
    println!("Numenta Anomaly Benchmark, the series at hand, standard / low FP / low FN profile");
    score(bench, "hark", &hark(Weights::default()))?;
    let z = |series: &Recorded| {
        let mut z = floor::ZScore::default();
        series
            .points
            .iter()
            .map(|&(_, v)| z.push(v) / 1e3)
            .collect()
    };
    score(bench, "z-score", &z)?;
    let random = |series: &Recorded| (0..series.points.len() as u64).map(floor::random).collect();
    score(bench, "random", &random)?;
    println!("published, whole corpus, standard: ARTime 74.9, HTM 70.1, CAD OSE 69.9, RCF 51.7");
    if bench.ablations {
        let all = Weights::default();
        for (name, weights) in [
            ("without value novelty", Weights { value: 0.0, ..all }),
            ("without means", Weights { means: 0.0, ..all }),
            ("without change", Weights { change: 0.0, ..all }),
            ("without tail", Weights { tail: 0.0, ..all }),
            ("without season", Weights { season: 0.0, ..all }),
        ] {
            score(bench, name, &hark(weights))?;
        }
    }
    println!();
    Ok(())
}

fn score(bench: &Bench, name: &str, detect: Detect<'_>) -> Result<(), Error> {
    let data = bench.data.join("nab/data");
    let out = bench.out.join("nab").join(name.replace(' ', "-"));
    for category in names(&data)? {
        for file in names(&data.join(&category))? {
            let path = data.join(&category).join(&file);
            let text = read(&path)?;
            let series = Recorded::from_csv(&text).map_err(|e| malformed(&path, &e))?;
            let mut result = String::from("timestamp,value,anomaly_score\n");
            // The scorer matches times as text.
            let lines = text.lines().skip(1).filter(|l| !l.trim().is_empty());
            for (line, score) in lines.zip(detect(&series)) {
                let _ = writeln!(result, "{line},{score:.9}");
            }
            write(&out.join(&category).join(&file), &result)?;
        }
    }
    let printed = bench.score("score_nab.py", &[&out.to_string_lossy()])?;
    let scores: Vec<&str> = printed
        .lines()
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    println!("  {name:<24} {}", scores.join(" / "));
    Ok(())
}
