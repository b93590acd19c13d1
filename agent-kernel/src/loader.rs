//! Loads the kernel programs, each feature alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use aya::maps::{Array, Map};
use aya::programs::perf_event::{
    PerfEvent, PerfEventConfig, PerfEventScope, SamplePolicy, SoftwareEvent,
};
use aya::programs::{Program as AyaProgram, ProgramError};
use aya::{Btf as AyaBtf, Ebpf, EbpfLoader};
use aya_log::Level;
use hark_api::FeatureState;
use hark_ebpf::{ABSENT, Settings};

use crate::btf::Btf;
use crate::cgroup::Hierarchy;
use crate::explain::explain;
use crate::layout::Layout;
use crate::programs::{Hook, PROGRAMS, Program};
use crate::watch::Watches;
use crate::{Error, Feature, Options, lockdown, object, procfs, tracefs};

/// The verifier gives up with `EAGAIN` when a signal comes for the thread; a program that was refused so is loaded again this often.
const LOAD_ATTEMPTS: u32 = 10;

/// Where the kernel keeps its type information.
pub(crate) const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// What was loaded. Dropping it detaches and unloads everything.
pub(crate) struct Loaded {
    /// The programs and maps; `None` where the kernel accepts none.
    pub(crate) ebpf: Option<Ebpf>,
    /// Each feature's state.
    pub(crate) features: Vec<(Feature, FeatureState)>,
    /// What is asked without programs.
    pub(crate) watches: Watches,
    /// Programs that their features do without, and why.
    pub(crate) left_out: Vec<(&'static str, String)>,
    /// Names of TCP reset reasons, by number.
    pub(crate) reset_reasons: Vec<(u32, String)>,
    /// Whether the kernel counts runs and time.
    pub(crate) statistics: Option<std::os::fd::OwnedFd>,
}

pub(crate) fn unavailable(reason: impl Into<String>, remedy: impl Into<String>) -> FeatureState {
    FeatureState::Unavailable {
        reason: reason.into(),
        remedy: remedy.into(),
    }
}

/// Loads what works here, and attaches it if `attach`.
pub(crate) fn load(options: &Options, attach: bool) -> Result<Loaded, Error> {
    let wanted: BTreeSet<Feature> = options.features.iter().copied().collect();
    let all = |state: &FeatureState| {
        let state = |feature: &Feature| {
            if wanted.contains(feature) {
                state.clone()
            } else {
                FeatureState::Disabled
            }
        };
        Feature::ALL
            .iter()
            .map(|feature| (*feature, state(feature)))
            .collect()
    };
    let nothing = |features| Loaded {
        ebpf: None,
        features,
        watches: Watches::default(),
        left_out: Vec::new(),
        reset_reasons: Vec::new(),
        statistics: None,
    };
    if wanted.is_empty() {
        return Ok(nothing(all(&FeatureState::Disabled)));
    }
    let file;
    let object = match &options.object {
        None => object::OBJECT,
        Some(path) => {
            let failed = |source| Error::Object {
                path: path.clone(),
                source,
            };
            file = std::fs::read(path).map_err(failed)?;
            &file
        }
    };
    if lockdown::forbids(&lockdown::mode()) {
        let (reason, remedy) = lockdown::FORBIDS;
        return Ok(nothing(all(&unavailable(reason, remedy))));
    }
    raise_memlock();

    let btf_bytes = std::fs::read(BTF_PATH).ok();
    let btf = btf_bytes.as_deref().map(Btf::parse);
    let btf_error = match &btf {
        None => Some("the kernel has no type information (BTF)".to_owned()),
        Some(Err(error)) => Some(format!("the kernel's type information is broken: {error}")),
        Some(Ok(_)) => None,
    };
    let btf = btf.and_then(Result::ok);
    let tracefs = tracefs::find_or_mount();
    let layout = Layout::find(btf.as_ref(), tracefs.as_deref().ok());
    let aya_btf = if btf.is_some() {
        AyaBtf::from_sys_fs().ok()
    } else {
        None
    };

    let mut ebpf = match load_object(object, options, &wanted, &layout, aya_btf.as_ref()) {
        Ok(ebpf) => ebpf,
        Err(error) => {
            let (reason, remedy) = explain(&error);
            return Ok(nothing(all(&unavailable(reason, remedy))));
        }
    };
    if attach {
        set_starting(&mut ebpf, procfs::own_pid());
    }
    let mut watches = Watches::default();
    let mut left_out = Vec::new();
    let features = Feature::ALL
        .iter()
        .map(|feature| {
            let state = if wanted.contains(feature) && !feature.has_programs() {
                watches.turn_on(*feature, options)
            } else if wanted.contains(feature) {
                let has = Available {
                    btf: btf.as_ref(),
                    btf_error: btf_error.as_deref(),
                    aya_btf: aya_btf.as_ref(),
                    tracefs: tracefs.as_deref().map_err(String::as_str),
                };
                turn_on(*feature, &mut ebpf, &has, attach, &mut left_out)
            } else {
                FeatureState::Disabled
            };
            (*feature, state)
        })
        .collect();
    if attach {
        set_starting(&mut ebpf, 0);
    }
    let statistics = if options.statistics && attach {
        aya::sys::enable_stats(aya::sys::Stats::RunTime)
            .inspect_err(
                |error| tracing::warn!(%error, "the kernel counts no run time of programs"),
            )
            .ok()
    } else {
        None
    };
    Ok(Loaded {
        ebpf: Some(ebpf),
        features,
        watches,
        left_out,
        reset_reasons: layout.reset_reasons,
        statistics,
    })
}

/// Tells the programs that this process loads programs, or that it has done so: then its id is 0.
fn set_starting(ebpf: &mut Ebpf, pid: u32) {
    let Some(map) = ebpf.map_mut("STARTING") else {
        return;
    };
    let set = Array::<_, u32>::try_from(map).and_then(|mut map| map.set(0, pid, 0));
    if let Err(error) = set {
        tracing::warn!(%error, "the agent's own start is told like that of others");
    }
}

/// Takes a map out of the loaded object.
pub(crate) fn take_map<T: TryFrom<Map>>(ebpf: &mut Ebpf, name: &str) -> Option<T> {
    T::try_from(ebpf.take_map(name)?).ok()
}

/// Kernels before 5.11 charge maps to this limit; later ones ignore it.
fn raise_memlock() {
    let unlimited = rustix::process::Rlimit {
        current: None,
        maximum: None,
    };
    if rustix::process::setrlimit(rustix::process::Resource::Memlock, unlimited).is_err() {
        tracing::debug!("RLIMIT_MEMLOCK could not be raised");
    }
}

fn nanos(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn load_object(
    object: &[u8],
    options: &Options,
    wanted: &BTreeSet<Feature>,
    layout: &Layout,
    btf: Option<&AyaBtf>,
) -> Result<Ebpf, aya::EbpfError> {
    let ring_bytes = options.ring_bytes.clamp(4096, 1 << 30).next_power_of_two();
    let hierarchy = Hierarchy::find();
    let settings = [Settings {
        signals: options.signals,
        stall: nanos(options.stall),
        slow_request: nanos(options.slow_request),
        page: rustix::param::page_size() as u64,
        wake_bytes: ring_bytes / 4,
        cgroup_controller: if hierarchy.v1 {
            layout.memory_controller
        } else {
            ABSENT
        },
        ptrace: libc::SYS_ptrace as u32,
        bpf: libc::SYS_bpf as u32,
        agent: procfs::own_pid(),
        reserved: 0,
    }];
    let settings: &[u64] = bytemuck::cast_slice(&settings);
    let level = if wanted.contains(&Feature::Log) {
        log_level()
    } else {
        0
    };
    let mut loader = EbpfLoader::new();
    loader
        .btf(btf)
        .override_global("OFFSETS", &*layout.offsets, true)
        .override_global("ARGUMENTS", &*layout.arguments, true)
        .override_global("TRACEPOINTS", &*layout.tracepoints, true)
        .override_global("SETTINGS", settings, true)
        .override_global("AYA_LOG_LEVEL", &level, true)
        .map_max_entries("EVENTS", ring_bytes);
    // Maps of features that are off take no room.
    for (feature, map) in [
        (Feature::Tcp, "CONNECTIONS"),
        (Feature::Tcp, "LISTENERS"),
        (Feature::Audit, "SYSCALLS"),
        (Feature::Capability, "DENIALS"),
        (Feature::File, "FILE_CALLS"),
        (Feature::Dns, "QUERIES"),
        (Feature::Reclaim, "RECLAIM_SINCE"),
        (Feature::OffCpu, "SLEEPS"),
        (Feature::Udp, "UDP_LOSSES"),
        (Feature::SyscallError, "SYSCALL_ERRORS"),
        (Feature::BlockLatency, "BLOCK_ISSUED"),
        (Feature::BlockLatency, "BLOCK_LATENCY"),
        (Feature::RunqueueLatency, "RUNQUEUE_SINCE"),
    ] {
        if !wanted.contains(&feature) {
            loader.map_max_entries(map, 1);
        }
    }
    loader.load(object)
}

/// The programs' diagnostics cost time even where nobody reads them: only those are compiled in
/// that a subscriber wants at the start.
fn log_level() -> u8 {
    use tracing::level_filters::LevelFilter;
    let level = match LevelFilter::current() {
        LevelFilter::OFF => return 0,
        LevelFilter::ERROR => Level::Error,
        LevelFilter::WARN => Level::Warn,
        LevelFilter::INFO => Level::Info,
        LevelFilter::DEBUG => Level::Debug,
        LevelFilter::TRACE => Level::Trace,
    };
    level as u8
}

/// What there is to load with.
struct Available<'a> {
    btf: Option<&'a Btf<'a>>,
    btf_error: Option<&'a str>,
    aya_btf: Option<&'a AyaBtf>,
    /// tracefs, or why there is none.
    tracefs: Result<&'a Path, &'a str>,
}

impl Available<'_> {
    /// The kernel's type information; else reason and remedy.
    fn types(&self) -> Result<(&Btf<'_>, &AyaBtf), (String, String)> {
        let reason = self
            .btf_error
            .unwrap_or("the kernel's type information is unreadable");
        let remedy = "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as those of current \
                      distributions are, and let the agent read /sys/kernel/btf/vmlinux";
        self.btf
            .zip(self.aya_btf)
            .ok_or_else(|| (reason.to_owned(), remedy.to_owned()))
    }

    /// The directory of tracepoints; else reason and remedy.
    fn events(&self) -> Result<PathBuf, (String, String)> {
        let remedy = "mount -t tracefs tracefs /sys/kernel/tracing (in a container: mount the \
                      host's there)";
        match self.tracefs {
            Ok(place) => Ok(place.join("events")),
            Err(reason) => Err((reason.to_owned(), remedy.to_owned())),
        }
    }
}

/// Categories and names of the classic tracepoints of a hook that this kernel has.
fn places(hook: Hook, events: &Path) -> Vec<(&'static str, String)> {
    let (calls, when) = match hook {
        Hook::Btf(_) | Hook::MajorFault => return Vec::new(),
        Hook::Classic(category, name) => {
            let is_there = events.join(category).join(name).is_dir();
            return is_there
                .then(|| (category, name.to_owned()))
                .into_iter()
                .collect();
        }
        Hook::Enter(calls) => (calls, "enter"),
        Hook::Exit(calls) => (calls, "exit"),
    };
    calls
        .iter()
        .flat_map(|calls| calls.iter())
        .map(|call| ("syscalls", format!("sys_{when}_{call}")))
        .filter(|(category, name)| events.join(category).join(name).is_dir())
        .collect()
}

fn turn_on(
    feature: Feature,
    ebpf: &mut Ebpf,
    has: &Available<'_>,
    attach: bool,
    left_out: &mut Vec<(&'static str, String)>,
) -> FeatureState {
    for program in PROGRAMS.iter().filter(|program| program.feature == feature) {
        if let Err((reason, remedy)) = load_program(program, ebpf, has, attach) {
            if !program.required {
                tracing::warn!(program = program.name, hook = %program.hook, reason,
                    "an optional kernel program cannot run");
                left_out.push((program.name, reason));
                unload(program, ebpf); // it may be loaded, and hang on nothing or on some CPUs only
                continue;
            }
            // What was loaded of it already goes with it.
            for program in PROGRAMS.iter().filter(|program| program.feature == feature) {
                unload(program, ebpf);
            }
            return unavailable(reason, remedy);
        }
    }
    FeatureState::On
}

/// Takes a program out of the kernel, where it is in there.
fn unload(program: &Program, ebpf: &mut Ebpf) {
    let _ = match ebpf.program_mut(program.name) {
        Some(AyaProgram::BtfTracePoint(program)) => program.unload(),
        Some(AyaProgram::TracePoint(program)) => program.unload(),
        Some(AyaProgram::PerfEvent(program)) => program.unload(),
        _ => Ok(()),
    };
}

fn load_program(
    program: &Program,
    ebpf: &mut Ebpf,
    has: &Available<'_>,
    attach: bool,
) -> Result<(), (String, String)> {
    let explain = |error: ProgramError| {
        let (reason, remedy) = explain(&error);
        (
            format!("{} on {}: {reason}", program.name, program.hook),
            remedy,
        )
    };
    let missing = || {
        (
            format!("the object has no program {}", program.name),
            "use the object that this version of hark was built with".to_owned(),
        )
    };
    match (
        program.hook,
        ebpf.program_mut(program.name).ok_or_else(missing)?,
    ) {
        (Hook::Btf(hook), AyaProgram::BtfTracePoint(tracepoint)) => {
            let (btf, aya_btf) = has.types()?;
            if !btf.has_tracepoint(hook) {
                return Err((
                    format!("this kernel has no tracepoint {hook}"),
                    "it comes with another version or configuration of the kernel".to_owned(),
                ));
            }
            retried(|| tracepoint.load(hook, aya_btf)).map_err(explain)?;
            if attach {
                tracepoint.attach().map_err(explain)?;
            }
        }
        (
            Hook::Classic(..) | Hook::Enter(_) | Hook::Exit(_),
            AyaProgram::TracePoint(tracepoint),
        ) => {
            if matches!(program.hook, Hook::Enter(_) | Hook::Exit(_)) {
                has.types()?; // credentials are read at the offsets that these tell
            }
            let events = has.events()?;
            retried(|| tracepoint.load()).map_err(explain)?;
            let places = places(program.hook, &events);
            if places.is_empty() {
                return Err((
                    format!("this kernel has no {}", program.hook),
                    "it comes with another configuration of the kernel".to_owned(),
                ));
            }
            for (category, name) in places {
                if attach {
                    tracepoint.attach(category, &name).map_err(explain)?;
                }
            }
        }
        (Hook::MajorFault, AyaProgram::PerfEvent(event)) => {
            has.types()?; // counts of faults are read at the offsets that these tell
            retried(|| event.load()).map_err(explain)?;
            if attach {
                attach_to_faults(event).map_err(explain)?;
            }
        }
        _ => return Err(missing()),
    }
    Ok(())
}

/// Has the program run at each major fault on any CPU.
fn attach_to_faults(program: &mut PerfEvent) -> Result<(), ProgramError> {
    let cpus = aya::util::online_cpus().map_err(|(_, error)| ProgramError::IOError(error))?;
    for cpu in cpus {
        program.attach(
            PerfEventConfig::Software(SoftwareEvent::PageFaultsMaj),
            PerfEventScope::AllProcessesOneCpu { cpu },
            SamplePolicy::Period(1),
            false,
        )?;
    }
    Ok(())
}

/// Loads a program, again where a signal interrupted the verifier.
fn retried(mut load: impl FnMut() -> Result<(), ProgramError>) -> Result<(), ProgramError> {
    let interrupted = |result: &Result<(), ProgramError>| {
        matches!(result, Err(ProgramError::LoadError { io_error, .. })
            if io_error.raw_os_error() == Some(rustix::io::Errno::AGAIN.raw_os_error()))
    };
    let mut result = load();
    for _ in 1..LOAD_ATTEMPTS {
        if !interrupted(&result) {
            break;
        }
        result = load();
    }
    result
}
