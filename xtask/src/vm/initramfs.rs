//! The file system that a virtual machine boots into: busybox, the guest program, the disk's
//! modules.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::Error;
use crate::run;
use crate::vm::kernels::Kernel;

const TARGET: &str = "x86_64-unknown-linux-gnu";
const BUSYBOX: &str = "/bin/busybox";
const DIRS: [&str; 6] = ["bin", "dev", "modules", "proc", "sys", "tmp"];
const APPLETS: [&str; 19] = [
    "cat", "chroot", "echo", "insmod", "ip", "mkdir", "mkswap", "mount", "poweroff", "rmdir",
    "rmmod", "sh", "sleep", "stty", "swapoff", "swapon", "sync", "true", "umount",
];

/// Builds the guest program, linked with all that it needs: the virtual machine has no libraries.
/// Optimised a little, for emulation is slow; with the checks of a debug build, for it is a test.
pub(super) fn build_guest(dir: &Path) -> Result<PathBuf, Error> {
    // A directory of its own: other flags would have the whole workspace built again.
    let target = dir.join("build");
    let mut cargo = run::cargo(&["build", "--package", "hark-kernel", "--example", "guest"]);
    cargo
        .args(["--target", TARGET, "--target-dir"])
        .arg(&target)
        .args(["--config", "profile.dev.opt-level=1"])
        .args(["--config", "profile.dev.strip=\"debuginfo\""])
        .env(
            "CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "-C target-feature=+crt-static",
        );
    run::run(&mut cargo)?;
    Ok(target.join(TARGET).join("debug/examples/guest"))
}

/// Makes the archive for a kernel, with the object with the kernel programs if it is not to be the
/// one that hark is built with.
pub(super) fn pack(
    dir: &Path,
    kernel: &Kernel,
    guest: &Path,
    object: Option<&Path>,
) -> Result<PathBuf, Error> {
    let root = dir.join("root");
    if root.exists() {
        fs::remove_dir_all(&root).map_err(Error::file(&root))?;
    }
    for name in DIRS {
        let path = root.join(name);
        fs::create_dir_all(&path).map_err(Error::file(&path))?;
    }
    let program = |from: &Path, to: &str| {
        let to = root.join(to);
        fs::copy(from, &to).map_err(Error::file(from))?;
        fs::set_permissions(&to, fs::Permissions::from_mode(0o755)).map_err(Error::file(&to))
    };
    program(Path::new(BUSYBOX), "bin/busybox")?;
    program(guest, "bin/guest")?;
    if let Some(object) = object {
        program(object, "hark-ebpf.o")?;
    }
    for name in APPLETS {
        let path = root.join("bin").join(name);
        symlink("busybox", &path).map_err(Error::file(&path))?;
    }
    let mut order = String::new();
    for module in kernel.modules() {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        program(&module, &format!("modules/{name}"))?;
        let _ = writeln!(order, "{name}");
    }
    let write = |name: &str, content: &str| {
        let path = root.join(name);
        fs::write(&path, content).map_err(Error::file(&path))?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).map_err(Error::file(&path))
    };
    write("modules/order", &order)?;
    write("init", include_str!("init.sh"))?;
    archive(&root, &dir.join("initramfs"))
}

/// Packs a directory as the kernel wants it: cpio, format newc, owned by root.
fn archive(root: &Path, to: &Path) -> Result<PathBuf, Error> {
    let output = File::create(to).map_err(Error::file(to))?;
    run::run(
        Command::new("sh")
            .args(["-c", "find . | cpio --quiet -o -H newc -R 0:0"])
            .current_dir(root)
            .stdin(Stdio::null())
            .stdout(output),
    )?;
    Ok(to.to_owned())
}
