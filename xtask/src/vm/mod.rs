//! Boots other Linux kernels in virtual machines, and shows what hark hears in them.
//!
//! `kernels.rs` fetches them, `initramfs.rs` packs what they boot into, `boot.rs` boots, `report.rs`
//! makes tables of what the guest program (`agent-kernel/examples/guest`) said. `init.sh` is the
//! machine's first process; it lists the scenarios.

mod boot;
mod initramfs;
mod kernels;
mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::Error;
use crate::run;
use crate::vm::boot::Accelerator;
use crate::vm::kernels::{Cache, Kernel, is_version};
use crate::vm::report::Report;

/// Boot other kernels in virtual machines, and show what hark hears in them
#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(crate) struct Args {
    /// Say which kernels are cached and which can be fetched; boot none
    #[arg(long)]
    list: bool,
    /// Print the tables of the last boots again; boot none
    #[arg(long, conflicts_with = "list")]
    last: bool,
    /// Only kernels of this version, as in `6.1`; may be repeated. All by default
    #[arg(long = "kernel", value_name = "VERSION")]
    kernels: Vec<String>,
    /// Fetch nothing: only the kernels that are cached
    #[arg(long)]
    offline: bool,
    /// Only the kernel as it is booted, without faults: where the processor is emulated and busy, too
    #[arg(long)]
    plain: bool,
    /// How long a virtual machine may run
    #[arg(long, value_name = "SECONDS", default_value_t = 900)]
    timeout: u64,
    /// The kernel programs to load instead of those that hark is built with
    #[arg(long, value_name = "FILE")]
    object: Option<PathBuf>,
    /// Write the tables to this file, too
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Programs that are needed, and the Debian packages that have them.
const NEEDED: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("apt-get", "apt"),
    ("dpkg-deb", "dpkg"),
    ("xz", "xz-utils"),
];

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    if !args.list && !args.last {
        check_needed()?;
    }
    let dir = run::root().join("target/vm");
    fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
    let cache = Cache::new(&dir);
    if args.list {
        return list(&cache, args.offline);
    }
    if args.last {
        return conclude(&last(&dir, &cache, args)?, args);
    }
    let kernels = wanted(&cache, args)?;
    let guest = initramfs::build_guest(&dir)?;
    let accelerator = Accelerator::detect();
    let mut reports = Vec::new();
    for kernel in &kernels {
        let report = try_out(&dir, kernel, &guest, accelerator, args)?;
        for wrong in report.wrong() {
            eprintln!("  {wrong}");
        }
        reports.push(report);
    }
    conclude(&reports, args)
}

/// What the last boots told.
fn last(dir: &Path, cache: &Cache, args: &Args) -> Result<Vec<Report>, Error> {
    let mut reports = Vec::new();
    for kernel in cache.cached()? {
        let path = dir.join("boots").join(&kernel.release).join("report.jsonl");
        if asked(args, &kernel.release) && path.exists() {
            let told = fs::read(&path).map_err(Error::file(&path))?;
            let told = String::from_utf8_lossy(&told);
            reports.push(Report::parse(&kernel.release, &told));
        }
    }
    Ok(reports)
}

/// Prints the tables, and fails where anything is wrong.
fn conclude(reports: &[Report], args: &Args) -> Result<(), Error> {
    let tables = report::tables(reports);
    println!("{tables}");
    if let Some(path) = &args.output {
        fs::write(path, &tables).map_err(Error::file(path))?;
    }
    let wrong: usize = reports.iter().map(|report| report.wrong().len()).sum();
    if wrong == 0 {
        Ok(())
    } else {
        Err(Error::Check(format!(
            "{wrong} things are wrong on {} kernels, see above",
            reports.len()
        )))
    }
}

/// Boots one kernel and reads what the guest program said.
fn try_out(
    dir: &Path,
    kernel: &Kernel,
    guest: &Path,
    accelerator: Accelerator,
    args: &Args,
) -> Result<Report, Error> {
    let dir = dir.join("boots").join(&kernel.release);
    fs::create_dir_all(&dir).map_err(Error::file(&dir))?;
    let initramfs = initramfs::pack(&dir, kernel, guest, args.object.as_deref())?;
    eprintln!(
        "booting {} ({}) with {}",
        kernel.release,
        kernel.origin,
        accelerator.as_str()
    );
    let limit = Duration::from_secs(args.timeout);
    let words = if args.plain { " hark.plain" } else { "" };
    let boot = boot::boot(&dir, kernel, &initramfs, accelerator, limit, words)?;
    let told = fs::read(&boot.report).map_err(Error::file(&boot.report))?;
    let mut report = Report::parse(&kernel.release, &String::from_utf8_lossy(&told));
    let console = boot.console.display();
    if boot.timed_out {
        report.faults.push(format!(
            "still running after {} s; its last words are in {console}",
            args.timeout
        ));
    } else if !report.faults.is_empty() {
        report.faults.push(format!("its messages are in {console}"));
    }
    eprintln!("  ran {:.0} s", boot.took.as_secs_f64());
    Ok(report)
}

/// Whether a kernel is one of those asked for.
fn asked(args: &Args, release: &str) -> bool {
    let is = |version: &String| is_version(release, version);
    args.kernels.is_empty() || args.kernels.iter().any(is)
}

/// The kernels asked for, from the cache or fetched into it.
fn wanted(cache: &Cache, args: &Args) -> Result<Vec<Kernel>, Error> {
    let cached = cache.cached()?;
    let known = |version: &String| cached.iter().any(|k| is_version(&k.release, version));
    // What is cached needs no network.
    let fetch = !args.offline && (args.kernels.is_empty() || !args.kernels.iter().all(known));
    if fetch {
        for offer in cache.offers()? {
            if asked(args, &offer.release) && !cached.iter().any(|k| k.release == offer.release) {
                cache.fetch(&offer)?;
            }
        }
    }
    let mut found = cache.cached()?;
    found.retain(|kernel| asked(args, &kernel.release));
    let missing: Vec<_> = args
        .kernels
        .iter()
        .filter(|version| !found.iter().any(|k| is_version(&k.release, version)))
        .map(String::as_str)
        .collect();
    if !missing.is_empty() {
        return Err(Error::Check(format!(
            "no kernel of version {}: `cargo xtask vm --list` shows those that can be had",
            missing.join(", ")
        )));
    }
    if found.is_empty() {
        return Err(Error::Check(
            "no kernel is cached: run once without `--offline`".to_owned(),
        ));
    }
    Ok(found)
}

/// Prints the kernels that are there and those that could be.
fn list(cache: &Cache, offline: bool) -> Result<(), Error> {
    let cached = cache.cached()?;
    for kernel in &cached {
        println!("cached    {}  ({})", kernel.release, kernel.origin);
    }
    if offline {
        if cached.is_empty() {
            println!(
                "no kernel is cached; without `--offline`, those that can be fetched are listed"
            );
        }
        return Ok(());
    }
    for offer in cache.offers()? {
        if !cached.iter().any(|k| k.release == offer.release) {
            println!(
                "available {}  ({} {})",
                offer.release, offer.version, offer.suite
            );
        }
    }
    Ok(())
}

/// Whether all programs are there that this chore runs.
fn check_needed() -> Result<(), Error> {
    if std::env::consts::ARCH != "x86_64" {
        return Err(Error::Check(
            "the virtual machines are x86-64 only".to_owned(),
        ));
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let there = |program: &str| std::env::split_paths(&path).any(|dir| dir.join(program).exists());
    let missing: Vec<_> = NEEDED
        .iter()
        .filter(|(program, _)| !there(program))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    Err(Error::Check(format!(
        "missing: {}; on Debian and its kin: `apt-get install {}`",
        programs.join(", "),
        packages.join(" ")
    )))
}
