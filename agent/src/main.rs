//! The command `hark-agent`.
#![deny(unsafe_code)] // but for parameters of the allocator

mod allocator;

fn main() -> std::process::ExitCode {
    allocator::bound();
    hark_agent::cli::main()
}
