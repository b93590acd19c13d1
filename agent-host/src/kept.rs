//! Files of the kernel that are read again and again.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rustix::fs::{CWD, Mode, OFlags};

/// A text larger than this is not one that hark knows; it is cut there.
const MAX_TEXT: usize = 4 << 20;

/// A file that is opened once and read from its start each time: the kernel writes /proc and /sys
/// files afresh for every read at offset 0.
#[derive(Debug)]
pub(crate) struct Kept {
    path: PathBuf,
    file: Option<File>,
}

impl Kept {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None }
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.path
    }

    /// The text of the file, in the buffer. After an error the file is opened anew the next time.
    pub(crate) fn read<'b>(&mut self, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
        let file = match self.file.take() {
            Some(file) => file,
            None => File::open(&self.path)?,
        };
        let text = read_at_start(&file, buffer)?;
        self.file = Some(file);
        Ok(text)
    }
}

/// Reads a file that is not worth keeping open.
pub(crate) fn read_once<'b>(path: &str, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    let file = rustix::fs::openat(CWD, path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?;
    read_at_start(&File::from(file), buffer)
}

/// Reads until the end: the kernel gives files of many records piecewise. The buffer only grows, and
/// is written over; the text is what is given back.
pub(crate) fn read_at_start<'b>(file: &File, buffer: &'b mut Vec<u8>) -> io::Result<&'b [u8]> {
    let mut length = 0;
    loop {
        if length == buffer.len() {
            if length >= MAX_TEXT {
                break;
            }
            buffer.resize((length * 2).max(8192), 0);
        }
        match file.read_at(&mut buffer[length..], length as u64) {
            Ok(0) => break,
            Ok(n) => length += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(&buffer[..length])
}
