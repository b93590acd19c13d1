//! Digests of the kernel programs: of what they are built from, and of the object.
//!
//! Also compiled into hark-kernel's test that the committed object matches its sources.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

/// Digest over all that decides what the object does: the sources, the manifest, and the versions
/// of the libraries that are compiled into it.
pub(crate) fn sources(root: &Path) -> io::Result<String> {
    let package = root.join("agent-ebpf");
    let mut files = vec![package.join("Cargo.toml")];
    collect(&package.join("src"), &mut files)?;
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        let name = file.strip_prefix(&package).unwrap_or(&file);
        let text = fs::read(&file)?;
        hash.update(format!("{} {}\n", name.display(), text.len()));
        hash.update(&text);
    }
    for line in versions(&fs::read_to_string(root.join("Cargo.lock"))?) {
        hash.update(line);
        hash.update("\n");
    }
    Ok(hex(&hash.finalize()))
}

/// Digest of the committed object.
pub(crate) fn object(root: &Path) -> io::Result<String> {
    Ok(hex(&Sha256::digest(fs::read(
        root.join("agent-ebpf/hark-ebpf.o"),
    )?)))
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else {
            files.push(entry.path());
        }
    }
    Ok(())
}

/// Name and version of the locked libraries that end up in the object.
fn versions(lock: &str) -> impl Iterator<Item = String> + '_ {
    const LIBRARIES: [&str; 7] = [
        "aya-ebpf",
        "aya-ebpf-bindings",
        "aya-ebpf-cty",
        "aya-ebpf-macros",
        "aya-log-common",
        "aya-log-ebpf",
        "aya-log-ebpf-macros",
    ];
    let value = |line: Option<&str>, key: &str| {
        Some(
            line?
                .strip_prefix(key)?
                .strip_prefix(" = \"")?
                .strip_suffix('"')?
                .to_owned(),
        )
    };
    lock.split("[[package]]\n").filter_map(move |package| {
        let mut lines = package.lines();
        let name = value(lines.next(), "name")?;
        let version = value(lines.next(), "version")?;
        LIBRARIES
            .contains(&&*name)
            .then(|| format!("{name} {version}"))
    })
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
