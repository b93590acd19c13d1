use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use hark_api::FeatureState;
use hark_kernel::{Feature, Kernel};

use crate::listener::{options, print_facts, privileged};

const NOBODY: u32 = 65_534;

/// What the test below runs as nobody: reports go to standard output, one a line.
#[test]
#[ignore = "run by the next test, without privileges"]
fn report_what_works() {
    let kernel = Kernel::start(&options(Feature::ALL), |_| {}).expect("start");
    for feature in kernel.features() {
        if let FeatureState::Unavailable { reason, remedy } = feature.state {
            println!("OFF {}|{reason}|{remedy}", feature.name);
        }
    }
    let this = kernel
        .processes()
        .get(std::process::id())
        .expect("this process");
    println!("SELF {}", this.comm);
    print_facts();
}

#[test]
fn without_privileges_each_feature_is_off_with_reason_and_remedy() {
    if !privileged() {
        return;
    }
    // Where nobody may read and run it.
    let directory = tempfile::tempdir().expect("directory");
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755))
        .expect("permissions");
    let program = directory.path().join("reporter");
    std::fs::copy(std::env::current_exe().expect("exe"), &program).expect("copy");
    let output = Command::new(&program)
        .args([
            "--ignored",
            "--nocapture",
            "--exact",
            "unprivileged::report_what_works",
        ])
        .current_dir("/")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .expect("the reporter");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for feature in Feature::ALL {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(&format!("OFF {feature}|")))
            .unwrap_or_else(|| panic!("no report of {feature} in {text}"));
        let (reason, remedy) = line.split_once('|').expect("reason and remedy");
        assert!(
            reason.contains("not permitted") || reason.contains("denied"),
            "{reason}"
        );
        assert!(
            remedy.contains("root") && remedy.contains("CAP_BPF"),
            "{remedy}"
        );
    }
    assert!(text.contains("SELF reporter"), "{text}");
    assert!(
        text.contains("FACT capabilities|without CAP_BPF, CAP_PERFMON"),
        "{text}"
    );
}
