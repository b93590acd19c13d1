//! The design that hark replaces: Flask, `SQLite` and scikit-learn behind gunicorn.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::server::{Server, free_address, ready, scratch};

/// The design that hark replaces, in a Python environment of its own, made once.
pub(super) fn start(root: &Path) -> Result<Server, String> {
    let source = root.join("xtask/bench/flask");
    let environment = root.join("target/bench-flask");
    if !environment.join("bin/gunicorn").exists() {
        let python = |args: &[&str]| {
            let program = if args[0] == "-m" {
                PathBuf::from("python3")
            } else {
                environment.join("bin/pip")
            };
            Command::new(program)
                .args(args)
                .status()
                .ok()
                .filter(std::process::ExitStatus::success)
                .ok_or("its Python packages cannot be installed")
        };
        python(&["-m", "venv", &environment.to_string_lossy()])?;
        let requirements = source.join("requirements.txt");
        python(&[
            "install",
            "--quiet",
            "--requirement",
            &requirements.to_string_lossy(),
        ])?;
    }
    let data = scratch("flask")?;
    let address = free_address()?;
    let child = Command::new(environment.join("bin/gunicorn"))
        .args(["--workers", "2", "--bind", &address.to_string(), "app:app"])
        .current_dir(&source)
        .env("DATABASE", data.join("logs.db"))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| format!("gunicorn: {e}"))?;
    let server = Server {
        name: "Flask + SQLite + scikit-learn",
        child,
        address,
        data,
        scratch: true,
    };
    ready(server, Some("/"))
}
