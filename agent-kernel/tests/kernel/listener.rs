//! Listens to the kernel and waits for what a test caused.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hark_kernel::{Feature, Kernel, KernelEvent, Options};

/// How long a test waits for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

pub(crate) struct Listener {
    pub(crate) kernel: Kernel,
    events: Arc<Mutex<Vec<KernelEvent>>>,
}

/// Whether this process may load programs. Tests that need it say that they are skipped.
pub(crate) fn privileged() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let effective = status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
        .expect("capabilities");
    let may = effective >> 39 & 1 == 1 || effective >> 21 & 1 == 1;
    if !may {
        println!("SKIPPED: needs CAP_BPF and CAP_PERFMON; run the tests as root");
    }
    may
}

/// Prints what the doctor finds, one a line, for the test that runs this one elsewhere.
pub(crate) fn print_facts() {
    for fact in hark_kernel::probe(&options(Feature::ALL))
        .expect("probe")
        .facts
    {
        println!(
            "FACT {}|{}|{}",
            fact.name,
            fact.found,
            fact.remedy.unwrap_or_default()
        );
    }
}

/// Options with these features, and the object that is tested.
pub(crate) fn options(features: &[Feature]) -> Options {
    Options {
        features: features.to_vec(),
        object: std::env::var_os("HARK_EBPF_OBJECT").map(Into::into),
        ..Options::default()
    }
}

/// Waits until `check` answers something.
pub(crate) fn wait_until<T>(what: &str, mut check: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = check() {
            return found;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

impl Listener {
    /// With these features, all of which must work.
    pub(crate) fn start(features: &[Feature]) -> Option<Self> {
        Self::with(&options(features))
    }

    pub(crate) fn with(options: &Options) -> Option<Self> {
        if !privileged() {
            return None;
        }
        let events = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&events);
        let kernel = Kernel::start(options, move |batch| {
            all.lock().expect("events").append(batch);
        })
        .expect("start");
        for feature in kernel.features() {
            let wanted = options.features.iter().any(|f| f.as_str() == feature.name);
            let expected = if wanted {
                hark_api::FeatureState::On
            } else {
                hark_api::FeatureState::Disabled
            };
            assert_eq!(feature.state, expected, "{}", feature.name);
        }
        Some(Self { kernel, events })
    }

    /// The first event that `matches` understands.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        matches: impl Fn(&KernelEvent) -> Option<T>,
    ) -> (KernelEvent, T) {
        wait_until(what, || {
            self.events
                .lock()
                .expect("events")
                .iter()
                .find_map(|event| Some((event.clone(), matches(event)?)))
        })
    }

    /// All events so far that `matches` understands.
    pub(crate) fn all<T>(&self, matches: impl Fn(&KernelEvent) -> Option<T>) -> Vec<T> {
        self.events
            .lock()
            .expect("events")
            .iter()
            .filter_map(matches)
            .collect()
    }
}

/// Id of the event's process.
pub(crate) fn pid(event: &KernelEvent) -> Option<u32> {
    event.process.as_ref().map(|process| process.pid)
}

/// The path of this test's control group, as the agent tells it.
pub(crate) fn own_cgroup() -> String {
    let groups = std::fs::read_to_string("/proc/self/cgroup").expect("/proc/self/cgroup");
    let path = |controller: &str| {
        groups.lines().find_map(|line| {
            let (_, rest) = line.split_once(':')?;
            let (controllers, path) = rest.split_once(':')?;
            controllers
                .split(',')
                .any(|c| c == controller)
                .then(|| path.to_owned())
        })
    };
    path("memory")
        .or_else(|| path(""))
        .expect("a control group")
}

/// Asserts that an event happened just now.
pub(crate) fn assert_recent(event: &KernelEvent) {
    let age = hark_api::Timestamp::now().as_secs_f64() - event.time.as_secs_f64();
    assert!((-0.1..120.0).contains(&age), "{age} s old");
}
