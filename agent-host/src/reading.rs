//! One reading of the whole host.

use std::path::PathBuf;
use std::time::Instant;

use hark_api::vitals::{Memory, Pressure, Tcp};
use hark_api::{SelfUse, Timestamp, Vitals};

use crate::cgroup::Cgroups;
use crate::cpu::{Cpu, Load, uptime};
use crate::disk::Disks;
use crate::files::OpenFiles;
use crate::filesystem::Filesystems;
use crate::kept::Kept;
use crate::memory::MemoryFiles;
use crate::network::Network;
use crate::own::Own;
use crate::pressure::{Resource, Stalls};
use crate::process::Processes;
use crate::protocols::Protocols;
use crate::scan::first;
use crate::table::{Family, Table, gauge};
use crate::{Error, Metric, Options};

static OMITTED: [Family; 1] = [gauge(
    "hark_host_omitted",
    "Things of the host that are not told, for the bounds set.",
)];

/// One reading of the whole host.
#[derive(Clone, Debug, Default)]
pub struct Reading {
    /// What people look at first.
    pub vitals: Vitals,
    /// Every number behind it; series of one name stand together.
    pub metrics: Vec<Metric>,
}

/// Reads the host again and again.
#[derive(Debug)]
pub struct Collector {
    options: Options,
    files: Files,
    buffer: Vec<u8>,
    /// For what is read while the first is in use.
    second_buffer: Vec<u8>,
    last: Option<Instant>,
    metrics: usize,

    cpu: Cpu,
    load: Load,
    memory: MemoryFiles,
    pressure: Stalls,
    disks: Disks,
    filesystems: Filesystems,
    network: Network,
    protocols: Protocols,
    open_files: OpenFiles,
    processes: Processes,
    cgroups: Cgroups,
    omitted: Table,
    own: Own,
}

/// The files that are read each time.
#[derive(Debug)]
struct Files {
    stat: Kept,
    loadavg: Kept,
    uptime: Kept,
    meminfo: Kept,
    vmstat: Kept,
    pressure: [(Resource, Kept); 3],
    diskstats: Kept,
    net_dev: Kept,
    net_snmp: Kept,
    net_netstat: Kept,
    net_sockstat: Kept,
    conntrack_entries: Kept,
    conntrack_limit: Kept,
    file_nr: Kept,
}

impl Files {
    fn new(options: &Options) -> Self {
        let proc = |path: &str| Kept::new(options.proc.join(path));
        // The network of the host's first process, which is not ours in a container; `net` where
        // another's may not be seen.
        let net = match options.proc.join("1/net/dev").try_exists() {
            Ok(true) => "1/net",
            _ => "net",
        };
        let net = |file: &str| proc(&format!("{net}/{file}"));
        Self {
            stat: proc("stat"),
            loadavg: proc("loadavg"),
            uptime: proc("uptime"),
            meminfo: proc("meminfo"),
            vmstat: proc("vmstat"),
            pressure: [
                (Resource::Cpu, proc("pressure/cpu")),
                (Resource::Memory, proc("pressure/memory")),
                (Resource::Io, proc("pressure/io")),
            ],
            diskstats: proc("diskstats"),
            net_dev: net("dev"),
            net_snmp: net("snmp"),
            net_netstat: net("netstat"),
            net_sockstat: net("sockstat"),
            conntrack_entries: proc("sys/net/netfilter/nf_conntrack_count"),
            conntrack_limit: proc("sys/net/netfilter/nf_conntrack_max"),
            file_nr: proc("sys/fs/file-nr"),
        }
    }
}

impl Collector {
    /// A collector that has read nothing yet.
    pub fn new(options: Options) -> Self {
        let ticks = rustix::param::clock_ticks_per_second() as f64;
        let page_size = rustix::param::page_size();
        let devices = options.max_devices;
        Self {
            files: Files::new(&options),
            buffer: Vec::new(),
            second_buffer: Vec::new(),
            last: None,
            metrics: 0,
            cpu: Cpu::new(options.max_cpus, ticks),
            load: Load::new(),
            memory: MemoryFiles::new(page_size as f64),
            pressure: Stalls::new(),
            disks: Disks::new(devices),
            filesystems: Filesystems::new(&options.proc, devices, options.filesystem_interval),
            network: Network::new(devices),
            protocols: Protocols::new(),
            open_files: OpenFiles::new(),
            processes: Processes::new(options.max_processes, ticks, page_size as u64),
            cgroups: Cgroups::new(options.max_cgroups),
            omitted: Table::new(&OMITTED, &["what"], 8),
            own: Own::new(page_size as u64),
            options,
        }
    }

    /// Reads the host. Rates are since the last call, and absent (0 in [`Vitals`]) at the first.
    ///
    /// Blocks for as long as the kernel takes to write its files: a millisecond or so. It is not
    /// for an async executor's own threads.
    ///
    /// # Errors
    /// Where there is no proc file system at [`Options::proc`].
    pub fn collect(&mut self) -> Result<Reading, Error> {
        let now = Instant::now();
        let interval = self.last.map(|last| now.duration_since(last).as_secs_f64());
        let mut vitals = Vitals {
            time: Timestamp::now(),
            ..Vitals::default()
        };
        self.system(interval, &mut vitals)?;
        self.last = Some(now);
        self.devices(interval, now, &mut vitals);
        let clock = (now, vitals.uptime);
        let (processes, count) = self
            .processes
            .update(&self.options.proc, clock, &mut self.buffer);
        vitals.processes = processes;
        vitals.tasks.processes = count;
        vitals.cgroups = self
            .cgroups
            .update(&self.options.cgroup, now, &mut self.buffer);
        Ok(Reading {
            vitals,
            metrics: self.emit(),
        })
    }

    /// CPUs, tasks, memory and pressure.
    fn system(&mut self, interval: Option<f64>, vitals: &mut Vitals) -> Result<(), Error> {
        let Self { files, buffer, .. } = self;
        let stat = files.stat.read(buffer);
        let stat = stat.map_err(|source| Error::NoProc {
            path: path_of(&files.stat),
            source,
        })?;
        (vitals.cpu, vitals.cpus, vitals.tasks) = self.cpu.update(stat, interval);
        if let Ok(text) = files.loadavg.read(buffer) {
            let (load, threads) = self.load.update(text);
            vitals.load = load;
            vitals.tasks.threads = threads.unwrap_or_default();
        }
        if let Ok(text) = files.uptime.read(buffer) {
            vitals.uptime = uptime(text).unwrap_or_default();
        }
        let mut memory = Memory::default();
        if let Ok(text) = files.meminfo.read(buffer) {
            self.memory.meminfo(text, &mut memory);
        }
        if let Ok(text) = files.vmstat.read(buffer) {
            self.memory.vmstat(text, interval, &mut memory);
        }
        vitals.memory = memory;
        for (resource, file) in &mut files.pressure {
            // Without PSI in the kernel there is no such file; with `psi=0` reading it fails.
            let Ok(text) = file.read(buffer) else {
                continue;
            };
            let stall = self.pressure.update(*resource, text, interval);
            let pressure = vitals.pressure.get_or_insert_with(Pressure::default);
            match resource {
                Resource::Cpu => pressure.cpu = stall,
                Resource::Memory => pressure.memory = stall,
                Resource::Io => pressure.io = stall,
            }
        }
        Ok(())
    }

    /// Disks, file systems, interfaces and protocols.
    fn devices(&mut self, interval: Option<f64>, now: Instant, vitals: &mut Vitals) {
        let Self {
            files,
            buffer,
            options,
            ..
        } = self;
        if let Ok(text) = files.diskstats.read(buffer) {
            vitals.disks = self.disks.update(&options.sys, text, interval);
        }
        vitals.filesystems = self.filesystems.update(now, buffer);
        if let Ok(text) = files.net_dev.read(buffer) {
            vitals.interfaces =
                self.network
                    .update(&options.sys, text, interval, &mut self.second_buffer);
        }
        let mut tcp = Tcp::default();
        for file in [&mut files.net_snmp, &mut files.net_netstat] {
            if let Ok(text) = file.read(buffer) {
                self.protocols.update(text, interval, &mut tcp);
            }
        }
        vitals.tcp = tcp;
        if let Ok(text) = files.net_sockstat.read(buffer) {
            self.protocols.sockstat(text);
        }
        let mut one = |file: &mut Kept| file.read(buffer).ok().and_then(first);
        let (entries, limit) = (
            one(&mut files.conntrack_entries),
            one(&mut files.conntrack_limit),
        );
        self.protocols.conntrack(entries, limit);
        if let Ok(text) = files.file_nr.read(buffer) {
            self.open_files.update(text);
        }
    }

    fn emit(&mut self) -> Vec<Metric> {
        let mut out = Vec::with_capacity(self.metrics);
        let cpus = self.cpu.emit(&mut out);
        self.load.emit(&mut out);
        self.memory.emit(&mut out);
        self.pressure.emit(&mut out);
        let disks = self.disks.emit(&mut out);
        let filesystems = self.filesystems.emit(&mut out);
        let interfaces = self.network.emit(&mut out);
        self.protocols.emit(&mut out);
        self.open_files.emit(&mut out);
        self.processes.emit(&mut out);
        let cgroups = self.cgroups.emit(&mut out);
        let omitted = [
            ("cpu", cpus),
            ("disk", disks),
            ("filesystem", filesystems),
            ("interface", interfaces),
            ("cgroup", cgroups),
        ];
        for (what, count) in omitted {
            if let Some(row) = self.omitted.row(&[what]) {
                row.set(0, count as f64, None);
            }
        }
        self.omitted.emit(&mut out);
        self.metrics = out.len();
        out
    }

    /// What this process itself uses; CPU over the last ten seconds of calls.
    pub fn self_use(&mut self) -> SelfUse {
        self.own.update(Instant::now(), &mut self.buffer)
    }
}

fn path_of(file: &Kept) -> PathBuf {
    file.path().to_owned()
}
