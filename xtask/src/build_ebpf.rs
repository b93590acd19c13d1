//! `build-ebpf`: compiles the kernel programs to the object that is committed beside their source.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use crate::digest;
use crate::error::Error;
use crate::run;

/// Build the kernel programs into agent-ebpf/hark-ebpf.o, and note the digest of their sources.
///
/// Needs bpf-linker and a Rust compiler that has `core` for BPF: a nightly toolchain with rust-src,
/// or Debian's rustc-web and libstd-rust-web-dev-bpf.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Leave the committed object alone: check that it matches its sources, build a fresh one into
    /// target/, and run the kernel tests against that.
    #[arg(long)]
    check: bool,
}

/// The variable that names the object for the kernel tests.
const OBJECT_VARIABLE: &str = "HARK_EBPF_OBJECT";

/// Builds the object and its digest, or checks them.
pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let root = run::root();
    let fresh = build(&root)?;
    let bytes = fs::metadata(&fresh).map_err(Error::file(&fresh))?.len();
    let note = root.join("agent-ebpf/hark-ebpf.sha256");
    if args.check {
        check_digest(&root, &note)?;
        println!("the committed object matches its sources; testing a fresh one of {bytes} bytes");
        return run::run(
            run::cargo(&["test", "--package", "hark-kernel"]).env(OBJECT_VARIABLE, &fresh),
        );
    }
    fs::copy(&fresh, root.join("agent-ebpf/hark-ebpf.o")).map_err(Error::file(&fresh))?;
    fs::write(&note, digests(&root)?).map_err(Error::file(&note))?;
    println!("wrote agent-ebpf/hark-ebpf.o ({bytes} bytes) and its digest");
    Ok(())
}

fn digests(root: &Path) -> Result<String, Error> {
    let failed = || Error::file(&root.join("agent-ebpf"));
    let sources = digest::sources(root).map_err(failed())?;
    let object = digest::object(root).map_err(failed())?;
    Ok(format!("{sources}  sources\n{object}  hark-ebpf.o\n"))
}

fn check_digest(root: &Path, note: &Path) -> Result<(), Error> {
    if fs::read_to_string(note).map_err(Error::file(note))? == digests(root)? {
        return Ok(());
    }
    Err(Error::Check(
        "the kernel programs changed, or their object did: run `cargo xtask build-ebpf`".to_owned(),
    ))
}

/// A compiler that has `core` for BPF.
enum Compiler {
    /// A nightly toolchain of rustup, which compiles `core` itself.
    Nightly,
    /// A compiler installed with a compiled `core`, as Debian's.
    Installed(PathBuf),
}

fn find_compiler() -> Result<Compiler, Error> {
    let sysroot = |command: &mut Command| {
        let output = command.args(["--print", "sysroot"]).output().ok()?;
        output
            .status
            .success()
            .then(|| PathBuf::from(String::from_utf8_lossy(&output.stdout).trim().to_owned()))
    };
    if let Some(sysroot) = sysroot(Command::new("rustup").args(["run", "nightly", "rustc"]))
        && sysroot.join("lib/rustlib/src/rust/library/core").is_dir()
    {
        return Ok(Compiler::Nightly);
    }
    let installed = PathBuf::from("/usr/bin/rustc");
    if let Some(sysroot) = sysroot(&mut Command::new(&installed))
        && sysroot.join("lib/rustlib/bpfel-unknown-none").is_dir()
    {
        return Ok(Compiler::Installed(installed));
    }
    Err(Error::Check(
        "no Rust compiler with `core` for BPF: install one by\n  \
         rustup toolchain install nightly --component rust-src\nor, on Debian,\n  \
         apt-get install rustc-web libstd-rust-web-dev-bpf"
            .to_owned(),
    ))
}

/// Compiles the programs; answers where the object is.
fn build(root: &Path) -> Result<PathBuf, Error> {
    let target = root.join("target/ebpf");
    let mut command = match find_compiler()? {
        Compiler::Nightly => {
            let mut command = Command::new("rustup");
            command.args(["run", "nightly", "cargo", "build", "-Zbuild-std=core"]);
            // Set by the cargo that runs this chore, for its own toolchain.
            command
                .env_remove("RUSTC")
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("CARGO");
            command
        }
        Compiler::Installed(rustc) => {
            let mut command = run::cargo(&["build"]);
            command.env("RUSTC", rustc).env("RUSTC_BOOTSTRAP", "1");
            command
        }
    };
    let flags = [
        // The layout of registers, which no program here looks at: one object fits all.
        "--cfg=bpf_target_arch=\"x86_64\"".to_owned(),
        "-Cdebuginfo=2".to_owned(), // BTF is made from it
        "-Clink-arg=--btf".to_owned(),
        // The object must not depend on where it was built.
        format!("--remap-path-prefix={}=hark", root.display()),
        format!("--remap-path-prefix={}=cargo", cargo_home().display()),
    ];
    command
        .args([
            "--package=hark-ebpf",
            "--bin=hark-ebpf",
            "--features=programs",
            "--release",
        ])
        .args(["--target=bpfel-unknown-none", "--locked"])
        .arg("--target-dir")
        .arg(&target)
        .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f"))
        .env("CARGO_PROFILE_RELEASE_LTO", "false") // bpf-linker does it
        .env("CARGO_PROFILE_RELEASE_STRIP", "none")
        .current_dir(root);
    run::run(&mut command)?;
    let linked = target.join("bpfel-unknown-none/release/hark-ebpf");
    let object = target.join("hark-ebpf.o");
    // DWARF is most of the object, and nobody reads it; BTF is not DWARF and stays.
    run::run(
        Command::new(find_objcopy()?)
            .arg("--strip-debug")
            .arg(&linked)
            .arg(&object),
    )?;
    Ok(object)
}

fn cargo_home() -> PathBuf {
    env::var_os("CARGO_HOME").map_or_else(
        || PathBuf::from(env::var_os("HOME").unwrap_or_default()).join(".cargo"),
        PathBuf::from,
    )
}

/// llvm-objcopy, which comes with the LLVM that bpf-linker needs.
fn find_objcopy() -> Result<String, Error> {
    let prefix = env::var("LLVM_PREFIX").unwrap_or_else(|_| "/usr/lib/llvm-22".to_owned());
    [
        format!("{prefix}/bin/llvm-objcopy"),
        "llvm-objcopy".to_owned(),
        "llvm-objcopy-22".to_owned(),
    ]
    .into_iter()
    .find(|name| {
        Command::new(name)
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    })
    .ok_or_else(|| Error::Check("no llvm-objcopy: install LLVM, or set LLVM_PREFIX".to_owned()))
}
