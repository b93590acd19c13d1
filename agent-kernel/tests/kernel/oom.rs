use std::fs;
use std::path::PathBuf;
use std::process::Command;

use hark_kernel::{Data, Feature};

use crate::listener::{Listener, assert_recent, pid};

/// A control group of the memory controller, v1 or v2, for a test.
pub(crate) struct Group {
    pub(crate) directory: PathBuf,
    pub(crate) path: String,
    v1: bool,
}

impl Group {
    pub(crate) fn new(name: &str) -> Self {
        let v1 = PathBuf::from("/sys/fs/cgroup/memory");
        let (root, v1) = if v1.is_dir() {
            (v1, true)
        } else {
            (PathBuf::from("/sys/fs/cgroup"), false)
        };
        let directory = root.join(name);
        fs::create_dir_all(&directory).expect("a control group");
        Self {
            directory,
            path: format!("/{name}"),
            v1,
        }
    }

    pub(crate) fn limit(&self, bytes: u64) {
        let file = if self.v1 {
            "memory.limit_in_bytes"
        } else {
            "memory.max"
        };
        fs::write(self.directory.join(file), bytes.to_string()).expect("a limit");
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // Empty once its last process has been waited for; parents that the test made go, too.
        let mut directory = self.directory.clone();
        while fs::remove_dir(&directory).is_ok() && directory.pop() {}
    }
}

#[test]
fn a_process_killed_for_want_of_memory_is_told() {
    const LIMIT: u64 = 24 << 20;
    let Some(listener) = Listener::start(&[Feature::Oom, Feature::Process]) else {
        return;
    };
    let group = Group::new(&format!("hark-oom-{}", std::process::id()));
    group.limit(LIMIT);
    let script = format!(
        "echo $$ > {}/cgroup.procs; echo 321 > /proc/self/oom_score_adj; exec tail /dev/zero",
        group.directory.display()
    );
    // `echo` is the shell's own: the adjustment is of the process that becomes `tail`.
    let mut child = Command::new("sh")
        .args(["-c", &script])
        .spawn()
        .expect("sh");
    let status = child.wait().expect("end");
    assert_eq!(
        std::os::unix::process::ExitStatusExt::signal(&status),
        Some(9)
    );

    let (event, oom) = listener.wait("the kill", |event| match &event.data {
        Data::OomKill(oom) if pid(event) == Some(child.id()) => Some(oom.clone()),
        _ => None,
    });
    assert_recent(&event);
    let process = event.process.expect("a process");
    assert_eq!((&*process.comm, process.uid), ("tail", Some(0)));
    assert_eq!(process.cgroup, Some(group.path.clone()));
    assert_eq!(process.ppid, Some(std::process::id()));
    assert_eq!(oom.trigger.pid, child.id());
    assert_eq!(oom.trigger.comm, "tail");
    // Kernels before 6.8 tell no more than the id.
    if let Some(anonymous) = oom.anon_rss {
        assert!((LIMIT / 2..=LIMIT).contains(&anonymous), "{anonymous}");
        assert!(oom.total_vm.expect("as the rest") >= anonymous);
        assert!(oom.file_rss.is_some() && oom.shmem_rss == Some(0));
        assert_eq!(oom.oom_score_adj, Some(321));
    }
}
