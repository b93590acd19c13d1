//! A disk that fills up, and has room again: a real file system, of its own.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::Command;

use crate::harness::{Place, is_root, wait_for};
use crate::load::Load;

/// A file system at a place's data directory; unmounted when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None`, with a reason on standard error, where this machine cannot do that.
    fn mount(place: &Place, size: &str) -> Option<Self> {
        if !is_root() {
            eprintln!("needs root, to mount a small file system: not tested");
            return None;
        }
        let data = place.path("data");
        std::fs::create_dir(&data).expect("made");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(&data)
            .status();
        if !mounted.is_ok_and(|status| status.success()) {
            eprintln!("cannot mount here: not tested");
            return None;
        }
        Some(Self(data))
    }

    /// Takes all the room that there is.
    fn fill(&self) {
        let mut file = std::fs::File::create(self.0.join("filler")).expect("made");
        let space = vec![0; 1 << 20];
        while file.write_all(&space).is_ok() {}
    }

    /// Gives it back.
    fn free(&self) {
        std::fs::remove_file(self.0.join("filler")).expect("removed");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Files that are still open keep it until they are closed.
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_is_told_and_survived() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "48m") else {
        return;
    };
    let agent = place.start();
    let send = || {
        let body = format!(r#"{{"message":"{}"}}"#, "full disk ".repeat(2000));
        agent.post("/log", body)
    };
    assert_eq!(send().status, 200);
    disk.fill();
    let refused = wait_for("the disk to be full", || {
        let answer = send();
        (answer.status != 200).then_some(answer)
    });
    refused.problem(503, "store-failing");
    agent.get("/readyz").problem(503, "not-ready");
    let health = agent.get("/status").json()["health"].clone();
    assert_eq!(health["state"], "failing", "{health}");
    disk.free();
    wait_for("the store to work again", || {
        (send().status == 200).then_some(())
    });
    wait_for("that to be told", || {
        let told = agent.events("kind:agent_state");
        told.iter()
            .any(|event| {
                event["message"]
                    .as_str()
                    .is_some_and(|m| m.contains("works again"))
            })
            .then_some(())
    });
    assert_eq!(agent.get("/readyz").status, 200);
}

#[test]
fn a_disk_that_fills_up_under_load_and_is_freed_loses_nothing() {
    let place = Place::new();
    let Some(disk) = SmallDisk::mount(&place, "48m") else {
        return;
    };
    let agent = place.start();
    let load = Load::default();
    std::thread::scope(|scope| {
        let _end = load.stop_at_end();
        load.start(scope, &agent.socket, 2, 2);
        for _ in 0..2 {
            let before = load.acknowledged();
            wait_for("some to be acknowledged", || {
                (load.acknowledged() > before + 200).then_some(())
            });
            disk.fill();
            let refused = load.refused();
            wait_for("some to be refused", || {
                (load.refused() > refused + 3).then_some(())
            });
            disk.free();
            let before = load.acknowledged();
            wait_for("the store to work again", || {
                (load.acknowledged() > before + 200).then_some(())
            });
        }
    });
    println!("{}", load.verify(&agent));
    // And the same is on the disk.
    agent.kill();
    let agent = place.start();
    load.verify(&agent);
}
