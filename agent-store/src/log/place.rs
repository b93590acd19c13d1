//! Where the files of a log are: a directory.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use hark_api::Timestamp;

use crate::store::sync_dir;

/// Where the files of a log are. Tests put disks of their own behind it.
pub(crate) trait Place: std::fmt::Debug + Send + Sync {
    /// The numbers of all files.
    fn list(&self) -> io::Result<Vec<u32>>;
    /// A file that is there.
    fn open(&self, number: u32) -> io::Result<Box<dyn Medium>>;
    /// Makes a file of so many zero bytes; they and its name are on the disk when it returns.
    fn create(&self, number: u32, len: u64) -> io::Result<Box<dyn Medium>>;
    /// Removes a file, for good when it returns. One that is gone already is no error.
    fn remove(&self, number: u32) -> io::Result<()>;
    /// Renames a file so that it is listed no more, for good when it returns.
    fn set_aside(&self, number: u32) -> io::Result<()>;
}

/// An open file of a log.
pub(crate) trait Medium: std::fmt::Debug + Send {
    /// Its size in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Reads so many bytes of its beginning, or as many as it has.
    fn read(&self, len: u64) -> io::Result<Vec<u8>>;
    /// Writes within its size; on the disk after the next [`Medium::sync`].
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;
    /// Brings to the disk what was written.
    fn sync(&self) -> io::Result<()>;
}

/// A directory with the files of a log.
#[derive(Debug)]
pub(crate) struct Directory(PathBuf);

const ENDING: &str = "log";
/// The ending of a file that is being made.
const NEW: &str = "new";

impl Directory {
    /// Makes the directory where it is missing, for its owner only.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        match DirBuilder::new().mode(0o700).create(path) {
            Ok(()) => sync_dir(path.parent().unwrap_or(Path::new(".")))?,
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
        // What a crash left half made.
        for entry in std::fs::read_dir(path)? {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == NEW) {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Self(path.to_owned()))
    }

    fn path(&self, number: u32) -> PathBuf {
        self.0.join(format!("{number}.{ENDING}"))
    }
}

/// Writes zeros: what is only reserved would have to be entered in the file system's own books
/// when it is written for the first time, which takes longer than the write.
fn filled(path: &Path, len: u64) -> io::Result<File> {
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    let zeros = vec![0; 1 << 20];
    let mut left = len;
    while left > 0 {
        let part = zeros.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        file.write_all(&zeros[..part])?;
        left -= part as u64;
    }
    file.sync_all()?;
    Ok(file)
}

impl Place for Directory {
    fn list(&self) -> io::Result<Vec<u32>> {
        let mut numbers = Vec::new();
        for entry in std::fs::read_dir(&self.0)? {
            let name = entry?.file_name();
            let parts = name.to_str().and_then(|name| name.split_once('.'));
            if let Some((number, ENDING)) = parts {
                numbers.extend(number.parse::<u32>().ok());
            }
        }
        Ok(numbers)
    }

    fn open(&self, number: u32) -> io::Result<Box<dyn Medium>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(self.path(number))?;
        Ok(Box::new(file))
    }

    fn create(&self, number: u32, len: u64) -> io::Result<Box<dyn Medium>> {
        // It gets its name when it is whole.
        let new = self.0.join(format!("{number}.{NEW}"));
        let made = filled(&new, len).and_then(|file| {
            std::fs::rename(&new, self.path(number))?;
            sync_dir(&self.0)?;
            Ok(file)
        });
        match made {
            Ok(file) => Ok(Box::new(file)),
            Err(error) => {
                for path in [&new, &self.path(number)] {
                    let _ = std::fs::remove_file(path);
                }
                Err(error)
            }
        }
    }

    fn remove(&self, number: u32) -> io::Result<()> {
        match std::fs::remove_file(self.path(number)) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => sync_dir(&self.0),
        }
    }

    fn set_aside(&self, number: u32) -> io::Result<()> {
        let from = self.path(number);
        let aside = from.with_extension(format!("damaged-{}", Timestamp::now().as_nanos()));
        match std::fs::rename(from, aside) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => sync_dir(&self.0),
        }
    }
}

impl Medium for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read(&self, len: u64) -> io::Result<Vec<u8>> {
        let len = len.min(self.metadata()?.len());
        let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
        self.read_exact_at(&mut bytes, 0)?;
        Ok(bytes)
    }

    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }
}
