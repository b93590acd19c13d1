//! What a collector reads, and its bounds.

use std::path::PathBuf;
use std::time::Duration;

/// What a [`crate::Collector`] reads, and its bounds.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the proc file system of the host is mounted.
    pub proc: PathBuf,
    /// Where the sys file system of the host is mounted.
    pub sys: PathBuf,
    /// Where the control groups of the host are mounted: the v2 tree, the directory of the v1 trees,
    /// or both (v2 in `unified` below it).
    pub cgroup: PathBuf,
    /// The processes that [`hark_api::Vitals::processes`] holds at most.
    pub max_processes: usize,
    /// The control groups that are read at most; those nearest the root come first.
    pub max_cgroups: usize,
    /// The CPUs that are told one by one at most; all count in the sums.
    pub max_cpus: usize,
    /// Block devices, file systems and interfaces, of each at most this many. What is left out, for
    /// this bound or another, is counted in `hark_host_omitted`.
    pub max_devices: usize,
    /// How often free space of file systems is asked for.
    pub filesystem_interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            proc: "/proc".into(),
            sys: "/sys".into(),
            cgroup: "/sys/fs/cgroup".into(),
            max_processes: 50,
            max_cgroups: 100,
            max_cpus: 256,
            max_devices: 64,
            filesystem_interval: Duration::from_secs(10),
        }
    }
}
