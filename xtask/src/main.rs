//! The chores of hark.
#![forbid(unsafe_code)]

mod build_ebpf;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The chores of hark.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Build the kernel programs.
    BuildEbpf(build_ebpf::Args),
}

fn main() -> ExitCode {
    let result = match Cli::parse().task {
        Task::BuildEbpf(args) => build_ebpf::run(&args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}
