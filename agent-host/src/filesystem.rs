//! File systems, from mountinfo (`proc_pid_mountinfo(5)`) and statvfs(3).
//!
//! statvfs on a file system whose server is gone blocks for ever, so only file systems that this
//! kernel alone serves are asked: network file systems and those in user space are skipped by type.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use hark_api::vitals::Filesystem;
use rustix::fs::StatVfsMountFlags;

use crate::Metric;
use crate::kept::Kept;
use crate::scan::{lines, words};
use crate::table::{Family, Table, gauge};

static FAMILIES: [Family; 7] = [
    gauge("node_filesystem_size_bytes", "Filesystem size in bytes."),
    gauge(
        "node_filesystem_free_bytes",
        "Filesystem free space in bytes.",
    ),
    gauge(
        "node_filesystem_avail_bytes",
        "Filesystem space available to non-root users in bytes.",
    ),
    gauge("node_filesystem_files", "Filesystem total file nodes."),
    gauge(
        "node_filesystem_files_free",
        "Filesystem total free file nodes.",
    ),
    gauge("node_filesystem_readonly", "Filesystem read-only status."),
    gauge(
        "node_filesystem_device_error",
        "Whether an error occurred while getting statistics for the given device.",
    ),
];

/// File systems that hold no one's data: the kernel's own, images that are full by nature, and
/// `overlay`, which repeats the file system below it.
const VIRTUAL: [&[u8]; 25] = [
    b"autofs",
    b"binfmt_misc",
    b"bpf",
    b"cgroup",
    b"cgroup2",
    b"configfs",
    b"debugfs",
    b"devpts",
    b"devtmpfs",
    b"efivarfs",
    b"erofs",
    b"hugetlbfs",
    b"iso9660",
    b"mqueue",
    b"nsfs",
    b"overlay",
    b"proc",
    b"pstore",
    b"ramfs",
    b"rpc_pipefs",
    b"securityfs",
    b"selinuxfs",
    b"squashfs",
    b"sysfs",
    b"tracefs",
];

/// File systems whose server may be elsewhere, or dead.
const REMOTE: [&[u8]; 20] = [
    b"9p",
    b"afs",
    b"ceph",
    b"cifs",
    b"coda",
    b"davfs",
    b"gfs2",
    b"glusterfs",
    b"gpfs",
    b"lustre",
    b"ncpfs",
    b"nfs",
    b"nfs4",
    b"ocfs2",
    b"orangefs",
    b"pvfs2",
    b"smb3",
    b"smbfs",
    b"virtiofs",
    b"vboxsf",
];

/// Where programs, not people, mount things.
const HIDDEN: [&[u8]; 6] = [
    b"/dev",
    b"/proc",
    b"/sys",
    b"/run/credentials",
    b"/var/lib/docker",
    b"/var/lib/containers/storage",
];

/// A line of mountinfo that hark looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mount {
    /// `major:minor`.
    number: Vec<u8>,
    device: String,
    mountpoint: Vec<u8>,
    fstype: String,
}

/// File systems.
#[derive(Debug)]
pub(crate) struct Filesystems {
    mountinfo: Kept,
    /// Stands before mount points, where they are those of another mount namespace.
    prefix: Option<PathBuf>,
    interval: Duration,
    limit: usize,
    asked: Option<Instant>,
    table: Table,
    found: Vec<Found>,
    omitted: u64,
}

/// A file system with what statvfs said, if it answered.
#[derive(Debug)]
struct Found {
    filesystem: Filesystem,
    /// Free bytes, those that only root can have included.
    free: Option<u64>,
}

impl Filesystems {
    /// Those of the host's first process; of our own mount namespace where that may not be seen.
    pub(crate) fn new(proc: &Path, limit: usize, interval: Duration) -> Self {
        let namespace = |of: &str| std::fs::read_link(proc.join(of).join("ns/mnt")).ok();
        let foreign = match (namespace("1"), namespace("self")) {
            (Some(first), Some(own)) => first != own,
            _ => false,
        };
        let of = proc.join(if foreign { "1" } else { "self" });
        Self {
            mountinfo: Kept::new(of.join("mountinfo")),
            prefix: foreign.then(|| of.join("root")),
            interval,
            limit,
            asked: None,
            table: Table::new(&FAMILIES, &["device", "fstype", "mountpoint"], limit),
            found: Vec::new(),
            omitted: 0,
        }
    }

    /// The file systems, with numbers that are at most as old as the interval.
    pub(crate) fn update(&mut self, now: Instant, buffer: &mut Vec<u8>) -> Vec<Filesystem> {
        if self
            .asked
            .is_none_or(|asked| now.duration_since(asked) >= self.interval)
        {
            self.asked = Some(now);
            self.found.clear();
            self.omitted = 0;
            if let Ok(text) = self.mountinfo.read(buffer) {
                let (mounts, omitted) = mounts(text, self.limit);
                self.omitted = omitted;
                self.found = mounts.into_iter().map(|mount| self.ask(mount)).collect();
            }
        }
        for Found {
            filesystem: f,
            free,
        } in &self.found
        {
            let Some(row) = self.table.row(&[&f.device, &f.fstype, &f.mountpoint]) else {
                continue;
            };
            row.set(6, f64::from(u8::from(free.is_none())), None);
            let Some(free) = free else {
                continue;
            };
            let values = [
                f.size,
                *free,
                f.available,
                f.files,
                f.files_free,
                u64::from(f.read_only),
            ];
            for (family, value) in values.into_iter().enumerate() {
                row.set(family, value as f64, None);
            }
        }
        self.found
            .iter()
            .filter(|found| found.free.is_some())
            .map(|found| found.filesystem.clone())
            .collect()
    }

    fn ask(&self, mount: Mount) -> Found {
        let point = OsStr::from_bytes(&mount.mountpoint);
        let mut filesystem = Filesystem {
            device: mount.device,
            mountpoint: point.to_string_lossy().into_owned(),
            fstype: mount.fstype,
            ..Filesystem::default()
        };
        let path = match &self.prefix {
            Some(prefix) => prefix.join(
                Path::new(point)
                    .strip_prefix("/")
                    .unwrap_or(Path::new(point)),
            ),
            None => point.into(),
        };
        let Ok(stat) = rustix::fs::statvfs(&path) else {
            return Found {
                filesystem,
                free: None,
            };
        };
        filesystem.size = stat.f_blocks.saturating_mul(stat.f_frsize);
        filesystem.available = stat.f_bavail.saturating_mul(stat.f_frsize);
        filesystem.files = stat.f_files;
        filesystem.files_free = stat.f_ffree;
        filesystem.read_only = stat.f_flag.contains(StatVfsMountFlags::RDONLY);
        Found {
            filesystem,
            free: Some(stat.f_bfree.saturating_mul(stat.f_frsize)),
        }
    }

    pub(crate) fn emit(&mut self, out: &mut Vec<Metric>) -> u64 {
        self.omitted + self.table.emit(out)
    }
}

/// The mounts to ask, each file system once, at most `limit`; and how many had no place.
fn mounts(mountinfo: &[u8], limit: usize) -> (Vec<Mount>, u64) {
    let mut mounts: Vec<Mount> = Vec::new();
    let mut omitted = 0;
    for mount in lines(mountinfo).filter_map(parse) {
        if !is_local(mount.fstype.as_bytes()) || is_hidden(&mount.mountpoint) {
            continue;
        }
        // A later mount on the same point hides the earlier.
        if let Some(over) = mounts.iter_mut().find(|m| m.mountpoint == mount.mountpoint) {
            *over = mount;
        } else if mounts.iter().any(|m| m.number == mount.number) {
            // A bind mount of what is already there.
        } else if mounts.len() < limit {
            mounts.push(mount);
        } else {
            omitted += 1;
        }
    }
    (mounts, omitted)
}

/// One line: `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw`.
fn parse(line: &[u8]) -> Option<Mount> {
    let mut words = words(line);
    let number = words.nth(2)?.to_owned();
    let mountpoint = unescape(words.nth(1)?);
    words.find(|word| *word == b"-")?;
    let fstype = String::from_utf8_lossy(words.next()?).into_owned();
    let device = String::from_utf8_lossy(&unescape(words.next()?)).into_owned();
    Some(Mount {
        number,
        device,
        mountpoint,
        fstype,
    })
}

/// The kernel writes space, tab, newline and backslash as three octal digits.
fn unescape(word: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(word.len());
    let mut rest = word;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', tail @ ..]) => {
                out.push(((a - b'0') << 6) | ((b - b'0') << 3) | (c - b'0'));
                rest = tail;
            }
            _ => out.push(*first),
        }
    }
    out
}

fn is_local(fstype: &[u8]) -> bool {
    !(VIRTUAL.contains(&fstype) || REMOTE.contains(&fstype) || fstype.starts_with(b"fuse"))
}

fn is_hidden(mountpoint: &[u8]) -> bool {
    HIDDEN.iter().any(|hidden| {
        mountpoint
            .strip_prefix(*hidden)
            .is_some_and(|rest| rest.is_empty() || rest[0] == b'/')
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn only_local_file_systems_are_asked_and_each_once() {
        let text = b"22 27 0:21 / /proc rw - proc proc rw\n\
            27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw,discard\n\
            30 27 0:30 / /dev/shm rw - tmpfs tmpfs rw\n\
            31 27 254:0 /srv /bound rw - ext4 /dev/vda rw\n\
            32 27 0:40 / /mnt/dead rw - nfs4 server:/x rw\n\
            33 27 0:41 / /mnt/sshfs rw - fuse.sshfs host: rw\n\
            34 27 8:1 / /with\\040space rw - xfs /dev/sda1 rw\n\
            35 27 8:2 / /third rw - xfs /dev/sda2 rw\n\
            36 27 8:3 / /third rw - btrfs /dev/sda3 rw\n\
            garbage\n";
        let (found, omitted) = mounts(text, 3);
        let found: Vec<_> = found
            .iter()
            .map(|m| {
                (
                    String::from_utf8_lossy(&m.mountpoint).into_owned(),
                    m.fstype.as_str(),
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("/".into(), "ext4"),
                ("/with space".into(), "xfs"),
                ("/third".into(), "btrfs")
            ]
        );
        assert_eq!(omitted, 0);
        assert_eq!(mounts(text, 1).1, 3);
    }

    #[test]
    fn a_file_system_that_does_not_answer_is_an_error_in_metrics_and_absent_in_vitals() {
        let proc = tempfile::tempdir().expect("tempdir");
        std::fs::create_dir(proc.path().join("self")).expect("mkdir");
        let text =
            "1 0 8:1 / / rw - ext4 /dev/sda rw\n2 0 8:2 / /no/such/place rw - ext4 /dev/sdb rw\n";
        std::fs::write(proc.path().join("self/mountinfo"), text).expect("write");
        let mut filesystems = Filesystems::new(proc.path(), 8, Duration::ZERO);
        let vitals = filesystems.update(Instant::now(), &mut Vec::new());
        assert_eq!(vitals.len(), 1);
        assert!(vitals[0].size > 0 && vitals[0].available <= vitals[0].size);
        let mut out = Vec::new();
        filesystems.emit(&mut out);
        let errors: Vec<_> = out
            .iter()
            .filter(|m| m.key.name() == "node_filesystem_device_error")
            .map(|m| m.value)
            .collect();
        assert_eq!(errors, [0.0, 1.0]);
        assert_eq!(out.len(), 8);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in any::<Vec<u8>>(), lines in "([0-9]+ 1 [0-9]:1 / /[a-z\\\\0-7]* rw - [a-z]* [a-z/\\\\]* rw\n)*") {
            mounts(&text, 2);
            mounts(lines.as_bytes(), 2);
        }

        #[test]
        fn unescaping_undoes_what_the_kernel_does(name in any::<Vec<u8>>()) {
            let escaped: Vec<u8> = name.iter().flat_map(|b| match b {
                b' ' | b'\t' | b'\n' | b'\\' => format!("\\{b:03o}").into_bytes(),
                b => vec![*b],
            }).collect();
            prop_assert_eq!(unescape(&escaped), name);
        }
    }
}
