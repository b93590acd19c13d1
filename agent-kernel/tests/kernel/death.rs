use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use aya::programs::loaded_programs;
use hark_kernel::{Feature, Kernel};

use crate::listener::{options, privileged, wait_until};

/// What the test below kills: prints the ids of its programs, and waits.
#[test]
#[ignore = "run by the next test, to be killed"]
fn listen_until_killed() {
    let _kernel = Kernel::start(&options(Feature::ALL), Vec::clear).expect("start");
    for descriptor in std::fs::read_dir("/proc/self/fdinfo").expect("descriptors") {
        let Ok(path) = descriptor.map(|d| d.path()) else {
            continue;
        };
        let text = std::fs::read_to_string(path).unwrap_or_default();
        // Descriptors of links have the id, too.
        if let Some(id) = text.lines().find_map(|line| line.strip_prefix("prog_id:")) {
            println!("PROGRAM {}", id.trim());
        }
    }
    println!("READY");
    std::thread::sleep(std::time::Duration::from_secs(60));
}

fn loaded(ids: &[u32]) -> usize {
    loaded_programs()
        .flatten()
        .filter(|program| ids.contains(&program.id()))
        .count()
}

#[test]
fn a_killed_agent_leaves_no_program_behind() {
    if !privileged() {
        return;
    }
    let mut child = Command::new(std::env::current_exe().expect("exe"))
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            "death::listen_until_killed",
        ])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the listener");
    let ids: Vec<u32> = BufReader::new(child.stdout.take().expect("stdout"))
        .lines()
        .map_while(Result::ok)
        .take_while(|line| line != "READY")
        .filter_map(|line| line.strip_prefix("PROGRAM ")?.parse().ok())
        .collect();
    assert!(loaded(&ids) >= 15, "{ids:?}");
    child.kill().expect("kill");
    child.wait().expect("end");
    wait_until("the programs to go", || (loaded(&ids) == 0).then_some(()));
}
