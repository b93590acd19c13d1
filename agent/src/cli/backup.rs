//! `hark-agent backup` and `restore`.

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use hark_store::Store;

use super::new_file::NewFile;
use super::owner::{as_owner, make_data_dir};
use super::reach;
use crate::config::{self, Config, Overrides};

/// `hark-agent backup FILE`.
pub(super) fn backup(overrides: &Overrides, path: &Path) -> ExitCode {
    let done = config::load(overrides)
        .map_err(|error| error.to_string())
        .and_then(|config| make(&config, path));
    match done {
        Ok(bytes) => {
            println!("{}: {bytes} bytes", path.display());
            ExitCode::SUCCESS
        }
        Err(error) => super::fail(&error),
    }
}

fn make(config: &Config, path: &Path) -> Result<u64, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", path.display());
    let mut file = NewFile::create(path).map_err(failed)?;
    let bytes = if let Some(bytes) = ask(config, &mut file)? {
        bytes
    } else {
        let mut copy = reach::with_store(config, Store::backup_unnamed)?;
        std::io::copy(&mut copy, file.file()).map_err(failed)?
    };
    Store::check_backup(file.partial()).map_err(|error| error.to_string())?;
    file.finish().map_err(failed)?;
    Ok(bytes)
}

/// Has the agent make it; `None` where none runs.
fn ask(config: &Config, file: &mut NewFile) -> Result<Option<u64>, String> {
    let client = reach::client(config)?;
    let out = file.file().try_clone().map_err(|error| error.to_string())?;
    let got = reach::runtime()?.block_on(client.backup(&mut tokio::fs::File::from_std(out)));
    match got {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if reach::is_absent(&error) => Ok(None),
        Err(error) => Err(error.to_string()),
    }
}

/// `hark-agent restore FILE`.
pub(super) fn restore(overrides: &Overrides, path: &Path) -> ExitCode {
    let done = config::load(overrides)
        .map_err(|error| error.to_string())
        .and_then(|config| {
            let named = |error: std::io::Error| format!("{}: {error}", path.display());
            let mut backup = File::open(path).map_err(named)?;
            make_data_dir(&config)?;
            as_owner(&config.data_dir, || {
                Store::restore(&mut backup, &config.data_dir)
            })
            .map_err(|error| format!("{}: {error}", config.data_dir.display()))?
            .map_err(|error| error.to_string())
        });
    match done {
        Ok(restored) => {
            println!(
                "{} events restored; all checksums are right",
                restored.events
            );
            if let Some(replaced) = restored.replaced {
                println!(
                    "the store that was there is in {}; remove it when it is not needed",
                    replaced.display()
                );
            }
            ExitCode::SUCCESS
        }
        Err(error) => super::fail(&error),
    }
}
