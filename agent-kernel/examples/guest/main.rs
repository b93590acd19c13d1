//! Runs inside the virtual machines of `cargo xtask vm`: starts the kernel side, causes what it
//! should tell, and says what it told, one JSON object a line, as `xtask/src/vm/report.rs` reads it.
//!
//! `guest NAME [FAULT]`: the scenario's name, and a fault to cause before the start.
#![forbid(unsafe_code)]

mod checks;
mod faults;
mod hearing;

use std::process::ExitCode;
use std::time::Duration;

use hark_api::FeatureState;
use hark_kernel::{Feature, Kernel, Options, Pressure, WaitLimits, probe};
use serde_json::{Value, json};

use crate::checks::{Check, Failure};
use crate::hearing::Hearing;

fn main() -> ExitCode {
    // It kills, resets and overwrites: nothing for a host that anybody needs.
    let boot = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if !boot.split_whitespace().any(|word| word == "hark.guest") {
        eprintln!("this runs in the virtual machines of `cargo xtask vm` only");
        return ExitCode::FAILURE;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match args[..] {
        [checks::FILL_MEMORY] => {
            checks::fill_memory();
            Ok(())
        }
        [checks::LEAVE_ROOT] => Err(checks::leave_root()),
        [checks::OVERFLOW_STACK] => {
            println!("{}", checks::overflow_stack(1));
            Ok(())
        }
        [checks::USE_MEMORY] => {
            checks::use_memory();
            Ok(())
        }
        [faults::HOLD] => faults::hold(&options()),
        [name] => scenario(name, None),
        [name, fault] => scenario(name, Some(fault)),
        _ => Err("usage: guest NAME [FAULT]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(text) => {
            say(&json!({"is": "error", "text": text}));
            ExitCode::FAILURE
        }
    }
}

fn say(line: &Value) {
    println!("{line}");
}

/// As an agent has them that is not configured, but for features that are off by default, and for waits
/// that are told earlier.
fn options() -> Options {
    Options {
        features: Feature::ALL.to_vec(),
        pressure: Pressure {
            cpu: 100,
            ..Pressure::default()
        },
        waits: WaitLimits {
            page: 1,
            ..WaitLimits::default()
        },
        slow_request: Duration::from_nanos(1),
        object: std::env::var_os("HARK_EBPF_OBJECT").map(Into::into),
        ..Options::default()
    }
}

/// Does all that there is to do in one scenario.
fn scenario(name: &str, fault: Option<&str>) -> Result<(), String> {
    let options = options();
    // First, for it may execute this program again.
    let caused = fault.map_or(Ok(()), faults::cause);
    say(&json!({"is": "scenario", "name": name}));
    caused?;
    // Two agents on one host must not disturb each other.
    let beside = if fault == Some(faults::BESIDE) {
        Some(Kernel::start(&options, Vec::clear).map_err(|error| error.to_string())?)
    } else {
        None
    };
    for fact in probe(&options).map_err(|error| error.to_string())?.facts {
        say(&json!({
            "is": "fact",
            "name": fact.name,
            "found": fact.found,
            "good": fact.good,
            "remedy": fact.remedy,
        }));
    }
    let (hearing, sink) = Hearing::new();
    let kernel = Kernel::start(&options, sink).map_err(|error| error.to_string())?;
    let features = kernel.features();
    for feature in &features {
        let off = match &feature.state {
            FeatureState::On => None,
            FeatureState::Disabled => Some("switched off".to_owned()),
            FeatureState::Unavailable { reason, remedy } => Some(format!("{reason} ({remedy})")),
        };
        let programs: Vec<_> = feature
            .programs
            .iter()
            .map(|program| &program.hook)
            .collect();
        say(&json!({
            "is": "feature",
            "name": feature.name,
            "off": off,
            "programs": programs,
        }));
    }
    if let Some(most) = most_verified() {
        say(&json!({"is": "verified", "most": most}));
    }
    let may_fail_to_cause = fault.is_some_and(faults::takes_rights);
    for check in checks::ALL {
        let on = |f: &&hark_api::Feature| {
            f.name == check.feature.as_str() && f.state == FeatureState::On
        };
        let Some(feature) = features.iter().find(on) else {
            continue;
        };
        let outcome = match limit(check, feature) {
            Some(why) => json!({"limit": why}),
            None => match (check.run)(&kernel, &hearing) {
                Ok(()) => json!("told"),
                Err(Failure::NotCaused(why)) if may_fail_to_cause => json!({"not_caused": why}),
                Err(Failure::NotCaused(why)) => {
                    json!({"wrong": format!("could not be caused: {why}")})
                }
                Err(Failure::Wrong(why)) => json!({"wrong": why}),
            },
        };
        say(&json!({
            "is": "check",
            "feature": check.feature.as_str(),
            "what": check.what,
            "outcome": outcome,
        }));
    }
    drop(kernel);
    drop(beside);
    say(&json!({"is": "done"}));
    Ok(())
}

/// Why it cannot be told here, though the feature is on.
fn limit(check: &Check, feature: &hark_api::Feature) -> Option<String> {
    let (major, minor) = check.since;
    if linux_version() < check.since {
        return Some(format!("Linux tells it since {major}.{minor}"));
    }
    let hook = check.hook?;
    let missing = feature.programs.iter().all(|program| program.hook != hook);
    missing.then(|| format!("it goes without the program on {hook}"))
}

/// Major and minor number of the running kernel.
fn linux_version() -> (u32, u32) {
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy();
    let mut numbers = release.split('.').map_while(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// How many instructions the kernel went through to verify the program of this process that took
/// the most; it refuses what takes more than a million. Linux tells it since 5.16.
fn most_verified() -> Option<u64> {
    let files = std::fs::read_dir("/proc/self/fdinfo").ok()?;
    let counts = files.filter_map(|file| {
        let text = std::fs::read_to_string(file.ok()?.path()).ok()?;
        let count = text
            .lines()
            .find_map(|line| line.strip_prefix("verified_insns:"))?;
        count.trim().parse().ok()
    });
    counts.max()
}
