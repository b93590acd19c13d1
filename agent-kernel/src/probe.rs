//! What would work here: for `hark-agent doctor`.

use std::fs::read_to_string;

use hark_api::Feature as FeatureReport;

use crate::cgroup::Hierarchy;
use crate::loader::{self, BTF_PATH};
use crate::{Error, Options, kernel, lockdown, procfs, tracefs};

/// What works here and what does not.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probe {
    /// Facts about the host that decide what works.
    pub facts: Vec<Fact>,
    /// The features.
    pub features: Vec<FeatureReport>,
}

/// A fact about the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// What it is about, as in `kernel type information (BTF)`.
    pub name: &'static str,
    /// What was found.
    pub found: String,
    /// Whether it is as it should be.
    pub good: bool,
    /// How to make it so, where it is not.
    pub remedy: Option<String>,
}

/// What would work here, without leaving anything on. Each program is loaded, where that is
/// permitted, and unloaded again; nothing is attached.
///
/// # Errors
/// If the object with the programs cannot be read.
pub fn probe(options: &Options) -> Result<Probe, Error> {
    let others = other_programs(); // before those of its own are loaded
    let loaded = loader::load(options, false)?;
    let left_out = loaded
        .left_out
        .iter()
        .map(|(program, reason)| fact(program, format!("left out: {reason}"), None));
    Ok(Probe {
        facts: facts()
            .into_iter()
            .chain([others])
            .chain(left_out)
            .collect(),
        features: kernel::reports(&loaded),
    })
}

fn fact(name: &'static str, found: impl Into<String>, remedy: Option<&str>) -> Fact {
    Fact {
        name,
        found: found.into(),
        good: remedy.is_none(),
        remedy: remedy.map(str::to_owned),
    }
}

fn facts() -> Vec<Fact> {
    vec![
        kernel_version(),
        capabilities(),
        btf(),
        tracing_fs(),
        lockdown(),
        memlock(),
        unprivileged(),
        pid_namespace(),
        control_groups(),
    ]
}

fn kernel_version() -> Fact {
    let remedy = "5.8 is the first with the ring buffer that hark needs: boot a newer kernel";
    let (release, version) = linux();
    fact("kernel", release, (version < (5, 8)).then_some(remedy))
}

/// Release of the running kernel, and its major and minor number.
fn linux() -> (String, (u32, u32)) {
    let release = rustix::system::uname()
        .release()
        .to_string_lossy()
        .into_owned();
    let mut numbers = release
        .split(|c: char| !c.is_ascii_digit())
        .map_while(|n| n.parse().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    (release, version)
}

/// The capabilities that matter, by number: to load programs, to hang them on tracepoints, to read
/// tracefs as another user than root, and to see what other users' processes do.
const CAPABILITIES: [(u32, &str); 4] = [
    (39, "CAP_BPF"),
    (38, "CAP_PERFMON"),
    (2, "CAP_DAC_READ_SEARCH"),
    (19, "CAP_SYS_PTRACE"),
];

fn capabilities() -> Fact {
    let status = read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status
        .lines()
        .find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok())
        .unwrap_or(0);
    let missing: Vec<&str> = CAPABILITIES
        .iter()
        .filter(|(number, _)| effective >> number & 1 == 0)
        // CAP_SYS_ADMIN holds both, as it did before 5.8 had them.
        .filter(|(number, _)| !(matches!(number, 38 | 39) && effective >> 21 & 1 == 1))
        .map(|(_, name)| *name)
        .collect();
    if missing.is_empty() {
        return fact("capabilities", "all that are needed", None);
    }
    fact(
        "capabilities",
        format!("without {}", missing.join(", ")),
        Some(
            "run the agent as root, or give it AmbientCapabilities=CAP_BPF CAP_PERFMON \
             CAP_DAC_READ_SEARCH CAP_SYS_PTRACE in its unit; in a container, --privileged or \
             --cap-add for each",
        ),
    )
}

fn btf() -> Fact {
    let name = "kernel type information (BTF)";
    match std::fs::File::open(BTF_PATH) {
        Ok(_) => fact(name, BTF_PATH, None),
        Err(error) => fact(
            name,
            format!("{BTF_PATH}: {error}"),
            Some("boot a kernel built with CONFIG_DEBUG_INFO_BTF=y"),
        ),
    }
}

fn tracing_fs() -> Fact {
    match tracefs::mounted() {
        Some(place) => fact("tracefs", place.display().to_string(), None),
        None => fact(
            "tracefs",
            "not mounted, or not readable by this user",
            Some(
                "mount -t tracefs tracefs /sys/kernel/tracing; as root the agent does it by itself",
            ),
        ),
    }
}

fn lockdown() -> Fact {
    let mode = lockdown::mode();
    let (_, remedy) = lockdown::FORBIDS;
    let remedy = lockdown::forbids(&mode).then_some(remedy);
    fact("lockdown", mode, remedy)
}

fn memlock() -> Fact {
    // What the agent may raise, it has raised.
    let limit = rustix::process::getrlimit(rustix::process::Resource::Memlock).current;
    let (_, version) = linux();
    match limit {
        None => fact("locked memory", "unlimited", None),
        // Since 5.11 maps are charged to the control group instead.
        Some(bytes) if version < (5, 11) => fact(
            "locked memory",
            format!("{bytes} bytes, to which this kernel charges what kernel programs take"),
            Some(
                "LimitMEMLOCK=infinity in the agent's unit, ulimit -l unlimited, or CAP_SYS_RESOURCE",
            ),
        ),
        Some(bytes) => fact(
            "locked memory",
            format!("{bytes} bytes; no matter on this kernel"),
            None,
        ),
    }
}

fn unprivileged() -> Fact {
    let value = read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").unwrap_or_default();
    let found = match value.trim() {
        "0" => "permitted",
        "1" => "forbidden until reboot",
        "2" => "forbidden",
        _ => "unknown",
    };
    fact(
        "BPF without privileges",
        format!("{found}; hark does not need it"),
        None,
    )
}

/// Programs that others have loaded: another agent's, for one. Each hears for itself.
fn other_programs() -> Fact {
    let name = "BPF programs of others";
    // One may be unloaded meanwhile, which is an error, too.
    let (told, not): (Vec<_>, Vec<_>) = aya::programs::loaded_programs().partition(Result::is_ok);
    if told.is_empty() && !not.is_empty() {
        return fact(name, "not told to this user; no matter", None);
    }
    fact(name, format!("{} loaded; no matter", told.len()), None)
}

fn pid_namespace() -> Fact {
    if procfs::ids_are_the_hosts() {
        return fact("process ids", "the host's", None);
    }
    fact(
        "process ids",
        "a container's own",
        Some("the kernel tells the host's ids: run the container with --pid=host"),
    )
}

fn control_groups() -> Fact {
    let hierarchy = Hierarchy::find();
    let version = if hierarchy.v1 {
        "v1, memory controller"
    } else {
        "v2"
    };
    match hierarchy.mount {
        Some(mount) => fact(
            "control groups",
            format!("{version}, {}", mount.display()),
            None,
        ),
        None => fact(
            "control groups",
            format!("{version}, not mounted"),
            Some("mount the host's /sys/fs/cgroup, read-only"),
        ),
    }
}
