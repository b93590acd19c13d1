//! What a process and all below it use.

use std::fs;
use std::io::Read as _;
use std::path::Path;

/// The process and all below it.
pub(super) fn process_tree(pid: u32) -> Vec<u32> {
    let mut tree = vec![pid];
    let mut next = 0;
    while next < tree.len() {
        let path = format!("/proc/{0}/task/{0}/children", tree[next]);
        let children = fs::read_to_string(path).unwrap_or_default();
        tree.extend(
            children
                .split_whitespace()
                .filter_map(|p| p.parse::<u32>().ok()),
        );
        next += 1;
    }
    tree
}

pub(super) fn cpu_of(pid: u32) -> f64 {
    let mut text = String::new();
    let read =
        fs::File::open(format!("/proc/{pid}/stat")).and_then(|mut f| f.read_to_string(&mut text));
    if read.is_err() {
        return 0.0;
    }
    // Fields 14 and 15, user and system time in ticks of 10 ms; the name before may hold spaces.
    let rest = text.rsplit(") ").next().unwrap_or_default();
    rest.split(' ')
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<f64>().ok())
        .sum::<f64>()
        / 100.0
}

pub(super) fn peak_rss_of(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|l| l.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) * 1024
}

/// Bytes that the files below a directory take on disk.
pub(crate) fn disk_below(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt as _;
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .flatten()
        .map(|e| match e.metadata() {
            Ok(m) if m.is_dir() => disk_below(&e.path()),
            Ok(m) => m.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}
