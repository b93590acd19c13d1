//! tracefs: where classic tracepoints are attached, and where their records are described.

use std::path::{Path, PathBuf};

/// Where tracefs may be.
const PLACES: [&str; 2] = ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"];

/// Finds tracefs; mounts it where it is not mounted and this process may.
///
/// # Errors
/// Why it is not there, in words.
pub(crate) fn find_or_mount() -> Result<PathBuf, String> {
    if let Some(place) = mounted() {
        return Ok(place);
    }
    let place = Path::new(PLACES[0]);
    let flags = rustix::mount::MountFlags::NOSUID
        | rustix::mount::MountFlags::NODEV
        | rustix::mount::MountFlags::NOEXEC;
    rustix::mount::mount("tracefs", place, "tracefs", flags, None)
        .map_err(|error| format!("tracefs is not mounted, and mounting it failed: {error}"))?;
    mounted().ok_or_else(|| "tracefs is mounted but has no events".to_owned())
}

/// Finds tracefs where it is mounted and readable.
pub(crate) fn mounted() -> Option<PathBuf> {
    PLACES
        .iter()
        .map(PathBuf::from)
        .find(|place| place.join("events").is_dir())
}

/// Offset of a field in the records of a tracepoint, from the text of its `format` file.
pub(crate) fn field_offset(format: &str, field: &str) -> Option<u32> {
    format.lines().find_map(|line| {
        let mut parts = line.trim().split(';').map(str::trim);
        let declaration = parts.next()?.strip_prefix("field:")?;
        // `char comm[16]`, `__data_loc char[] comm`
        let name = declaration.rsplit(' ').next()?.split('[').next()?;
        if name != field {
            return None;
        }
        parts.next()?.strip_prefix("offset:")?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: &str = "name: mark_victim\nID: 609\nformat:\n\
        \tfield:unsigned short common_type;\toffset:0;\tsize:2;\tsigned:0;\n\
        \n\
        \tfield:int pid;\toffset:8;\tsize:4;\tsigned:1;\n\
        \tfield:__data_loc char[] comm;\toffset:12;\tsize:4;\tsigned:0;\n\
        \tfield:char old[16];\toffset:20;\tsize:16;\tsigned:0;\n\
        \nprint fmt: \"pid=%d\", REC->pid\n";

    #[test]
    fn fields_are_found_by_name() {
        assert_eq!(field_offset(FORMAT, "pid"), Some(8));
        assert_eq!(field_offset(FORMAT, "comm"), Some(12));
        assert_eq!(field_offset(FORMAT, "old"), Some(20));
        assert_eq!(field_offset(FORMAT, "uid"), None);
    }
}
