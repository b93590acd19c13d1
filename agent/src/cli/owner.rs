//! Commands that root runs on the data of an agent that runs as another user.

use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, chown};
use std::path::Path;

use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_groups, set_thread_res_gid, set_thread_res_uid};

use crate::config::Config;
use crate::privileges::Privileges;

/// Runs `work` with the rights of a directory's owner, where root is asked for it: what it makes
/// there the agent can use, and what lies there cannot lead root astray. Only for programs with no
/// other thread.
///
/// # Errors
/// The directory is not there, or the system refuses the change of user.
pub(super) fn as_owner<T>(dir: &Path, work: impl FnOnce() -> T) -> io::Result<T> {
    let owner = std::fs::metadata(dir)?;
    if !rustix::process::geteuid().is_root() || owner.uid() == 0 {
        return Ok(work());
    }
    let (uid, gid) = (Uid::from_raw(owner.uid()), Gid::from_raw(owner.gid()));
    let (root, group) = (Uid::ROOT, rustix::process::getegid());
    let groups = rustix::process::getgroups()?;
    // The real and the saved id stay root's: the way back.
    set_thread_groups(&[gid])?;
    set_thread_res_gid(group, gid, group)?;
    set_thread_res_uid(root, uid, root)?;
    let done = work();
    set_thread_res_uid(root, root, root)?;
    set_thread_res_gid(group, group, group)?;
    set_thread_groups(&groups)?;
    Ok(done)
}

/// Makes the data directory where it is missing, for the user that the agent is to run as.
///
/// # Errors
/// The user is not known, or the system refuses.
pub(super) fn make_data_dir(config: &Config) -> Result<(), String> {
    let dir = &config.data_dir;
    if dir.exists() {
        return Ok(());
    }
    let privileges = Privileges::new(&config.privileges).map_err(|error| error.to_string())?;
    let failed = |error: io::Error| format!("cannot make {}: {error}", dir.display());
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(dir)
        .map_err(failed)?;
    match privileges.user() {
        Some((uid, gid)) if rustix::process::geteuid().is_root() => {
            chown(dir, Some(uid), Some(gid)).map_err(failed)
        }
        _ => Ok(()),
    }
}
