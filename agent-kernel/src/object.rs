//! The compiled kernel programs.

/// The object that `cargo xtask build-ebpf` made.
pub(crate) static OBJECT: &[u8] = aya::include_bytes_aligned!("../../agent-ebpf/hark-ebpf.o");
