//! Budgets and lists of what is ignored, changed while the programs run.

use std::process::Command;

use hark_kernel::{Budgets, Data, Feature, Filter, Ignore, Options, Withheld};
use rustix::process::{Pid, Signal, kill_process};

use crate::listener::{Listener, options, pid, wait_until};

const STORM: u64 = 600;

fn budget_of_executions(exec: u32) -> Filter {
    Filter {
        budgets: Budgets {
            exec,
            ..Budgets::NONE
        },
        ..Filter::NONE
    }
}

fn ignoring(ignore: Ignore) -> Filter {
    Filter {
        ignore,
        ..Filter::NONE
    }
}

/// Executes a program with a name of its own many times, by one shell; gives the shell's id.
fn exec_storm(name: &str) -> u32 {
    let directory = tempfile::tempdir().expect("a directory");
    let program = directory.path().join(name);
    std::os::unix::fs::symlink("/bin/true", &program).expect("a link");
    let program = program.display();
    let script = format!("i=0; while [ $i -lt {STORM} ]; do {program}; i=$((i+1)); done");
    let mut shell = Command::new("sh")
        .args(["-c", &script])
        .spawn()
        .expect("a shell");
    assert!(shell.wait().expect("end").success());
    shell.id()
}

fn executions(listener: &Listener, name: &str) -> u64 {
    listener
        .all(|event| match &event.data {
            Data::Exec(exec) if exec.path.ends_with(name) => Some(()),
            _ => None,
        })
        .len() as u64
}

fn summaries(listener: &Listener, name: &str) -> Vec<Withheld> {
    listener.all(|event| match &event.data {
        Data::Withheld(withheld) if withheld.command.as_deref() == Some(name) => {
            Some(withheld.clone())
        }
        _ => None,
    })
}

#[test]
fn an_exec_storm_is_told_in_part_and_in_sum() {
    let limited = Options {
        filter: budget_of_executions(5),
        ..options(&[Feature::Process])
    };
    let Some(listener) = Listener::with(&limited) else {
        return;
    };
    let shell = exec_storm("harkstorm");
    wait_until("all to be told or counted", || {
        let counted: u64 = summaries(&listener, "harkstorm")
            .iter()
            .map(|w| w.count)
            .sum();
        (executions(&listener, "harkstorm") + counted == STORM).then_some(())
    });
    let told = summaries(&listener, "harkstorm");
    for summary in &told {
        assert_eq!(summary.of, "exec");
        assert_eq!(summary.causes.len(), 1, "{summary:?}");
        assert_eq!(summary.causes[0].pid, shell);
        assert_eq!(summary.causes[0].comm.as_deref(), Some("sh"));
        assert_eq!(summary.causes[0].count, summary.count);
    }
    let counters = listener.kernel.counters();
    assert!(counters.withheld >= told.iter().map(|w| w.count).sum());
    assert_eq!((counters.dropped, counters.malformed), (0, 0));
    // Others have their own budget.
    let other = Command::new("/bin/echo").output().expect("echo");
    assert!(other.status.success());
    listener.wait("another command", |event| match &event.data {
        Data::Exec(exec) if exec.path == "/bin/echo" => Some(()),
        _ => None,
    });
}

#[test]
fn a_budget_is_changed_while_programs_run() {
    let Some(listener) = Listener::start(&[Feature::Process]) else {
        return;
    };
    listener
        .kernel
        .set_filter(&budget_of_executions(1))
        .expect("a budget");
    exec_storm("harkfirst");
    wait_until("a summary", || {
        summaries(&listener, "harkfirst").first().cloned()
    });
    assert!(executions(&listener, "harkfirst") < STORM);
    listener
        .kernel
        .set_filter(&Filter::NONE)
        .expect("no budget");
    exec_storm("harksecond");
    wait_until("all of them", || {
        (executions(&listener, "harksecond") == STORM).then_some(())
    });
    assert!(summaries(&listener, "harksecond").is_empty());
}

#[test]
fn the_process_table_is_right_after_a_storm() {
    let nothing = Budgets {
        exec: 1,
        fork: 1,
        exit: 1,
        ..Budgets::NONE
    };
    let limited = Options {
        filter: Filter {
            budgets: nothing,
            ..Filter::NONE
        },
        ..options(&[Feature::Process])
    };
    let Some(listener) = Listener::with(&limited) else {
        return;
    };
    exec_storm("harktable");
    let mut sleeper = Command::new("sleep").arg("100").spawn().expect("sleep");
    wait_until("the table to agree with /proc", || {
        let known = listener.kernel.processes().snapshot();
        let has = |name: &str| known.iter().any(|process| process.comm == name);
        (!has("harktable") && known.iter().any(|process| process.pid == sleeper.id())).then_some(())
    });
    sleeper.kill().expect("kill");
    sleeper.wait().expect("end");
}

/// Causes events about `ignored`, then about another process: what is told of both.
fn signals(listener: &Listener, ignored: &std::process::Child) -> (usize, usize) {
    let mut other = Command::new("tail")
        .args(["-f", "/dev/null"])
        .spawn()
        .expect("tail");
    for child in [ignored, &other] {
        kill_process(Pid::from_child(child), Signal::CONT).expect("kill");
    }
    let of = |id| {
        listener
            .all(|event| match &event.data {
                Data::Signal(signal) if pid(event) == Some(id) && signal.signal == 18 => Some(()),
                _ => None,
            })
            .len()
    };
    // Events keep their order: what comes after has come, so what was before has, too.
    wait_until("a signal", || (of(other.id()) > 0).then_some(()));
    let told = (of(ignored.id()), of(other.id()));
    other.kill().expect("kill");
    other.wait().expect("end");
    told
}

#[test]
fn commands_users_and_control_groups_are_ignored_while_they_are_listed() {
    let Some(listener) = Listener::start(&[Feature::Process, Feature::Signal]) else {
        return;
    };
    let set = |ignore| listener.kernel.set_filter(&ignoring(ignore)).expect("set");
    set(Ignore {
        commands: vec!["sleep".to_owned()],
        ..Ignore::default()
    });
    let mut sleeper = Command::new("sleep").arg("100").spawn().expect("sleep");
    assert_eq!(signals(&listener, &sleeper), (0, 1));
    let about_sleeper = listener.all(|event| {
        (pid(event) == Some(sleeper.id()) && !matches!(event.data, Data::Fork(_))).then_some(())
    });
    assert!(about_sleeper.is_empty());
    // The table knows it, and that it ended.
    let known = || {
        let all = listener.kernel.processes().snapshot();
        all.into_iter().find(|process| process.pid == sleeper.id())
    };
    assert_eq!(known().expect("the process").comm, "sleep");

    set(Ignore::default());
    assert_eq!(signals(&listener, &sleeper), (1, 1));
    set(Ignore {
        commands: vec!["sleep".to_owned()],
        ..Ignore::default()
    });
    sleeper.kill().expect("kill");
    sleeper.wait().expect("end");
    wait_until("its end in the table", || {
        let all = listener.kernel.processes().snapshot();
        all.iter().all(|p| p.pid != sleeper.id()).then_some(())
    });

    set(Ignore {
        uids: vec![12_345],
        ..Ignore::default()
    });
    let mut user = Command::new("sleep");
    std::os::unix::process::CommandExt::uid(&mut user, 12_345);
    let mut user = user.arg("100").spawn().expect("sleep");
    assert_eq!(signals(&listener, &user), (0, 1));
    user.kill().expect("kill");
    user.wait().expect("end");
}

#[test]
fn control_groups_made_later_are_ignored_with_the_one_above() {
    let Some(listener) = Listener::start(&[Feature::Process, Feature::Signal]) else {
        return;
    };
    let group = crate::oom::Group::new(&format!("hark-ignored-{}", std::process::id()));
    let ignore = Ignore {
        cgroups: vec![group.path.clone()],
        ..Ignore::default()
    };
    listener
        .kernel
        .set_filter(&ignoring(ignore))
        .expect("ignored");
    let below = group.directory.join("below");
    std::fs::create_dir(&below).expect("a group below");
    let mut sleeper = Command::new("sleep").arg("100").spawn().expect("sleep");
    std::fs::write(below.join("cgroup.procs"), sleeper.id().to_string()).expect("moved");
    // The agent follows once a second.
    wait_until("silence", || {
        let before = told_of(&listener, sleeper.id());
        signals(&listener, &sleeper);
        (told_of(&listener, sleeper.id()) == before).then_some(())
    });
    sleeper.kill().expect("kill");
    sleeper.wait().expect("end");
    wait_until("an empty group", || std::fs::remove_dir(&below).ok());
}

fn told_of(listener: &Listener, id: u32) -> usize {
    listener
        .all(|event| {
            (matches!(event.data, Data::Signal(_)) && pid(event) == Some(id)).then_some(())
        })
        .len()
}
