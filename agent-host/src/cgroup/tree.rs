//! Which control groups there are, and in which trees.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::files;

/// The controllers of v1 that hark reads, each with a tree of its own, by the names of the directories
/// that they are mounted at. `cpu` and `cpuacct` are often one mount with links from both names.
const CONTROLLERS: [(Controller, &str); 5] = [
    (Controller::Cpu, "cpu"),
    (Controller::CpuAcct, "cpuacct"),
    (Controller::Memory, "memory"),
    (Controller::BlkIo, "blkio"),
    (Controller::Pids, "pids"),
];

/// A tree of control groups: v2's, or a v1 controller's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Controller {
    Unified,
    Cpu,
    CpuAcct,
    Memory,
    BlkIo,
    Pids,
}

impl Controller {
    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// One control group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Group {
    /// Below the root of its trees, with a leading slash.
    pub(super) path: String,
    /// The trees that have it.
    trees: u8,
    /// In bytes, where it has one.
    pub(super) memory_limit: Option<u64>,
}

impl Group {
    pub(super) fn is_in(&self, tree: Controller) -> bool {
        self.trees & tree.bit() != 0
    }
}

/// The trees, and the groups in them, root excepted: those nearest the root first.
#[derive(Debug, Default)]
pub(super) struct Trees {
    roots: Vec<(Controller, PathBuf)>,
    pub(super) groups: Vec<Group>,
    /// Groups that were seen but had no place. What is below those was not looked at.
    pub(super) omitted: u64,
}

impl Trees {
    /// Looks for the trees below the place where control groups are mounted, and for at most
    /// `limit` groups.
    pub(super) fn find(root: &Path, limit: usize, buffer: &mut Vec<u8>) -> Self {
        let mut trees = Self {
            roots: roots(root),
            ..Self::default()
        };
        let mut found: BTreeMap<(usize, String), u8> = BTreeMap::new();
        for (tree, root) in &trees.roots {
            walk(root, limit, &mut |path| {
                *found.entry((depth(path), path.to_owned())).or_default() |= tree.bit();
            });
        }
        trees.omitted = found.len().saturating_sub(limit) as u64;
        let mut groups: Vec<_> = found
            .into_iter()
            .take(limit)
            .map(|((_, path), bits)| Group {
                path,
                trees: bits,
                memory_limit: None,
            })
            .collect();
        for group in &mut groups {
            group.memory_limit = files::memory_limit(&trees, group, buffer);
        }
        trees.groups = groups;
        trees
    }

    /// The file of a group in one of the trees.
    pub(super) fn file(&self, tree: Controller, group: &Group, name: &str) -> Option<String> {
        if !group.is_in(tree) {
            return None;
        }
        let (_, root) = self.roots.iter().find(|(t, _)| *t == tree)?;
        Some(format!("{}{}/{name}", root.to_str()?, group.path))
    }
}

fn depth(path: &str) -> usize {
    path.bytes().filter(|b| *b == b'/').count()
}

fn roots(root: &Path) -> Vec<(Controller, PathBuf)> {
    let mut roots = Vec::new();
    for unified in [root.to_owned(), root.join("unified")] {
        if unified.join("cgroup.controllers").exists() {
            roots.push((Controller::Unified, unified));
            break;
        }
    }
    for (controller, name) in CONTROLLERS {
        let path = root.join(name);
        // On a v2 root such a name may be a group's; a tree's root has a file of its own kind.
        if path.join("tasks").exists() {
            roots.push((controller, path));
        }
    }
    roots
}

/// Tells the paths of the groups of a tree, nearest the root first. Looks into at most `limit`.
fn walk(root: &Path, limit: usize, tell: &mut impl FnMut(&str)) {
    let mut queue = VecDeque::from([String::new()]);
    let mut visited = 0;
    while let Some(path) = queue.pop_front() {
        visited += 1;
        if visited > limit + 1 {
            return;
        }
        let dir = root.join(path.trim_start_matches('/'));
        // A directory's links are its own two and one from each directory in it: two is a leaf.
        if fs::metadata(&dir).is_ok_and(|dir| dir.nlink() == 2) {
            continue;
        }
        let Ok(entries) = fs::read_dir(&dir) else {
            continue;
        };
        let mut below: Vec<_> = entries
            .flatten()
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        below.sort_unstable();
        for name in below {
            let path = format!("{path}/{name}");
            tell(&path);
            queue.push_back(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(trees: &Trees) -> Vec<&str> {
        trees.groups.iter().map(|g| g.path.as_str()).collect()
    }

    #[test]
    fn a_hybrid_host_has_one_list_of_groups() {
        let root = tempfile::tempdir().expect("tempdir");
        let dir = |path: &str| fs::create_dir_all(root.path().join(path)).expect("mkdir");
        let file = |path: &str| fs::write(root.path().join(path), "").expect("write");
        dir("unified/system.slice/a.service");
        dir("memory/system.slice/b.service");
        file("unified/cgroup.controllers");
        file("memory/tasks");
        // Not a tree: it has no tasks.
        dir("pids/stray");
        let trees = Trees::find(root.path(), 10, &mut Vec::new());
        assert_eq!(
            names(&trees),
            [
                "/system.slice",
                "/system.slice/a.service",
                "/system.slice/b.service"
            ]
        );
        let both = &trees.groups[0];
        assert!(both.is_in(Controller::Unified) && both.is_in(Controller::Memory));
        assert!(!trees.groups[1].is_in(Controller::Memory));
        assert_eq!(trees.file(Controller::Memory, &trees.groups[1], "x"), None);
    }

    #[test]
    fn those_nearest_the_root_come_first_and_the_rest_is_counted() {
        let root = tempfile::tempdir().expect("tempdir");
        fs::write(root.path().join("cgroup.controllers"), "").expect("write");
        for path in ["a/x", "b/y/z", "c"] {
            fs::create_dir_all(root.path().join(path)).expect("mkdir");
        }
        let trees = Trees::find(root.path(), 4, &mut Vec::new());
        assert_eq!(names(&trees), ["/a", "/b", "/c", "/a/x"]);
        assert!(trees.omitted >= 1);
    }
}
