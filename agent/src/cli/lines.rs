//! `hark-agent export` and `import`: events as lines of JSON.

use std::fs::File;
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use hark_api::client::{EventQuery, Order};
use hark_api::{Filter, Timestamp};

use super::backtest::moment;
use super::new_file::NewFile;
use super::owner::make_data_dir;
use super::reach;
use crate::config::{self, Config, Overrides};

#[derive(Args, Debug)]
pub(super) struct ExportArgs {
    /// The new file; standard output without
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
    /// Only events that pass this filter, as in 'tier>=warning service:nginx'
    #[arg(long, short = 'q', value_name = "FILTER", default_value = "")]
    filter: String,
    /// Only events from here on; RFC 3339, or how long ago, as in 7d
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Only events before this
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

/// Events on a page that the agent is asked for.
const PAGE: u32 = 1000;

pub(super) fn export(overrides: &Overrides, args: &ExportArgs) -> ExitCode {
    let done = config::load(overrides)
        .map_err(|error| error.to_string())
        .and_then(|config| write(&config, args));
    match done {
        Ok(count) => {
            eprintln!("{count} events exported");
            ExitCode::SUCCESS
        }
        Err(error) => super::fail(&error),
    }
}

fn write(config: &Config, args: &ExportArgs) -> Result<u64, String> {
    let filter = Filter::parse(&args.filter)
        .map_err(|error| format!("--filter: column {}: {}", error.column, error.reason))?;
    let Some(path) = &args.file else {
        return write_to(
            config,
            args,
            filter,
            &mut BufWriter::new(io::stdout().lock()),
        );
    };
    let failed = |error: io::Error| format!("{}: {error}", path.display());
    let mut file = NewFile::create(path).map_err(failed)?;
    let mut out = BufWriter::with_capacity(1 << 20, file.file());
    let count = write_to(config, args, filter, &mut out)?;
    out.flush().map_err(failed)?;
    drop(out);
    file.finish().map_err(failed)?;
    Ok(count)
}

fn write_to(
    config: &Config,
    args: &ExportArgs,
    filter: Filter,
    out: &mut impl Write,
) -> Result<u64, String> {
    if let Some(count) = ask(config, args, out)? {
        return Ok(count);
    }
    let query = hark_store::EventQuery {
        filter,
        from: args.since,
        to: args.until,
        ..hark_store::EventQuery::default()
    };
    reach::with_store(config, |store| store.export(&query, out))
}

/// Reads pages from the agent; `None` where none runs.
fn ask(config: &Config, args: &ExportArgs, out: &mut impl Write) -> Result<Option<u64>, String> {
    let client = reach::client(config)?;
    let runtime = reach::runtime()?;
    let mut query = EventQuery {
        filter: args.filter.clone(),
        from: args.since,
        // What comes while this reads would never end.
        to: Some(args.until.unwrap_or_else(Timestamp::now)),
        order: Order::Oldest,
        limit: Some(PAGE),
        cursor: None,
    };
    let mut count = 0;
    loop {
        let page = match runtime.block_on(client.events(&query)) {
            Ok(page) => page,
            Err(error) if count == 0 && reach::is_absent(&error) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        for event in &page.events {
            serde_json::to_writer(&mut *out, event)
                .map_err(io::Error::from)
                .and_then(|()| out.write_all(b"\n"))
                .map_err(|error| format!("writing the export: {error}"))?;
            count += 1;
        }
        query.cursor = page.next;
        if query.cursor.is_none() {
            out.flush()
                .map_err(|error| format!("writing the export: {error}"))?;
            return Ok(Some(count));
        }
    }
}

/// `hark-agent import FILE`; `-` is standard input.
pub(super) fn import(overrides: &Overrides, path: &Path) -> ExitCode {
    let done = config::load(overrides)
        .map_err(|error| error.to_string())
        .and_then(|config| {
            let mut lines: Box<dyn BufRead> = if path == Path::new("-") {
                Box::new(io::stdin().lock())
            } else {
                let file =
                    File::open(path).map_err(|error| format!("{}: {error}", path.display()))?;
                Box::new(BufReader::with_capacity(1 << 20, file))
            };
            make_data_dir(&config)?;
            reach::with_store(&config, |store| store.import(&mut lines))
        });
    let imported = match done {
        Ok(imported) => imported,
        Err(error) => return super::fail(&error),
    };
    for (line, reason) in &imported.reasons {
        eprintln!("hark-agent: line {line}: {reason}");
    }
    println!(
        "{} events imported, {} lines refused",
        imported.stored, imported.refused
    );
    ExitCode::from(u8::from(imported.refused > 0))
}
