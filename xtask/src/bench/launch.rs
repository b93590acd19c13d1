//! Stands in for the benchmarks in a build without them: builds this program again with them, as
//! released, and hands over.

use crate::error::Error;
use crate::run;

/// Measure: every number in the docs comes from one of these
#[derive(clap::Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Args {
    /// Which, and how; `--help` lists them
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<String>,
}

#[expect(clippy::needless_pass_by_value, reason = "as the real one")]
pub(crate) fn run(args: Args) -> Result<(), Error> {
    let mut cargo = run::cargo(&["run", "--release", "--quiet", "--package", "xtask"]);
    cargo
        .args(["--features", "bench", "--", "bench"])
        .args(&args.args);
    run::run(&mut cargo)
}
