use hark_api::FeatureState;
use hark_kernel::{Feature, Kernel, Options, probe};

use crate::listener::{Listener, options, privileged, wait_until};

#[test]
fn each_feature_works_without_the_others() {
    for feature in Feature::ALL {
        // Starting asserts that this one is on, and the others are off.
        let Some(listener) = Listener::start(&[*feature]) else {
            return;
        };
        for report in listener.kernel.features() {
            let has = !report.programs.is_empty();
            let should = report.name == feature.as_str() && feature.has_programs();
            assert_eq!(has, should, "{}", report.name);
            assert!(!report.description.is_empty());
        }
    }
}

#[test]
fn the_others_work_without_each_feature() {
    for feature in Feature::ALL {
        let others: Vec<Feature> = Feature::ALL
            .iter()
            .copied()
            .filter(|f| f != feature)
            .collect();
        if Listener::start(&others).is_none() {
            return;
        }
    }
}

#[test]
fn with_no_feature_nothing_is_loaded() {
    let kernel = Kernel::start(&options(&[]), |_| {}).expect("start");
    assert!(
        kernel
            .features()
            .iter()
            .all(|f| f.state == FeatureState::Disabled)
    );
    assert_eq!(kernel.counters().emitted, 0);
    // The process table reads /proc then.
    assert!(kernel.processes().get(std::process::id()).is_some());
}

#[test]
fn programs_tell_their_cost_where_the_kernel_counts_it() {
    let counting = Options {
        statistics: true,
        ..options(&[Feature::Signal])
    };
    let Some(listener) = Listener::with(&counting) else {
        return;
    };
    let cost = wait_until("a count", || {
        // SIGCONT to this process: nothing happens.
        let own = rustix::process::getpid();
        rustix::process::kill_process(own, rustix::process::Signal::CONT).expect("kill");
        let features = listener.kernel.features();
        let signal = features.iter().find(|f| f.name == "signal")?;
        signal
            .programs
            .iter()
            .find(|program| program.name == "signal_generate" && program.runs > Some(0))
            .cloned()
    });
    assert_eq!(cost.name, "signal_generate");
    assert_eq!(cost.hook, "tp_btf signal_generate");
    assert!(cost.nanos > Some(0));
}

#[test]
fn probing_reports_and_leaves_nothing_on() {
    if !privileged() {
        return;
    }
    let found = probe(&options(Feature::ALL)).expect("probe");
    for feature in &found.features {
        assert_eq!(feature.state, FeatureState::On, "{}", feature.name);
    }
    for name in [
        "kernel",
        "capabilities",
        "tracefs",
        "control groups",
        "BPF programs of others",
    ] {
        let fact = found
            .facts
            .iter()
            .find(|fact| fact.name == name)
            .expect(name);
        assert!(fact.good == fact.remedy.is_none() && !fact.found.is_empty());
    }
}

#[test]
fn a_missing_object_is_an_error_that_names_it() {
    let options = Options {
        object: Some("/nowhere/x.o".into()),
        ..Options::default()
    };
    let error = Kernel::start(&options, |_| {}).expect_err("no such file");
    assert!(error.to_string().contains("/nowhere/x.o"), "{error}");
}
