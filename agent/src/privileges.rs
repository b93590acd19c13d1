//! Gives up what is no longer needed once the kernel programs are loaded.
//!
//! Capabilities and user ids are a thread's own on Linux. So [`Privileges::give_up`] runs on the
//! main thread before any other thread is started, and once on the one thread that is older: the
//! reader of the kernel's events.

use caps::{CapSet, Capability, CapsHashSet};
use rustix::process::{Gid, Uid};

use crate::config;

/// Kept, because /proc/PID/io and /proc/PID/exe of other users' processes need it.
const KEPT: [Capability; 1] = [Capability::CAP_SYS_PTRACE];

/// What to give up.
#[derive(Clone, Copy, Debug)]
pub struct Privileges {
    drop_capabilities: bool,
    user: Option<(Uid, Gid)>,
}

/// Privileges cannot be given up as asked.
#[derive(Debug, thiserror::Error)]
pub enum PrivilegeError {
    /// The user is not known.
    #[error("privileges.user: there is no user `{0}`")]
    NoUser(String),
    /// The system refused a change of user.
    #[error("cannot become the user of privileges.user: {0}")]
    User(std::io::Error),
    /// The system refused a change of capabilities.
    #[error("cannot give up capabilities: {0}")]
    Capabilities(String),
}

impl Privileges {
    /// Looks the user up.
    ///
    /// # Errors
    /// There is none of that name.
    pub fn new(config: &config::Privileges) -> Result<Self, PrivilegeError> {
        let user = if config.user.is_empty() {
            None
        } else {
            Some(lookup(&config.user).ok_or_else(|| PrivilegeError::NoUser(config.user.clone()))?)
        };
        Ok(Self {
            drop_capabilities: config.drop_capabilities,
            user,
        })
    }

    /// The user and group to become.
    pub fn user(&self) -> Option<(u32, u32)> {
        self.user.map(|(uid, gid)| (uid.as_raw(), gid.as_raw()))
    }

    /// Gives up what is not needed, for the calling thread and all that it starts.
    ///
    /// # Errors
    /// The system refused.
    pub fn give_up(&self) -> Result<(), PrivilegeError> {
        let held = caps::read(None, CapSet::Permitted)
            .map_err(|e| PrivilegeError::Capabilities(e.to_string()))?;
        let kept: CapsHashSet = KEPT.into_iter().filter(|cap| held.contains(cap)).collect();
        if let Some((uid, gid)) = self.user {
            let failed = |error: rustix::io::Errno| PrivilegeError::User(error.into());
            // Else the change of user would take all capabilities, kept ones included.
            rustix::thread::set_keep_capabilities(true).map_err(failed)?;
            rustix::thread::set_thread_groups(&[gid]).map_err(failed)?;
            rustix::thread::set_thread_res_gid(gid, gid, gid).map_err(failed)?;
            rustix::thread::set_thread_res_uid(uid, uid, uid).map_err(failed)?;
        }
        if self.drop_capabilities || self.user.is_some() {
            let set = |set, caps: &CapsHashSet| {
                caps::set(None, set, caps).map_err(|e| PrivilegeError::Capabilities(e.to_string()))
            };
            set(CapSet::Inheritable, &CapsHashSet::new())?;
            if caps::has_cap(None, CapSet::Effective, Capability::CAP_SETPCAP).unwrap_or(false) {
                for cap in caps::all().difference(&kept) {
                    // The kernel may know fewer than this program.
                    let _ = caps::drop(None, CapSet::Bounding, *cap);
                }
            }
            set(CapSet::Effective, &kept)?;
            set(CapSet::Permitted, &kept)?;
        }
        rustix::thread::set_no_new_privs(true)
            .map_err(|error| PrivilegeError::Capabilities(error.to_string()))
    }
}

fn lookup(name: &str) -> Option<(Uid, Gid)> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    users.lines().find_map(|line| {
        let parts: Vec<_> = line.split(':').collect();
        match parts.as_slice() {
            [own, _, uid, gid, ..] if *own == name => Some((
                Uid::from_raw(uid.parse().ok()?),
                Gid::from_raw(gid.parse().ok()?),
            )),
            _ => None,
        }
    })
}
