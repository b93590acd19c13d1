//! `check-prototypes`: what the kernel programs say of the kernel's tracepoints, against the kernel.

use crate::error::Error;
use crate::run;

/// Check the prototypes that the kernel programs name against kernels' type information
#[derive(clap::Args)]
pub(crate) struct Args {
    /// A kernel's version and its type information (BTF), as in `6.1=vmlinux.btf`; may be repeated.
    /// The running kernel's by default
    #[arg(value_name = "VERSION=FILE")]
    kernels: Vec<String>,
}

/// The variable that names the kernels for the test in hark-kernel that does the work.
const VARIABLE: &str = "HARK_BTF";

pub(crate) fn run(args: &Args) -> Result<(), Error> {
    let mut test = run::cargo(&["test", "--quiet", "--package", "hark-kernel"]);
    test.args(["--test", "prototypes", "--", "--nocapture"]);
    if !args.kernels.is_empty() {
        // The test runs in its package's directory.
        let here = std::env::current_dir().map_err(Error::file(std::path::Path::new(".")))?;
        let kernels: Result<Vec<String>, Error> = args
            .kernels
            .iter()
            .map(|kernel| match kernel.split_once('=') {
                Some((version, file)) => Ok(format!("{version}={}", here.join(file).display())),
                None => Err(Error::Check(format!("`{kernel}` is not VERSION=FILE"))),
            })
            .collect();
        test.env(VARIABLE, kernels?.join(","));
    }
    run::run(&mut test)
}
