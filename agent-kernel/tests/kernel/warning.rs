use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use hark_kernel::{Data, Feature, FileAccess, FileOperation, Filter, Options, Watch};

use crate::listener::{Listener, assert_recent, options, pid, wait_until};

/// Writes to the kernel's log as a program may, and waits until it is told: what came before has been
/// told by then, too.
fn write_line(listener: &Listener, text: &str) {
    fs::write("/dev/kmsg", format!("<6>{text}\n")).expect("/dev/kmsg");
    let (event, ()) = listener.wait("the line", |event| match &event.data {
        Data::KernelLine(line) if line.text.ends_with(text) => Some(()),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(event.process, None);
}

#[test]
fn lines_of_the_kernels_log_are_told() {
    let Some(listener) = Listener::start(&[Feature::KernelLog]) else {
        return;
    };
    write_line(&listener, &format!("hark listens {}", std::process::id()));
}

#[test]
fn a_denied_capability_is_told_once_a_minute() {
    let Some(listener) = Listener::start(&[Feature::Capability, Feature::KernelLog]) else {
        return;
    };
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut child = Command::new("chroot")
            .args(["/", "true"])
            .uid(23_456)
            .stderr(Stdio::null())
            .spawn()
            .expect("chroot");
        assert!(!child.wait().expect("end").success());
        ids.push(child.id());
    }
    write_line(&listener, &format!("hark is denied {}", std::process::id()));
    let told = listener.all(|event| match &event.data {
        Data::CapabilityDenied(denied) if denied.capability == "CAP_SYS_CHROOT" => {
            let process = event.process.as_ref()?;
            (process.uid == Some(23_456)).then(|| (process.pid, process.comm.clone()))
        }
        _ => None,
    });
    assert_eq!(told, [(ids[0], "chroot".to_owned())]);
}

/// An ext4 file system on a loop device.
struct Disk {
    _directory: tempfile::TempDir,
    mount: PathBuf,
    device: String,
}

impl Disk {
    fn new() -> Option<Self> {
        let directory = tempfile::tempdir().expect("a directory");
        let place = directory.path().display();
        let script = format!(
            "set -e; truncate -s 16M {place}/disk; mkfs.ext4 -q {place}/disk; mkdir {place}/m; \
             mount -o loop {place}/disk {place}/m; findmnt -no SOURCE {place}/m"
        );
        let output = Command::new("sh")
            .args(["-c", &script])
            .output()
            .expect("sh");
        if !output.status.success() {
            let why = String::from_utf8_lossy(&output.stderr);
            println!("SKIPPED: no ext4 on a loop device: {why}");
            return None;
        }
        let device = String::from_utf8_lossy(&output.stdout);
        let device = device.trim().trim_start_matches("/dev/").to_owned();
        Some(Self {
            mount: directory.path().join("m"),
            _directory: directory,
            device,
        })
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.mount).status();
    }
}

#[test]
fn an_inconsistent_file_system_is_told() {
    let Some(listener) = Listener::start(&[Feature::FsError]) else {
        return;
    };
    let Some(disk) = Disk::new() else { return };
    let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", disk.device);
    fs::write(trigger, "hark").expect("an error of the file system");
    let (event, error) = listener.wait("the error", |event| match &event.data {
        Data::FsError(error) if error.device == disk.device => Some(error.clone()),
        _ => None,
    });
    assert_recent(&event);
    assert_eq!(pid(&event), Some(std::process::id()));
    assert!(error.line > 0 && !error.function.is_empty(), "{error:?}");
}

/// Settings of the host that a test changes, as they were.
struct Settings(Vec<(&'static str, String)>);

impl Settings {
    fn change(new: &[(&'static str, &str)]) -> Option<Self> {
        let mut before = Self(Vec::new());
        for (path, value) in new {
            before.0.push((path, fs::read_to_string(path).ok()?));
            fs::write(path, value).ok()?;
        }
        Some(before)
    }
}

impl Drop for Settings {
    fn drop(&mut self) {
        for (path, value) in &self.0 {
            let _ = fs::write(path, value);
        }
    }
}

#[test]
fn a_process_that_hangs_is_told() {
    let Some(listener) = Listener::start(&[Feature::Hang]) else {
        return;
    };
    let Some(disk) = Disk::new() else { return };
    let quick = [
        ("/proc/sys/kernel/hung_task_timeout_secs", "1"),
        ("/proc/sys/kernel/hung_task_check_interval_secs", "1"),
    ];
    let Some(_settings) = Settings::change(&quick) else {
        println!("SKIPPED: this kernel does not look for processes that hang");
        return;
    };
    let freeze = |how| Command::new("fsfreeze").arg(how).arg(&disk.mount).status();
    assert!(freeze("-f").expect("fsfreeze").success());
    let mut writer = Command::new("mkdir")
        .arg(disk.mount.join("x"))
        .spawn()
        .expect("mkdir");
    let told = wait_until("the process that hangs", || {
        let told = listener.all(|event| match event.data {
            Data::HungThread(hung) if hung.tid == writer.id() => Some(event.clone()),
            _ => None,
        });
        told.first().cloned()
    });
    assert!(freeze("-u").expect("fsfreeze").success());
    assert!(writer.wait().expect("end").success());
    assert_recent(&told);
    let process = told.process.expect("a process");
    assert_eq!((process.pid, process.comm.as_str()), (writer.id(), "mkdir"));
}

#[test]
fn what_is_done_to_watched_files_is_told_and_to_others_not() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().canonicalize().expect("a path");
    let path = |name: &str| place.join(name).display().to_string();
    let watching = |read: &[String], write: &[String]| Filter {
        watch: Watch {
            read: read.to_vec(),
            write: write.to_vec(),
        },
        ..Filter::NONE
    };
    let both = Options {
        filter: watching(
            &[path("secret")],
            &[path("secret"), path("below/"), path("target")],
        ),
        ..options(&[Feature::File, Feature::Process])
    };
    let Some(listener) = Listener::with(&both) else {
        return;
    };
    fs::create_dir(place.join("below")).expect("a directory");
    fs::write(place.join("other"), "x").expect("written");
    fs::write(place.join("secretly"), "x").expect("a longer name is another file");
    fs::write(place.join("secret"), "x").expect("written");
    fs::read(place.join("secret")).expect("read");
    fs::read(place.join("other")).expect("read");
    fs::write(place.join("below/a"), "x").expect("written");
    fs::read(place.join("below/a")).expect("reading is not told there");
    fs::rename(place.join("other"), place.join("target")).expect("renamed");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(place.join("secret"), mode).expect("changed");
    fs::remove_file(place.join("secret")).expect("removed");
    fs::remove_file(place.join("secret")).expect_err("it has gone");

    let own = |event: &hark_kernel::KernelEvent| match &event.data {
        Data::FileAccess(access) if pid(event) == Some(std::process::id()) => Some(access.clone()),
        _ => None,
    };
    let (event, _) = listener.wait("the last", |event| own(event).filter(|a| a.error != 0));
    assert_recent(&event);
    let short = |access: &FileAccess| {
        let path = access.path.trim_start_matches(&path("")).to_owned();
        (access.operation, path, access.error)
    };
    let told: Vec<_> = listener.all(own).iter().map(short).collect();
    let expected = [
        (FileOperation::Write, "secret", 0),
        (FileOperation::Read, "secret", 0),
        (FileOperation::Write, "below/a", 0),
        (FileOperation::Rename, "target", 0),
        (FileOperation::Change, "secret", 0),
        (FileOperation::Delete, "secret", 0),
        (FileOperation::Delete, "secret", 2),
    ];
    let expected: Vec<_> = expected
        .into_iter()
        .map(|(operation, path, error)| (operation, path.to_owned(), error))
        .collect();
    assert_eq!(told, expected);

    // What is watched changes while the programs run.
    listener
        .kernel
        .set_filter(&watching(&[], &[path("target")]))
        .expect("other paths");
    fs::write(place.join("below/a"), "y").expect("written");
    fs::write(place.join("target"), "y").expect("written");
    wait_until("the other path", || {
        (listener.all(own).len() == expected.len() + 1).then_some(())
    });
    let last = listener.all(own).pop().expect("an event");
    assert_eq!(last.path, path("target"));
}
