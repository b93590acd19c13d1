//! The defaults, and the sections in the terms of the parts that they configure.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::{
    Api, Config, Detect, Ingest, Kernel, Log, LogFormat, Pipeline, Privileges, RateLimit, Size,
    Span, Store, Vitals,
};

impl Default for Config {
    fn default() -> Self {
        Self {
            host: String::new(),
            data_dir: "/var/lib/hark".into(),
            threads: 0,
            api: Api::default(),
            ingest: Ingest::default(),
            rate_limit: RateLimit::default(),
            pipeline: Pipeline::default(),
            store: Store::default(),
            kernel: Kernel::default(),
            vitals: Vitals::default(),
            detect: Detect::default(),
            log: Log::default(),
            privileges: Privileges::default(),
        }
    }
}

impl Default for Api {
    fn default() -> Self {
        Self {
            socket: "/run/hark/agent.sock".into(),
            group: String::new(),
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 5000))],
            tokens: PathBuf::new(),
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            open_metrics: false,
            max_connections: 1024,
            max_streams: 64,
            stream_events: 4096,
            head_timeout: Span::secs(15),
            body_timeout: Span::secs(30),
            max_body: Size::mib(16),
            search_timeout: Span::secs(5),
        }
    }
}

impl Default for Ingest {
    fn default() -> Self {
        Self {
            max_event: Size::mib(1),
            max_message: Size(256 << 10),
            max_fields: 256,
            max_depth: 16,
            max_batch: 50_000,
            max_past: Span::days(30),
            max_future: Span::secs(600),
        }
    }
}

impl Default for RateLimit {
    fn default() -> Self {
        Self {
            requests: 0,
            burst: 1000,
            max_senders: 4096,
        }
    }
}

impl Default for Pipeline {
    fn default() -> Self {
        Self {
            queue_events: 65_536,
            queue_bytes: Size::mib(32),
            commit_events: 8192,
            shutdown_timeout: Span::secs(10),
        }
    }
}

impl Default for Store {
    fn default() -> Self {
        let store = hark_store::Options::default();
        Self {
            max_bytes: Size(store.max_bytes),
            max_age: Span(store.max_age),
            cache: Size(store.cache_bytes as u64),
            hot: Size(store.hot_bytes as u64),
            series_1s: Span(store.series_1s),
            series_10s: Span(store.series_10s),
            series_60s: Span(store.series_60s),
            max_series: store.max_series,
            max_replies: store.max_replies,
            reply_age: Span(store.reply_age),
        }
    }
}

impl Store {
    /// In the store's own terms.
    pub fn options(&self) -> hark_store::Options {
        hark_store::Options {
            max_bytes: self.max_bytes.0,
            max_age: self.max_age.0,
            cache_bytes: self.cache.as_usize(),
            hot_bytes: self.hot.as_usize(),
            series_1s: self.series_1s.0,
            series_10s: self.series_10s.0,
            series_60s: self.series_60s.0,
            max_series: self.max_series,
            max_replies: self.max_replies,
            reply_age: self.reply_age.0,
            ..hark_store::Options::default()
        }
    }
}

impl Default for Kernel {
    fn default() -> Self {
        let kernel = hark_kernel::Options::default();
        Self {
            enabled: true,
            disabled_features: Vec::new(),
            extra_features: Vec::new(),
            stall: Span(kernel.stall),
            slow_request: Span(kernel.slow_request),
            waits: kernel.waits,
            keep_forks: false,
            ring: Size(u64::from(kernel.ring_bytes)),
            statistics: kernel.statistics,
            max_processes: kernel.max_processes,
            pressure: hark_kernel::Pressure::default(),
            budgets: hark_kernel::Budgets::default(),
            ignore: hark_kernel::Ignore::default(),
            watch: hark_kernel::Watch::default(),
        }
    }
}

impl Kernel {
    /// Who is heard, and how much.
    pub fn filter(&self) -> hark_kernel::Filter {
        hark_kernel::Filter {
            budgets: self.budgets,
            ignore: self.ignore.clone(),
            watch: self.watch.clone(),
        }
    }

    /// In the kernel side's own terms. Unknown features are caught by [`Config::check`].
    pub fn options(&self) -> hark_kernel::Options {
        let is_on = |f: &hark_kernel::Feature| {
            let named = |names: &[String]| names.iter().any(|name| name == f.as_str());
            (f.is_default() || named(&self.extra_features)) && !named(&self.disabled_features)
        };
        hark_kernel::Options {
            features: if self.enabled {
                hark_kernel::Feature::ALL
                    .iter()
                    .copied()
                    .filter(is_on)
                    .collect()
            } else {
                Vec::new()
            },
            ring_bytes: u32::try_from(self.ring.0).unwrap_or(u32::MAX),
            statistics: self.statistics,
            stall: self.stall.0,
            slow_request: self.slow_request.0,
            waits: self.waits,
            pressure: self.pressure,
            max_processes: self.max_processes,
            filter: self.filter(),
            ..hark_kernel::Options::default()
        }
    }
}

impl Default for Vitals {
    fn default() -> Self {
        let host = hark_host::Options::default();
        Self {
            enabled: true,
            max_processes: host.max_processes,
            max_cgroups: host.max_cgroups,
            max_devices: host.max_devices,
        }
    }
}

impl Vitals {
    /// In the host side's own terms.
    pub fn options(&self) -> hark_host::Options {
        hark_host::Options {
            max_processes: self.max_processes,
            max_cgroups: self.max_cgroups,
            max_devices: self.max_devices,
            ..hark_host::Options::default()
        }
    }
}

impl Default for Detect {
    fn default() -> Self {
        Self {
            checkpoint_interval: Span::secs(300),
            learn: Span::secs(600),
            sensitivity: 1,
        }
    }
}

impl Detect {
    /// In the detectors' own terms.
    pub fn engine(&self) -> hark_detect::Config {
        hark_detect::Config {
            caution: hark_detect::Caution {
                learn: self.learn.0.as_secs_f64(),
                sensitivity: f64::from(self.sensitivity),
                ..hark_detect::Caution::default()
            },
            ..hark_detect::Config::default()
        }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self {
            level: "info".into(),
            format: LogFormat::Auto,
        }
    }
}

impl Default for Privileges {
    fn default() -> Self {
        Self {
            drop_capabilities: true,
            user: String::new(),
        }
    }
}
