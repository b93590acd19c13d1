//! Log templates: how well lines are grouped, how fast, and what each rule of the method earns.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use hark_detect::template::{Config, Miner, Rule};
use rustix::time::{ClockId, clock_gettime};

use crate::error::Error;
use crate::run;

/// Options of `bench template`.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with `score_parsing.py` and loghub/; relative to the root of the workspace.
    #[arg(long, default_value = "../shared/bench")]
    data: PathBuf,
    /// A file of lines, or of JSON objects with a `message`, whose speed is measured too.
    #[arg(long)]
    lines: Vec<PathBuf>,
    /// Print the templates of every set.
    #[arg(long)]
    templates: bool,
}

/// A set of labelled lines.
struct Set {
    name: String,
    lines: Vec<String>,
}

/// What a method said of one line.
struct Row {
    cluster: String,
    template: String,
}

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let data = run::root().join(&args.data);
    let sets = sets(&data.join("loghub"))?;
    if sets.is_empty() {
        println!("no labelled sets in {}", data.display());
    } else {
        grouping(&data, &sets, args.templates)?;
    }
    println!("\nSpeed on one core, by CPU time, templates known");
    println!(
        "{:24} {:>12} {:>8} {:>10}",
        "", "lines/s", "MB/s", "bytes/line"
    );
    for set in &sets {
        speed(&set.name, &set.lines);
    }
    speed("names, never the same", &names());
    for path in &args.lines {
        let text = fs::read_to_string(path).map_err(Error::file(path))?;
        let lines: Vec<_> = text.lines().map(message).collect();
        speed(
            &path.file_name().unwrap_or_default().to_string_lossy(),
            &lines,
        );
    }
    Ok(())
}

/// Lines with a name that no other line has, and that shows by no form to be one: each takes the
/// way of a shape never seen before.
fn names() -> Vec<String> {
    let letter =
        |number: u32, place: u32| char::from(b'a' + (number / 13_u32.pow(place) % 13) as u8);
    (0..200_000)
        .map(|number| {
            let name: String = (0..6).map(|place| letter(number, place)).collect();
            format!("session opened for user {name} by (uid=0)")
        })
        .collect()
}

/// The message of a line of JSON, or the line.
fn message(line: &str) -> String {
    let value: Option<serde_json::Value> = serde_json::from_str(line).ok();
    let message = value
        .as_ref()
        .and_then(|value| value.get("message")?.as_str());
    message.unwrap_or(line).to_owned()
}

fn grouping(data: &Path, sets: &[Set], templates: bool) -> Result<(), Error> {
    let scores = |method: &dyn Fn(&[String]) -> Vec<Row>| score(data, sets, method);
    let own = scores(&|lines| lines.iter().map(|line| row(line, line)).collect())?;
    let digits = scores(&|lines| {
        let mask = |line: &String| row(&mask_digits(line), &mask_digits(line));
        lines.iter().map(mask).collect()
    })?;
    let arrival = scores(&|lines| mined(lines, None, true))?;
    let whole = scores(&|lines| mined(lines, None, false))?;
    println!("Grouping accuracy");
    let header = ["every line", "digits only", "on arrival", "merged"];
    println!(
        "{:24} {:>11} {:>11} {:>11} {:>11}",
        "", header[0], header[1], header[2], header[3]
    );
    for (at, (name, _)) in whole.iter().enumerate() {
        let column = [&own, &digits, &arrival, &whole].map(|scores| scores[at].1);
        let [a, b, c, d] = column;
        println!("{name:24} {a:11.4} {b:11.4} {c:11.4} {d:11.4}");
    }
    println!("\nWithout one rule, merged, average");
    for rule in [
        Rule::Forms,
        Rule::Values,
        Rule::Phrases,
        Rule::Lists,
        Rule::Spellings,
        Rule::Words,
        Rule::Together,
    ] {
        let scores = scores(&|lines| mined(lines, Some(rule), false))?;
        let average = scores.last().map_or(0.0, |(_, score)| *score);
        println!("{:24} {average:11.4}", format!("{rule:?}"));
    }
    if templates {
        for set in sets {
            let mut miner = Miner::new(Config::default());
            for line in &set.lines {
                miner.push(line);
            }
            println!("\n{}", set.name);
            for (id, text, lines) in miner.templates() {
                println!("{id:6} {lines:6} {text}");
            }
        }
    }
    Ok(())
}

fn row(cluster: &str, template: &str) -> Row {
    Row {
        cluster: cluster.to_owned(),
        template: template.to_owned(),
    }
}

/// What the miner says of each line: when it came, or after all came.
fn mined(lines: &[String], without: Option<Rule>, on_arrival: bool) -> Vec<Row> {
    let mut miner = Miner::new(Config {
        without,
        ..Config::default()
    });
    let ids: Vec<_> = lines.iter().map(|line| miner.push(line).template).collect();
    ids.into_iter()
        .map(|id| {
            let cluster = if on_arrival { id } else { miner.current(id) };
            row(&cluster.to_string(), miner.text(id).unwrap_or_default())
        })
        .collect()
}

/// The line with every word that holds a digit masked: the least that a parser does.
fn mask_digits(line: &str) -> String {
    let mut masked = String::new();
    for word in line.split_whitespace() {
        let variable = word.bytes().any(|byte| byte.is_ascii_digit());
        masked.push_str(if variable { "<*>" } else { word });
        masked.push(' ');
    }
    masked
}

/// Grouping accuracy for each set and, last, their average, by the scorer beside the data.
fn score(
    data: &Path,
    sets: &[Set],
    method: &dyn Fn(&[String]) -> Vec<Row>,
) -> Result<Vec<(String, f64)>, Error> {
    let folder = tempfile::tempdir().map_err(Error::file(Path::new("a temporary folder")))?;
    for set in sets {
        let mut csv = "LineId,ClusterId,Template\n".to_owned();
        for (at, row) in method(&set.lines).iter().enumerate() {
            let (cluster, template) = (quoted(&row.cluster), quoted(&row.template));
            let _ = writeln!(csv, "{},{cluster},{template}", at + 1);
        }
        let path = folder.path().join(format!("{}.csv", set.name));
        fs::write(&path, csv).map_err(Error::file(&path))?;
    }
    let mut scorer = Command::new("python3");
    scorer
        .arg(data.join("score_parsing.py"))
        .arg(folder.path())
        .arg(data.join("loghub"))
        .args(["--gt", "corrected", "--json"]);
    let scores: serde_json::Value = serde_json::from_slice(&run::output(&mut scorer)?)
        .map_err(|error| Error::Check(format!("the scorer's answer is no JSON: {error}")))?;
    let names = sets.iter().map(|set| set.name.as_str()).chain(["Average"]);
    Ok(names
        .map(|name| {
            let score = scores[name]["GA"].as_f64();
            (name.to_owned(), score.unwrap_or(f64::NAN))
        })
        .collect())
}

fn quoted(field: &str) -> String {
    format!("\"{}\"", field.replace('"', "\"\""))
}

/// The labelled sets in a folder, in the order of their names; none without the folder.
fn sets(folder: &Path) -> Result<Vec<Set>, Error> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    let mut sets = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::file(folder))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry
            .path()
            .join(format!("{name}_2k.log_structured_corrected.csv"));
        if path.exists() {
            let text = fs::read(&path).map_err(Error::file(&path))?;
            let lines = contents(&String::from_utf8_lossy(&text));
            sets.push(Set { name, lines });
        }
    }
    sets.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(sets)
}

/// The column `Content` of a CSV file (RFC 4180). The labels beside it are not looked at.
fn contents(csv: &str) -> Vec<String> {
    let mut records = vec![vec![String::new()]];
    let mut inside = false;
    let mut characters = csv.chars().peekable();
    while let Some(character) = characters.next() {
        let Some(record) = records.last_mut() else {
            break;
        };
        match character {
            '"' if inside && characters.peek() == Some(&'"') => {
                characters.next();
                if let Some(field) = record.last_mut() {
                    field.push('"');
                }
            }
            '"' => inside = !inside,
            ',' if !inside => record.push(String::new()),
            '\r' if !inside => {}
            '\n' if !inside => records.push(vec![String::new()]),
            _ => {
                if let Some(field) = record.last_mut() {
                    field.push(character);
                }
            }
        }
    }
    let column = records[0].iter().position(|name| name == "Content");
    let column = column.unwrap_or(usize::MAX);
    records
        .into_iter()
        .skip(1)
        .filter_map(|record| record.into_iter().nth(column))
        .collect()
}

/// CPU time of this thread, in seconds.
fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

fn speed(name: &str, lines: &[String]) {
    let mut miner = Miner::new(Config::default());
    for line in lines {
        miner.push(line);
    }
    let bytes: usize = lines.iter().map(String::len).sum();
    let (start, mut passes) = (cpu(), 0);
    while cpu() - start < 1.0 {
        for line in lines {
            std::hint::black_box(miner.push(line));
        }
        passes += 1;
    }
    let seconds = (cpu() - start) / f64::from(passes);
    println!(
        "{name:24} {:12.0} {:8.0} {:10.0}",
        lines.len() as f64 / seconds,
        bytes as f64 / seconds / 1e6,
        bytes as f64 / lines.len().max(1) as f64
    );
}
