//! What a host may lack, or deny: made in namespaces of a test's own. Each is a clear line of the doctor.

use std::collections::BTreeMap;
use std::process::Command;

use hark_api::FeatureState;
use hark_kernel::{Feature, Kernel, probe};

use crate::listener::{options, print_facts, privileged};

/// What the tests below run where something is lacking: reports go to standard output, one a line.
#[test]
#[ignore = "run by the next tests, where something is lacking"]
fn report_what_works() {
    let kernel = Kernel::start(&options(Feature::ALL), |_| {}).expect("start");
    for feature in kernel.features() {
        match feature.state {
            FeatureState::Unavailable { reason, remedy } => {
                println!("OFF {}|{reason}|{remedy}", feature.name);
            }
            _ => println!("ON {}||", feature.name),
        }
    }
    print_facts();
}

/// What was reported: by name, what was found or the reason, and the remedy.
#[derive(Default)]
struct Report {
    on: Vec<String>,
    off: BTreeMap<String, (String, String)>,
    facts: BTreeMap<String, (String, String)>,
}

/// Runs the report after a script has made the host so, in namespaces of its own.
fn report(namespaces: &[&str], script: &str) -> Report {
    let program = std::env::current_exe().expect("exe");
    let script = format!("set -e; {script} \"$@\"");
    let output = Command::new("unshare")
        .args(namespaces)
        .args(["sh", "-c", &script, "sh"])
        .arg(program)
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            "denied::report_what_works",
        ])
        .output()
        .expect("unshare");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{errors}");
    let mut report = Report::default();
    for line in text.lines() {
        let Some((what, rest)) = line.split_once(' ') else {
            continue;
        };
        let mut parts = rest.splitn(3, '|').map(str::to_owned);
        let (Some(name), Some(found), Some(remedy)) = (parts.next(), parts.next(), parts.next())
        else {
            continue;
        };
        match what {
            "ON" => report.on.push(name),
            "OFF" => drop(report.off.insert(name, (found, remedy))),
            "FACT" => drop(report.facts.insert(name, (found, remedy))),
            _ => {}
        }
    }
    report
}

#[test]
fn without_type_information_what_needs_it_is_off_and_the_rest_works() {
    if !privileged() {
        return;
    }
    let report = report(&["-m"], "mount -t tmpfs none /sys/kernel/btf; exec");
    let (found, remedy) = &report.facts["kernel type information (BTF)"];
    assert!(found.contains("No such file"), "{found}");
    assert!(remedy.contains("CONFIG_DEBUG_INFO_BTF"), "{remedy}");
    for feature in ["process", "signal", "tcp", "audit", "off_cpu", "udp"] {
        let (reason, remedy) = &report.off[feature];
        assert!(reason.contains("no type information"), "{reason}");
        assert!(remedy.contains("CONFIG_DEBUG_INFO_BTF"), "{remedy}");
    }
    for feature in ["oom", "kernel_log", "listen_overflow", "pressure"] {
        assert!(report.on.iter().any(|on| on == feature), "{feature}");
    }
}

#[test]
fn without_tracefs_what_needs_it_is_off_and_the_rest_works() {
    if !privileged() {
        return;
    }
    // As root's, without the right to mount it.
    let script = "for place in /sys/kernel/tracing /sys/kernel/debug/tracing; do \
                  while umount $place 2>/dev/null; do :; done; done; \
                  exec setpriv --bounding-set=-sys_admin --inh-caps=-sys_admin";
    let report = report(&["-m"], script);
    let (found, remedy) = &report.facts["tracefs"];
    assert!(found.contains("not mounted"), "{found}");
    assert!(remedy.contains("mount -t tracefs"), "{remedy}");
    for feature in ["oom", "audit", "file", "kernel_log"] {
        let (reason, remedy) = &report.off[feature];
        assert!(reason.contains("tracefs is not mounted"), "{reason}");
        assert!(remedy.contains("mount -t tracefs"), "{remedy}");
    }
    for feature in ["process", "signal", "tcp", "udp"] {
        assert!(report.on.iter().any(|on| on == feature), "{feature}");
    }
}

#[test]
fn in_a_containers_namespaces_the_doctor_says_what_to_share() {
    if !privileged() {
        return;
    }
    let script = "umount -l /sys/fs/cgroup; exec";
    let report = report(&["-m", "--pid", "--fork", "--mount-proc"], script);
    let (found, remedy) = &report.facts["process ids"];
    assert_eq!(found, "a container's own");
    assert!(remedy.contains("--pid=host"), "{remedy}");
    let (found, remedy) = &report.facts["control groups"];
    assert!(found.contains("not mounted"), "{found}");
    assert!(remedy.contains("/sys/fs/cgroup"), "{remedy}");
    assert!(report.off.is_empty(), "{:?}", report.off);
}

#[test]
fn programs_of_another_agent_are_counted_and_no_matter() {
    if !privileged() {
        return;
    }
    let _other = Kernel::start(&options(&[Feature::Signal]), |_| {}).expect("another agent");
    let found = probe(&options(&[Feature::Oom])).expect("probe");
    let others = found
        .facts
        .iter()
        .find(|fact| fact.name == "BPF programs of others")
        .expect("the fact");
    let count = others.found.split(' ').next().map(str::parse::<u32>);
    assert!(matches!(count, Some(Ok(2..))), "{}", others.found);
    assert!(others.good);
}
