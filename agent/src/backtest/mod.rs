//! Replays recorded series and log lines through the engine that the live agent runs.
//!
//! [`run`] reads file after file, row by row, in bounded memory; what the engine finds goes to a
//! report on standard output, and its scores into files.

mod error;
mod input;
mod logs;
mod records;
mod replay;
mod report;
mod series;
mod settings;
mod stored;

use std::path::PathBuf;

use hark_api::Tier;

pub use error::Error;
pub use input::Form;
pub use report::Format;
pub use series::Measure;
pub use stored::{StoredOptions, run_stored};

use input::Input;
use replay::Replay;
use report::Report;

/// What to replay, and what to say of it.
#[derive(Clone, Debug)]
pub struct Options {
    /// Files, and folders of files.
    pub files: Vec<PathBuf>,
    /// Files that are learned first, and not reported.
    pub learn: Vec<PathBuf>,
    /// What the files hold; told by their content where it is not given.
    pub form: Option<Form>,
    /// Seconds between two rows or lines that bear no time.
    pub step: Option<f64>,
    /// Changed settings of detection, `KEY=VALUE`.
    pub detect: Vec<String>,
    /// The least tier that is reported.
    pub tier: Tier,
    /// How findings are printed.
    pub format: Format,
    /// Where scores are written.
    pub scores: Option<PathBuf>,
    /// Which score is written.
    pub measure: Measure,
    /// From which tier a row is flagged; no column of flags without.
    pub flag: Option<Tier>,
}

/// Replays all files.
///
/// # Errors
/// The first thing that cannot be read, understood or written.
pub fn run(options: &Options) -> Result<(), Error> {
    let mut learned = Replay::default();
    let mut silent = Report::silent();
    for input in input::inputs(&options.learn)? {
        file(&mut learned, &input, options, false, &mut silent)?;
    }
    for input in input::inputs(&options.files)? {
        // Each file is another host, unless it follows what was learned.
        let mut replay = learned.clone();
        let name = input.path.display().to_string();
        let mut report = Report::new(name, options.tier, options.format);
        file(&mut replay, &input, options, true, &mut report)?;
        report.end(&mut replay)?;
    }
    Ok(())
}

fn file(
    replay: &mut Replay,
    input: &Input,
    options: &Options,
    write: bool,
    report: &mut Report,
) -> Result<(), Error> {
    let form = match options.form {
        Some(form) => form,
        None => input::form(&input.path)?,
    };
    let scores = options
        .scores
        .as_ref()
        .filter(|_| write)
        .map(|dir| dir.join(&input.name));
    match form {
        Form::Series => series::replay(replay, input, options, scores.as_deref(), report),
        Form::CsvLog | Form::Ndjson | Form::Text => {
            logs::replay(replay, form, input, options, scores.as_deref(), report)
        }
    }
}
