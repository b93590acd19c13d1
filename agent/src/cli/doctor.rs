//! `hark-agent doctor`: what works here, what does not, why, and how to change that.
//!
//! Exit codes: 0 all works; 2 some features are off; 1 the agent could not run at all.

use std::process::ExitCode;

use hark_api::{Feature, FeatureState};
use serde::Serialize;

use crate::config::{self, Config, Overrides};

/// The exit code where some features are off.
const DEGRADED: u8 = 2;

#[derive(Serialize)]
struct Report {
    version: &'static str,
    kernel: String,
    user: u32,
    facts: Vec<Fact>,
    features: Vec<Feature>,
}

/// Something that the agent needs from the host.
#[derive(Serialize)]
struct Fact {
    name: String,
    found: String,
    good: bool,
    /// Whether the agent cannot run without.
    needed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    remedy: Option<String>,
}

pub(super) fn run(overrides: &Overrides, json: bool) -> ExitCode {
    let config = match config::load(overrides) {
        Ok(config) => config,
        Err(error) => return super::fail(&error),
    };
    let report = report(&config);
    if json {
        match serde_json::to_string_pretty(&report) {
            Ok(text) => println!("{text}"),
            Err(error) => return super::fail(&error),
        }
    } else {
        print(&report);
    }
    let off = |feature: &Feature| matches!(feature.state, FeatureState::Unavailable { .. });
    if report.facts.iter().any(|fact| fact.needed && !fact.good) {
        ExitCode::FAILURE
    } else if report.features.iter().any(off) || report.facts.iter().any(|fact| !fact.good) {
        ExitCode::from(DEGRADED)
    } else {
        ExitCode::SUCCESS
    }
}

fn report(config: &Config) -> Report {
    let mut facts = vec![data_dir(config), vitals(config)];
    let mut features = Vec::new();
    match hark_kernel::probe(&config.kernel.options()) {
        Ok(probe) => {
            facts.extend(probe.facts.into_iter().map(|fact| Fact {
                name: fact.name.to_owned(),
                found: fact.found,
                good: fact.good,
                needed: false,
                remedy: fact.remedy,
            }));
            features = probe.features;
        }
        Err(error) => facts.push(Fact {
            name: "kernel programs".to_owned(),
            found: error.to_string(),
            good: false,
            needed: false,
            remedy: Some("install hark-agent again".to_owned()),
        }),
    }
    Report {
        version: env!("CARGO_PKG_VERSION"),
        kernel: rustix::system::uname()
            .release()
            .to_string_lossy()
            .into_owned(),
        user: rustix::process::geteuid().as_raw(),
        facts,
        features,
    }
}

/// Whether the agent could write where it keeps its data, without making anything there.
fn data_dir(config: &Config) -> Fact {
    let dir = &config.data_dir;
    let nearest = dir.ancestors().find(|path| path.exists()).unwrap_or(dir);
    let access = rustix::fs::access(
        nearest,
        rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK,
    );
    Fact {
        name: "data directory".to_owned(),
        found: match &access {
            Ok(()) if nearest == dir => format!("{} can be written", dir.display()),
            Ok(()) => format!("{} can be made", dir.display()),
            Err(error) => format!("{}: {error}", nearest.display()),
        },
        good: access.is_ok(),
        needed: true,
        remedy: access
            .is_err()
            .then(|| "run as root, or name another directory with --data-dir".to_owned()),
    }
}

fn vitals(config: &Config) -> Fact {
    let read = hark_host::Collector::new(config.vitals.options()).collect();
    Fact {
        name: "vital signs".to_owned(),
        found: match &read {
            Ok(reading) => format!("{} metrics", reading.metrics.len()),
            Err(error) => error.to_string(),
        },
        good: read.is_ok(),
        needed: false,
        remedy: read.is_err().then(|| "mount /proc".to_owned()),
    }
}

fn print(report: &Report) {
    println!(
        "hark-agent {} on Linux {}, as user {}\n",
        report.version, report.kernel, report.user
    );
    for fact in &report.facts {
        line(fact.good, &fact.name, &fact.found);
        if let (false, Some(remedy)) = (fact.good, &fact.remedy) {
            println!("      → {remedy}");
        }
    }
    println!();
    for feature in &report.features {
        match &feature.state {
            FeatureState::On => line(true, &feature.name, &feature.description),
            FeatureState::Disabled => {
                println!("  –   {:<32} disabled by the configuration", feature.name);
            }
            FeatureState::Unavailable { reason, remedy } => {
                line(
                    false,
                    &feature.name,
                    &format!("off ({}): {reason}", feature.description),
                );
                println!("      → {remedy}");
            }
        }
    }
}

fn line(good: bool, name: &str, text: &str) {
    println!("  {}  {name:<32} {text}", if good { "ok" } else { "no" });
}
