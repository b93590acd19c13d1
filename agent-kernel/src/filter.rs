//! Who is heard, and how much: lists and budgets in maps of the programs, changed while these run.

use std::collections::{BTreeMap, BTreeSet};

use aya::maps::lpm_trie::{Key, LpmTrie};
use aya::maps::{Array, HashMap, MapData, MapError};
use hark_api::Process;
use hark_ebpf::{
    COMM_LEN, IGNORE_CGROUPS, IGNORE_COMMANDS, IGNORE_UIDS, IGNORED_CGROUPS_MAX, Kind,
    WATCH_PREFIX_MAX, WATCH_READS, WATCH_WRITES,
};
use serde::{Deserialize, Serialize};

use crate::Error;
use crate::cgroup::{Cgroups, is_below};
use crate::loader::take_map;

/// Entries that a list of [`Ignore`] may have.
pub const IGNORE_MAX: usize = hark_ebpf::IGNORED_MAX as usize;

/// Makes the struct of budgets, and what each is about.
macro_rules! budgets {
    ($($(#[$meta:meta])* $name:ident = $default:literal: $($kind:ident)|+,)+) => {
        /// How many events of a kind one command may cause in a second; 0 is no bound. What is beyond
        /// is counted, and told in a summary.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Budgets { $($(#[$meta])* pub $name: u32,)+ }

        impl Budgets {
            /// No bounds.
            pub const NONE: Self = Self { $($name: 0,)+ };

            /// By kind of record. What is told rarely and matters always has no budget.
            fn by_kind(&self) -> [u32; Kind::ALL.len()] {
                let mut by_kind = [0; Kind::ALL.len()];
                $($(by_kind[Kind::$kind as usize] = self.$name;)+)+
                by_kind
            }
        }

        impl Default for Budgets {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        /// The budget that a kind of record falls under.
        pub(crate) fn budget_name(kind: Kind) -> &'static str {
            match kind {
                $($(Kind::$kind)|+ => stringify!($name),)+
                _ => "event",
            }
        }
    };
}

budgets! {
    /// Programs executed.
    exec = 200: Exec,
    /// Processes created.
    fork = 1_000: Fork,
    /// Processes ended.
    exit = 200: Exit,
    /// Signals sent.
    signal = 200: Signal,
    /// Outgoing TCP connections.
    tcp_connect = 200: TcpConnect,
    /// Incoming TCP connections.
    tcp_accept = 200: TcpAccept,
    /// TCP connections that ended.
    tcp_close = 200: TcpClose,
    /// TCP connections reset.
    tcp_reset = 200: TcpResetSent | TcpResetReceived,
    /// TCP segments sent again.
    tcp_retransmit = 200: TcpRetransmit,
    /// System calls of the feature `audit`.
    audit = 200: Syscall,
    /// Lines of the kernel's log; of all together.
    kernel_log = 200: Line,
    /// Capabilities denied.
    capability = 200: Capability,
    /// Files that are watched.
    file = 200: File,
    /// Queries for names.
    dns = 200: Dns,
    /// Waits for memory.
    reclaim = 200: Reclaim,
    /// Slow requests of block devices.
    slow_request = 200: SlowRequest,
}

/// Whose events are not told. The table of processes has them nevertheless.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ignore {
    /// Command names; the kernel knows 15 bytes of each.
    pub commands: Vec<String>,
    /// Real user ids.
    pub uids: Vec<u32>,
    /// Paths of control groups, those below included.
    pub cgroups: Vec<String>,
}

/// Paths that are watched by the feature `file`. One that ends with `/` stands for all below it; others
/// for one file. Only absolute paths are known by what a process gave to the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Watch {
    /// Where openings for reading are told.
    pub read: Vec<String>,
    /// Where openings for writing, removals and other changes are told.
    pub write: Vec<String>,
}

/// Bytes of a path that is watched.
pub const WATCH_PATH_MAX: usize = WATCH_PREFIX_MAX - 1;

/// Paths of each kind that are watched.
pub const WATCH_MAX: usize = hark_ebpf::WATCHED_MAX as usize / 2;

impl Watch {
    /// Nothing.
    pub const NONE: Self = Self {
        read: Vec::new(),
        write: Vec::new(),
    };
}

impl Default for Watch {
    fn default() -> Self {
        let paths = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        Self {
            read: paths(&["/etc/shadow", "/etc/gshadow", "/root/.ssh/"]),
            write: paths(&[
                "/etc/passwd",
                "/etc/shadow",
                "/etc/group",
                "/etc/gshadow",
                "/etc/sudoers",
                "/etc/sudoers.d/",
                "/etc/ssh/",
                "/root/.ssh/",
                "/etc/pam.d/",
                "/etc/crontab",
                "/etc/cron.d/",
                "/etc/systemd/system/",
                "/etc/ld.so.preload",
            ]),
        }
    }
}

/// Who is heard, and how much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Filter {
    /// How much.
    pub budgets: Budgets,
    /// Whose events are not told.
    pub ignore: Ignore,
    /// Which files are watched.
    pub watch: Watch,
}

impl Filter {
    /// Everybody, without bounds.
    pub const NONE: Self = Self {
        budgets: Budgets::NONE,
        ignore: Ignore {
            commands: Vec::new(),
            uids: Vec::new(),
            cgroups: Vec::new(),
        },
        watch: Watch::NONE,
    };
}

/// The maps. They are written through descriptors that stay open, so without privileges.
pub(crate) struct Maps {
    budgets: Array<MapData, u32>,
    rates: HashMap<MapData, [u32; 5], [u64; 2]>,
    ignoring: Array<MapData, u32>,
    commands: HashMap<MapData, [u8; COMM_LEN], u8>,
    uids: HashMap<MapData, u32, u8>,
    cgroups: HashMap<MapData, u64, u8>,
    watched: LpmTrie<MapData, [u8; WATCH_PREFIX_MAX], u32>,
    /// Those that are in force.
    ignore: Ignore,
    cgroup_ids: BTreeSet<u64>,
}

impl Maps {
    /// Takes the maps out of the loaded object.
    pub(crate) fn take(ebpf: &mut aya::Ebpf) -> Option<Self> {
        Some(Self {
            budgets: take_map(ebpf, "BUDGETS")?,
            rates: take_map(ebpf, "RATES")?,
            ignoring: take_map(ebpf, "IGNORING")?,
            commands: take_map(ebpf, "IGNORED_COMMANDS")?,
            uids: take_map(ebpf, "IGNORED_UIDS")?,
            cgroups: take_map(ebpf, "IGNORED_CGROUPS")?,
            watched: take_map(ebpf, "WATCHED")?,
            ignore: Ignore::default(),
            cgroup_ids: BTreeSet::new(),
        })
    }

    /// Puts a filter in force.
    pub(crate) fn set(&mut self, filter: &Filter, cgroups: &Cgroups) -> Result<(), Error> {
        for (kind, budget) in filter.budgets.by_kind().into_iter().enumerate() {
            self.budgets.set(kind as u32, budget, 0)?;
        }
        // What was used up of the former budgets counts no more.
        let used: Vec<_> = self.rates.keys().flatten().collect();
        for key in used {
            missing_is_fine(self.rates.remove(&key))?;
        }
        let commands = filter
            .ignore
            .commands
            .iter()
            .map(|name| command(name))
            .collect();
        let before = self
            .ignore
            .commands
            .iter()
            .map(|name| command(name))
            .collect();
        replace(&mut self.commands, &before, &commands)?;
        let uids = filter.ignore.uids.iter().copied().collect();
        let before = self.ignore.uids.iter().copied().collect();
        replace(&mut self.uids, &before, &uids)?;
        self.ignore = filter.ignore.clone();
        self.watch(&filter.watch)?;
        self.follow(cgroups)
    }

    /// Whether a process is one that is not to be heard.
    pub(crate) fn is_ignored(&self, process: &Process) -> bool {
        let Ignore {
            commands,
            uids,
            cgroups,
        } = &self.ignore;
        commands
            .iter()
            .any(|name| command(name) == command(&process.comm))
            || process.uid.is_some_and(|uid| uids.contains(&uid))
            || process
                .cgroup
                .as_deref()
                .is_some_and(|group| cgroups.iter().any(|path| is_below(group, path)))
    }

    fn watch(&mut self, watch: &Watch) -> Result<(), MapError> {
        let mut wanted = BTreeMap::<_, u32>::new();
        for (paths, bit) in [(&watch.read, WATCH_READS), (&watch.write, WATCH_WRITES)] {
            for path in paths.iter().take(WATCH_MAX) {
                *wanted.entry(watched_prefix(path)).or_default() |= bit;
            }
        }
        let before: Vec<_> = self.watched.keys().flatten().collect();
        for key in before {
            if !wanted.contains_key(&(key.prefix_len(), key.data())) {
                missing_is_fine(self.watched.remove(&key))?;
            }
        }
        for ((bits, path), what) in wanted {
            self.watched.insert(&Key::new(bits, path), what, 0)?;
        }
        Ok(())
    }

    /// Keeps up with control groups that come and go.
    pub(crate) fn follow(&mut self, cgroups: &Cgroups) -> Result<(), Error> {
        let mut ids = BTreeSet::new();
        if !self.ignore.cgroups.is_empty() {
            ids = cgroups.ids_below(&self.ignore.cgroups);
            while ids.len() > IGNORED_CGROUPS_MAX as usize {
                ids.pop_last();
            }
        }
        if ids != self.cgroup_ids {
            replace(&mut self.cgroups, &self.cgroup_ids, &ids)?;
            self.cgroup_ids = ids;
        }
        let bit = |is_empty: bool, bit| if is_empty { 0 } else { bit };
        let lists = bit(self.ignore.commands.is_empty(), IGNORE_COMMANDS)
            | bit(self.ignore.uids.is_empty(), IGNORE_UIDS)
            | bit(self.cgroup_ids.is_empty(), IGNORE_CGROUPS);
        Ok(self.ignoring.set(0, lists, 0)?)
    }
}

/// How many bits of a path are compared, and the path: a file's zero is, so that it matches alone.
fn watched_prefix(path: &str) -> (u32, [u8; WATCH_PREFIX_MAX]) {
    let mut bytes = [0; WATCH_PREFIX_MAX];
    for (to, from) in bytes[..WATCH_PATH_MAX].iter_mut().zip(path.bytes()) {
        *to = from;
    }
    let len = path.len().min(WATCH_PATH_MAX) + usize::from(!path.ends_with('/'));
    (len as u32 * 8, bytes)
}

/// A command name as the kernel has it.
fn command(name: &str) -> [u8; COMM_LEN] {
    let mut comm = [0; COMM_LEN];
    for (to, from) in comm[..COMM_LEN - 1].iter_mut().zip(name.bytes()) {
        *to = from;
    }
    comm
}

/// What stays is there all the time; what goes makes room for what comes.
fn replace<K: aya::Pod + Ord>(
    map: &mut HashMap<MapData, K, u8>,
    before: &BTreeSet<K>,
    after: &BTreeSet<K>,
) -> Result<(), MapError> {
    for key in before.difference(after) {
        missing_is_fine(map.remove(key))?;
    }
    for key in after {
        map.insert(key, 1, 0)?;
    }
    Ok(())
}

pub(crate) fn missing_is_fine(result: Result<(), MapError>) -> Result<(), MapError> {
    match result {
        Err(MapError::KeyNotFound) => Ok(()),
        Err(MapError::SyscallError(error))
            if error.io_error.kind() == std::io::ErrorKind::NotFound =>
        {
            Ok(())
        }
        other => other,
    }
}
