//! Where events come from, besides the ingest API: the kernel, the host's vital signs, and the
//! agent itself.

pub mod agent;
pub mod host;
pub mod kernel;
pub mod latency;
