//! Control groups: which hierarchy, which path, and what the path says about unit and container.

use std::collections::{BTreeSet, HashMap};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::id::ById;

/// A control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cgroup {
    /// Path below the hierarchy's root, beginning with `/`.
    pub(crate) path: String,
    /// The systemd unit that it belongs to.
    pub(crate) unit: Option<String>,
    /// The container that it belongs to.
    pub(crate) container: Option<String>,
}

impl Cgroup {
    /// Reads the path.
    pub(crate) fn from_path(path: &str) -> Self {
        Self {
            path: path.to_owned(),
            unit: unit(path).map(str::to_owned),
            container: container(path).map(str::to_owned),
        }
    }
}

/// The unit: the first that is no slice, as `sd_pid_get_unit(3)` has it.
fn unit(path: &str) -> Option<&str> {
    const TYPES: [&str; 6] = [".service", ".scope", ".socket", ".mount", ".swap", ".timer"];
    path.split('/').find(|part| {
        TYPES.iter().any(|suffix| {
            part.strip_suffix(suffix)
                .is_some_and(|name| !name.is_empty())
        })
    })
}

/// The container's id, as Docker, containerd, CRI-O, Podman and Kubernetes write it: 64 hexadecimal
/// digits, alone, or between a prefix and `.scope`. LXC has names instead.
fn container(path: &str) -> Option<&str> {
    path.split('/').rev().find_map(|part| {
        if let Some(name) = part.strip_prefix("lxc.payload.") {
            return Some(name).filter(|name| !name.is_empty());
        }
        let name = part.strip_suffix(".scope").unwrap_or(part);
        // `cri-containerd-ID`, `docker-ID`, `crio-ID`, `libpod-ID`; `POD:runtime:ID`
        let id = name.rsplit(['-', ':']).next()?;
        (id.len() == 64 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
    })
}

/// The hierarchy whose groups are told: the one that has the memory controller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Whether it is a v1 hierarchy, with the memory controller alone or with others.
    pub(crate) v1: bool,
    /// Its number in `/proc/PID/cgroup`; 0 is v2.
    pub(crate) id: u32,
    /// Where it is mounted, if it is.
    pub(crate) mount: Option<PathBuf>,
}

impl Hierarchy {
    /// Finds it.
    pub(crate) fn find() -> Self {
        let controllers = std::fs::read_to_string("/proc/cgroups").unwrap_or_default();
        let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        Self::from_text(&controllers, &mounts)
    }

    /// From the texts of `/proc/cgroups` and `/proc/self/mountinfo`.
    fn from_text(controllers: &str, mounts: &str) -> Self {
        let id = controllers
            .lines()
            .find_map(|line| {
                let mut words = line.split_whitespace();
                (words.next() == Some("memory")).then(|| words.next()?.parse().ok())?
            })
            .unwrap_or(0);
        let mount = mounts.lines().find_map(|line| {
            let (before, after) = line.split_once(" - ")?;
            let mut after = after.split(' ');
            let fs_type = after.next()?;
            let options = after.nth(1)?;
            let matches = if id == 0 {
                fs_type == "cgroup2"
            } else {
                fs_type == "cgroup" && options.split(',').any(|option| option == "memory")
            };
            matches.then(|| before.split(' ').nth(4).map(PathBuf::from))?
        });
        Self {
            v1: id != 0,
            id,
            mount,
        }
    }

    /// The path of this hierarchy's group in the text of a `/proc/PID/cgroup`.
    pub(crate) fn path_in<'a>(&self, text: &'a str) -> Option<&'a str> {
        text.lines().find_map(|line| {
            let (id, rest) = line.split_once(':')?;
            let (_, path) = rest.split_once(':')?;
            (id.parse() == Ok(self.id)).then_some(path)
        })
    }
}

/// Whether a group is the one at `path`, or below it.
pub(crate) fn is_below(group: &str, path: &str) -> bool {
    group
        .strip_prefix(path.trim_end_matches('/'))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// How many groups are remembered.
const MAX_GROUPS: usize = 16_384;

/// The groups of the hierarchy by their id, which is the inode of their directory.
#[derive(Debug)]
pub(crate) struct Cgroups {
    hierarchy: Hierarchy,
    by_id: HashMap<u64, Arc<Cgroup>, ById>,
    by_path: HashMap<String, Arc<Cgroup>>,
}

impl Cgroups {
    /// Reads those that there are.
    pub(crate) fn seed(hierarchy: Hierarchy) -> Self {
        let mount = hierarchy.mount.clone();
        let mut groups = Self {
            hierarchy,
            by_id: HashMap::default(),
            by_path: HashMap::new(),
        };
        if let Some(mount) = mount {
            groups.walk(&mount, &mount, 0);
        }
        groups
    }

    /// The hierarchy.
    pub(crate) fn hierarchy(&self) -> &Hierarchy {
        &self.hierarchy
    }

    /// Ids of the groups at these paths and below them.
    pub(crate) fn ids_below(&self, paths: &[String]) -> BTreeSet<u64> {
        self.by_id
            .iter()
            .filter(|(_, group)| paths.iter().any(|path| is_below(&group.path, path)))
            .map(|(id, _)| *id)
            .collect()
    }

    fn walk(&mut self, root: &Path, directory: &Path, depth: usize) {
        let Ok(metadata) = directory.symlink_metadata() else {
            return;
        };
        let below = directory.strip_prefix(root).unwrap_or(directory);
        self.insert(metadata.ino(), &format!("/{}", below.display()));
        let Ok(entries) = std::fs::read_dir(directory) else {
            return;
        };
        for entry in entries.flatten() {
            if depth < 32 && entry.file_type().is_ok_and(|t| t.is_dir()) {
                self.walk(root, &entry.path(), depth + 1);
            }
        }
    }

    /// Notes a group that was made.
    pub(crate) fn insert(&mut self, id: u64, path: &str) -> Arc<Cgroup> {
        let group = self.by_path(path);
        if self.by_id.len() >= MAX_GROUPS {
            self.by_id.clear(); // hosts have far fewer; what is needed is found again
        }
        self.by_id.insert(id, Arc::clone(&group));
        group
    }

    /// The group with this path; equal paths share one.
    pub(crate) fn by_path(&mut self, path: &str) -> Arc<Cgroup> {
        if let Some(group) = self.by_path.get(path) {
            return Arc::clone(group);
        }
        if self.by_path.len() >= MAX_GROUPS {
            self.by_path.clear();
        }
        let group = Arc::new(Cgroup::from_path(path));
        self.by_path.insert(path.to_owned(), Arc::clone(&group));
        group
    }

    /// The group with this id; where it is not known, the one that the process is in now, if that has
    /// this id: it may have moved on meanwhile.
    pub(crate) fn get(&mut self, id: u64, pid: u32) -> Option<Arc<Cgroup>> {
        if let Some(group) = self.by_id.get(&id) {
            return Some(Arc::clone(group));
        }
        let group = self.of_process(pid)?;
        let Some(mount) = &self.hierarchy.mount else {
            return Some(group); // nothing to compare with
        };
        let directory = mount.join(group.path.trim_start_matches('/'));
        if directory.symlink_metadata().ok()?.ino() != id {
            return None;
        }
        self.by_id.insert(id, Arc::clone(&group));
        Some(group)
    }

    /// The group of a running process, from /proc.
    pub(crate) fn of_process(&mut self, pid: u32) -> Option<Arc<Cgroup>> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
        let path = self.hierarchy.path_in(&text)?.to_owned();
        Some(self.by_path(&path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_containers_are_read_from_paths() {
        let id = "0123456789abcdef".repeat(4);
        for (path, unit, container) in [
            ("/", None, None),
            ("/system.slice/nginx.service", Some("nginx.service"), None),
            (
                "/user.slice/user-0.slice/session-3.scope",
                Some("session-3.scope"),
                None,
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service",
                Some("user@1000.service"),
                None,
            ),
            (&format!("/docker/{id}"), None, Some(&*id)),
            (
                &format!("/docker/{id}/init.scope"),
                Some("init.scope"),
                Some(&*id),
            ),
            (
                &format!("/system.slice/docker-{id}.scope"),
                Some(&*format!("docker-{id}.scope")),
                Some(&*id),
            ),
            (
                &format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
                Some(&*format!("cri-containerd-{id}.scope")),
                Some(&*id),
            ),
            (
                &format!("/kubepods/besteffort/pod0a-1b/{id}"),
                None,
                Some(&*id),
            ),
            (
                &format!("/kubepods-pod1.slice:cri-containerd:{id}"),
                None,
                Some(&*id),
            ),
            (
                &format!("/machine.slice/libpod-{id}.scope/container"),
                Some(&*format!("libpod-{id}.scope")),
                Some(&*id),
            ),
            (
                "/lxc.payload.web/system.slice/sshd.service",
                Some("sshd.service"),
                Some("web"),
            ),
            ("/docker/not-hex", None, None),
        ] {
            let group = Cgroup::from_path(path);
            assert_eq!(group.unit.as_deref(), unit, "{path}");
            assert_eq!(group.container.as_deref(), container, "{path}");
        }
    }

    #[test]
    fn the_hierarchy_is_the_memory_controllers() {
        let hybrid =
            "#subsys_name\thierarchy\tnum_cgroups\tenabled\ncpu\t2\t1\t1\nmemory\t5\t9\t1\n";
        let mounts = "30 25 0:26 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
                      31 25 0:27 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let hierarchy = Hierarchy::from_text(hybrid, mounts);
        assert_eq!(hierarchy.id, 5);
        assert_eq!(
            hierarchy.mount.as_deref(),
            Some(Path::new("/sys/fs/cgroup/memory"))
        );
        assert_eq!(hierarchy.path_in("5:memory:/a:b\n0::/u\n"), Some("/a:b"));

        let unified = Hierarchy::from_text("memory\t0\t9\t1\n", mounts);
        assert!(!unified.v1);
        assert_eq!(
            unified.mount.as_deref(),
            Some(Path::new("/sys/fs/cgroup/unified"))
        );
        assert_eq!(unified.path_in("5:memory:/a\n0::/u\n"), Some("/u"));
    }
}
