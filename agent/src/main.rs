//! The command `hark-agent`.
#![deny(unsafe_code)] // but for one call to the allocator

mod allocator;

fn main() -> std::process::ExitCode {
    allocator::bound();
    hark_agent::cli::main()
}
