//! A file that has its name only once it is whole.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

/// A new file, readable by its owner only; it goes when this is dropped unfinished.
#[derive(Debug)]
pub(super) struct NewFile {
    path: PathBuf,
    partial: PathBuf,
    file: File,
    finished: bool,
}

impl NewFile {
    /// # Errors
    /// There is a file of that name, or the system refuses.
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        if path.symlink_metadata().is_ok() {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?;
        let mut hidden = std::ffi::OsString::from(".");
        hidden.push(name);
        hidden.push(format!(".{}.partial", std::process::id()));
        let partial = path.with_file_name(hidden);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&partial)?;
        Ok(Self {
            path: path.to_owned(),
            partial,
            file,
            finished: false,
        })
    }

    pub(super) fn file(&mut self) -> &mut File {
        &mut self.file
    }

    /// Where it is until it is finished.
    pub(super) fn partial(&self) -> &Path {
        &self.partial
    }

    /// Puts it on the disk, under its name.
    ///
    /// # Errors
    /// The system refuses, or there is a file of that name by now.
    pub(super) fn finish(mut self) -> io::Result<()> {
        self.file.sync_all()?;
        match renameat_with(CWD, &self.partial, CWD, &self.path, RenameFlags::NOREPLACE) {
            // Not every file system can refuse to replace.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
                if self.path.symlink_metadata().is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                std::fs::rename(&self.partial, &self.path)?;
            }
            renamed => renamed?,
        }
        self.finished = true;
        let parent = match self.path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        File::open(parent)?.sync_all()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.finished {
            let _ = std::fs::remove_file(&self.partial);
        }
    }
}
