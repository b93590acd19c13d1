//! The command `hark-agent`.
#![forbid(unsafe_code)]

fn main() -> std::process::ExitCode {
    hark_agent::cli::main()
}
