//! The chores of hark: build, check, benchmark. `cargo xtask help` lists them.
#![forbid(unsafe_code)]

mod agent;
#[cfg(feature = "bench")]
mod bench;
#[cfg(not(feature = "bench"))]
#[path = "bench/launch.rs"]
mod bench;
mod build_ebpf;
mod check_docs;
mod check_prototypes;
mod digest;
mod error;
mod licenses;
mod run;
mod scenarios;
mod screenshot;
mod terminal;
mod test;
mod up;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of hark.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build, start the agent on this host, and open the console on it
    Up(up::Args),
    /// Run every test and sum up
    Test(test::Args),
    /// Build the kernel programs and refresh the committed object and its digest
    BuildEbpf(build_ebpf::Args),
    /// Check the prototypes that the kernel programs name against kernels' type information
    CheckPrototypes(check_prototypes::Args),
    /// Check that the links in README.md and docs/ lead somewhere
    CheckDocs,
    /// Check that every dependency's license is one that hark may be built with
    Licenses,
    /// Take a picture of the console on a real agent
    Screenshot(screenshot::Args),
    /// Measure: every number in the docs comes from one of these
    Bench(bench::Args),
    /// Cause faults on this host, and see whether hark finds them
    Scenarios(scenarios::Args),
    /// Boot other kernels in virtual machines, and show what hark hears in them
    Vm(vm::Args),
}

fn main() -> ExitCode {
    let done = match Cli::parse().chore {
        Chore::Up(args) => up::run(&args),
        Chore::Test(args) => test::run(&args),
        Chore::CheckDocs => check_docs::run(),
        Chore::Licenses => licenses::run(),
        Chore::BuildEbpf(args) => build_ebpf::run(&args),
        Chore::CheckPrototypes(args) => check_prototypes::run(&args),
        Chore::Screenshot(args) => screenshot::run(&args),
        Chore::Bench(args) => bench::run(args),
        Chore::Scenarios(args) => scenarios::run(&args),
        Chore::Vm(args) => vm::run(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
