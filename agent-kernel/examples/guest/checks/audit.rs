//! What an intruder does. By children: root's have all capabilities, even where this process gave
//! up some.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use hark_kernel::{Data, Feature, Kernel, Options};

use crate::checks::{Failure, LEAVE_ROOT, about, cannot, expect};
use crate::hearing::Hearing;

/// The user id that is nobody's.
const NOBODY: u32 = 65_534;

/// Runs a program to its end.
fn run(program: &str, args: &[&str]) -> Result<u32, Failure> {
    let child = Command::new(program)
        .args(args)
        .stderr(std::process::Stdio::null())
        .spawn();
    let mut child = child.map_err(cannot(program))?;
    child.wait().map_err(cannot(program))?;
    Ok(child.id())
}

/// Becomes an ordinary user and executes a program.
pub(crate) fn leave_root() -> String {
    let error = Command::new("/bin/true").uid(NOBODY).exec();
    format!("/bin/true: {error}")
}

pub(crate) fn privilege(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let child = run("/bin/guest", &[LEAVE_ROOT])?;
    let told = hearing.wait(|event| match &event.data {
        Data::Privilege(privilege) if privilege.call == "setuid" => {
            about(event, child).map(|_| *privilege)
        }
        _ => None,
    })?;
    expect(
        "the user before",
        &(told.before.uid, told.before.euid),
        &(0, 0),
    )?;
    expect(
        "the user after",
        &(told.after.uid, told.after.euid),
        &(NOBODY, NOBODY),
    )?;
    expect("the error", &told.error, &0)
}

pub(crate) fn mount(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let place = "/tmp";
    let child = run("/bin/mount", &["-t", "tmpfs", "hark-check", place])?;
    let undo = run("/bin/umount", &[place])?;
    let told = |child: u32| {
        hearing.wait(|event| match &event.data {
            Data::Mount(mount) => about(event, child).map(|_| mount.clone()),
            _ => None,
        })
    };
    let mounted = told(child)?;
    expect("the call", &mounted.call, &"mount")?;
    expect(
        "the source",
        &mounted.source.as_deref(),
        &Some("hark-check"),
    )?;
    expect("the type", &mounted.fs_type.as_deref(), &Some("tmpfs"))?;
    expect("the target", &mounted.target.as_str(), &place)?;
    expect("the error", &mounted.error, &0)?;
    expect("the call", &told(undo)?.call, &"umount")
}

pub(crate) fn module(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let child = run("/bin/rmmod", &["nonesuch"])?;
    let told = hearing.wait(|event| match &event.data {
        Data::Module(module) => about(event, child).map(|_| module.clone()),
        _ => None,
    })?;
    expect("the call", &told.call, &"delete_module")?;
    expect("the module", &told.name.as_deref(), &Some("nonesuch"))?;
    expect("the error", &told.error, &2) // ENOENT
}

pub(crate) fn bpf(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let options = Options {
        features: vec![Feature::Signal],
        ..crate::options()
    };
    drop(Kernel::start(&options, Vec::clear).map_err(cannot("another instance"))?);
    hearing.wait(|event| match &event.data {
        Data::BpfLoad(load) if load.error == 0 => about(event, std::process::id()).map(drop),
        _ => None,
    })
}
