//! Which files to replay, what they hold, and opening them.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

use super::Error;
use super::records::{Record, Records};

/// What a file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// Columns of numbers, with or without a time and a header
    Series,
    /// Log lines as CSV with a column Content or message
    CsvLog,
    /// One event a line, as POST /logs takes them
    Ndjson,
    /// One log line a line
    Text,
}

/// A file to replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Input {
    pub(super) path: PathBuf,
    /// Where its results go, below the folder of results.
    pub(super) name: PathBuf,
}

/// Bytes looked at to tell what a file holds.
const LOOK: u64 = 64 << 10;

/// The files, and those in folders, sorted.
pub(super) fn inputs(paths: &[PathBuf]) -> Result<Vec<Input>, Error> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.is_dir() {
            let before = inputs.len();
            below(path, path, &mut inputs)?;
            if inputs.len() == before {
                return Err(Error::Unfit {
                    path: path.clone(),
                    reason: "there is no file in it".into(),
                });
            }
        } else {
            let name = path.file_name().unwrap_or(path.as_os_str());
            inputs.push(Input {
                path: path.clone(),
                name: plain_name(Path::new(name)),
            });
        }
    }
    Ok(inputs)
}

fn below(root: &Path, dir: &Path, inputs: &mut Vec<Input>) -> Result<(), Error> {
    let entries = std::fs::read_dir(dir).map_err(Error::file(dir))?;
    let mut paths = entries
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<Vec<_>, _>>()
        .map_err(Error::file(dir))?;
    paths.sort();
    for path in paths {
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        // Links to folders could lead round in a circle.
        if hidden || (path.is_symlink() && path.is_dir()) {
            continue;
        }
        if path.is_dir() {
            below(root, &path, inputs)?;
        } else {
            let name = path.strip_prefix(root).unwrap_or(&path);
            inputs.push(Input {
                name: plain_name(name),
                path,
            });
        }
    }
    Ok(())
}

/// The name without what tells of compression.
fn plain_name(name: &Path) -> PathBuf {
    match name.extension().and_then(|e| e.to_str()) {
        Some("gz" | "zst") => name.with_extension(""),
        _ => name.to_owned(),
    }
}

/// Opens a file, and decompresses it on the way.
pub(super) fn open(path: &Path) -> Result<Box<dyn BufRead>, Error> {
    let file = File::open(path).map_err(Error::file(path))?;
    Ok(match path.extension().and_then(|e| e.to_str()) {
        Some("gz") => Box::new(BufReader::new(flate2::read::MultiGzDecoder::new(file))),
        Some("zst") => {
            let decoder = zstd::Decoder::new(file).map_err(Error::file(path))?;
            Box::new(BufReader::new(decoder))
        }
        _ => Box::new(BufReader::with_capacity(LOOK as usize, file)),
    })
}

/// What a file holds, by its name and its first line.
pub(super) fn form(path: &Path) -> Result<Form, Error> {
    let mut first = Vec::new();
    open(path)?
        .take(LOOK)
        .read_to_end(&mut first)
        .map_err(Error::file(path))?;
    let text = String::from_utf8_lossy(&first);
    let text = text.trim_start();
    if text.starts_with('{') {
        return Ok(Form::Ndjson);
    }
    if plain_name(path).extension().is_none_or(|e| e != "csv") {
        return Ok(Form::Text);
    }
    let mut header = Record::default();
    let read = Records::new(text.as_bytes()).next(&mut header);
    if read.is_ok() && message_column(&header).is_some() {
        return Ok(Form::CsvLog);
    }
    Ok(Form::Series)
}

/// The column that holds log lines.
pub(super) fn message_column(header: &Record) -> Option<usize> {
    header
        .cells()
        .position(|name| name == "Content" || name.eq_ignore_ascii_case("message"))
}

/// The column that holds the time.
pub(super) fn time_column(header: &Record) -> Option<usize> {
    const NAMES: [&str; 5] = ["timestamp", "time", "ts", "date", "datetime"];
    header
        .cells()
        .position(|name| NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}
