//! What should not happen, or only where it is known.

use std::fs;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

use hark_kernel::{Data, FileOperation, Filter, Kernel, Watch};

use super::{Failure, about, cannot, expect};
use crate::hearing::Hearing;

pub(crate) fn line(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let text = "hark-check writes a line";
    fs::write("/dev/kmsg", format!("<6>{text}\n")).map_err(cannot("/dev/kmsg"))?;
    hearing.wait(|event| match &event.data {
        Data::KernelLine(line) if line.text.ends_with(text) => Some(()),
        _ => None,
    })
}

pub(crate) fn capability(_: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let mut child = Command::new("/bin/chroot")
        .args(["/", "/bin/true"])
        .uid(65_534)
        .stderr(Stdio::null())
        .spawn()
        .map_err(cannot("chroot"))?;
    child.wait().map_err(cannot("chroot"))?;
    // It may want others before.
    hearing.wait(|event| match &event.data {
        Data::CapabilityDenied(denied) if denied.capability == "CAP_SYS_CHROOT" => {
            about(event, child.id()).map(drop)
        }
        _ => None,
    })
}

pub(crate) fn file(kernel: &Kernel, hearing: &Hearing) -> Result<(), Failure> {
    let path = "/tmp/watched";
    let filter = Filter {
        watch: Watch {
            write: vec![path.to_owned()],
            ..Watch::NONE
        },
        ..Filter::NONE
    };
    kernel
        .set_filter(&filter)
        .map_err(cannot("a watched file"))?;
    fs::write(path, "x").map_err(cannot("a file"))?;
    fs::remove_file(path).map_err(cannot("a file"))?;
    for operation in [FileOperation::Write, FileOperation::Delete] {
        let told = hearing.wait(|event| match &event.data {
            Data::FileAccess(access) if access.operation == operation => {
                about(event, std::process::id()).map(|_| access.clone())
            }
            _ => None,
        })?;
        expect("the path", &told.path.as_str(), &path)?;
        expect("the error", &told.error, &0)?;
    }
    kernel
        .set_filter(&Filter::NONE)
        .map_err(cannot("no watched file"))
}
