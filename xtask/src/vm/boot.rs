//! One boot of one kernel.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::vm::kernels::Kernel;

const QEMU: &str = "qemu-system-x86_64";
/// Bytes of the virtual disk; the guest program overwrites no disk of another size.
const DISK: u64 = 16 << 20;

/// Makes every read of a disk fail, for qemu's driver `blkdebug`.
const BROKEN: &str = "[inject-error]\nevent = \"read_aio\"\nerrno = \"5\"\n";

/// What a boot left behind.
pub(super) struct Boot {
    /// What the guest program said, a JSON object a line.
    pub(super) report: PathBuf,
    /// The kernel's messages.
    pub(super) console: PathBuf,
    /// Whether the machine was still running when its time was up.
    pub(super) timed_out: bool,
    /// How long it ran.
    pub(super) took: Duration,
}

/// How the processor is provided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Accelerator {
    /// By this processor.
    Kvm,
    /// By emulation: some twenty times slower, and the same to hark.
    Tcg,
}

impl Accelerator {
    /// The best that works here.
    pub(super) fn detect() -> Self {
        // The device alone proves nothing: it is there too where the processor lacks what it needs.
        let flags = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let virtualises = flags.split_whitespace().any(|f| f == "vmx" || f == "svm");
        let opens = File::options().read(true).write(true).open("/dev/kvm");
        if virtualises && opens.is_ok() {
            Self::Kvm
        } else {
            Self::Tcg
        }
    }

    /// Its name.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            Self::Tcg => "tcg",
        }
    }

    /// As qemu wants to be told.
    fn option(self) -> &'static str {
        match self {
            Self::Kvm => "kvm",
            // A kernel that changes its own code, as it does for each tracepoint that is attached,
            // was seen to stop at its own breakpoint where each processor has a thread.
            Self::Tcg => "tcg,thread=single",
        }
    }

    /// The processor that the machine has.
    fn cpu(self) -> &'static str {
        match self {
            Self::Kvm => "max",
            // QEMU 7.2 now and then loses the flags at a `cmpxchg16b`, which newer kernels allocate
            // memory with where there is one: they panic while booting.
            Self::Tcg => "max,-cx16",
        }
    }
}

/// Boots a kernel and waits until the machine switches itself off, at most so long. `words` are more of the
/// kernel's command line, each after a space.
pub(super) fn boot(
    dir: &Path,
    kernel: &Kernel,
    initramfs: &Path,
    accelerator: Accelerator,
    limit: Duration,
    words: &str,
) -> Result<Boot, Error> {
    let place = |name: &str| dir.join(name);
    let (report, console, disk) = (place("report.jsonl"), place("console.log"), place("disk"));
    let (broken, broken_disk) = (place("broken"), place("broken-disk"));
    fs::write(&broken, BROKEN).map_err(Error::file(&broken))?;
    for path in [&report, &disk, &broken_disk] {
        // The last boot's must not be taken for this one's.
        let file = File::create(path).map_err(Error::file(path))?;
        if path != &report {
            file.set_len(DISK).map_err(Error::file(path))?;
        }
    }
    let mut qemu = Command::new("nice");
    qemu.args(["-n", "10", QEMU, "-nodefaults", "-display", "none"])
        .args(["-accel", accelerator.option(), "-cpu", accelerator.cpu()])
        .args(["-smp", "2", "-m", "768", "-no-reboot"])
        .arg("-kernel")
        .arg(kernel.image())
        .arg("-initrd")
        .arg(initramfs)
        .arg("-append")
        .arg(format!("console=ttyS0 panic=-1 psi=1 hark.guest{words}"))
        // Relative, for a comma in a path would have a meaning.
        .current_dir(dir)
        .args([
            "-serial",
            "file:console.log",
            "-serial",
            "file:report.jsonl",
        ])
        .args(["-drive", "if=virtio,format=raw,file=disk"])
        .arg("-drive")
        .arg("if=virtio,format=raw,rerror=report,file=blkdebug:broken:broken-disk")
        .stdin(Stdio::null());
    let started = Instant::now();
    let mut child = qemu.spawn().map_err(|source| Error::Start {
        program: QEMU.to_owned(),
        source,
    })?;
    let timed_out = loop {
        let ended = child.try_wait().map_err(|source| Error::Start {
            program: QEMU.to_owned(),
            source,
        })?;
        if let Some(status) = ended {
            if !status.success() {
                return Err(Error::Check(format!("{QEMU} failed: {status}")));
            }
            break false;
        }
        if started.elapsed() > limit {
            let _ = child.kill();
            let _ = child.wait();
            break true;
        }
        thread::sleep(Duration::from_millis(100));
    };
    Ok(Boot {
        report,
        console,
        timed_out,
        took: started.elapsed(),
    })
}
