//! Finds where things are inside the running kernel.

use std::path::Path;

use hark_ebpf::{ABSENT, ARGUMENTS, MEMBERS, TRACEPOINT_FIELDS};

use crate::btf::Btf;
use crate::tracefs;

/// The tables that the programs get, each in the order of its struct.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    /// [`hark_ebpf::Offsets`].
    pub(crate) offsets: Vec<u32>,
    /// [`hark_ebpf::Arguments`].
    pub(crate) arguments: Vec<u32>,
    /// [`hark_ebpf::TracepointOffsets`].
    pub(crate) tracepoints: Vec<u32>,
    /// Index of the memory controller among the control group subsystems.
    pub(crate) memory_controller: u32,
    /// `enum sk_rst_reason`: why a TCP reset is sent, by number.
    pub(crate) reset_reasons: Vec<(u32, String)>,
}

impl Layout {
    /// Looks everything up. What this kernel does not have is [`ABSENT`].
    pub(crate) fn find(btf: Option<&Btf<'_>>, tracefs: Option<&Path>) -> Self {
        let offset = |member: &hark_ebpf::Member| {
            member
                .names
                .iter()
                .find_map(|name| btf?.member_offset(member.structure, name))
        };
        let argument = |a: &hark_ebpf::Argument| btf?.argument_position(a.tracepoint, a.type_names);
        let field = |f: &hark_ebpf::TracepointField| {
            let path = tracefs?
                .join("events")
                .join(f.category)
                .join(f.tracepoint)
                .join("format");
            tracefs::field_offset(&std::fs::read_to_string(path).ok()?, f.field)
        };
        Self {
            offsets: MEMBERS
                .iter()
                .map(|m| offset(m).unwrap_or(ABSENT))
                .collect(),
            arguments: ARGUMENTS
                .iter()
                .map(|a| argument(a).unwrap_or(ABSENT))
                .collect(),
            tracepoints: TRACEPOINT_FIELDS
                .iter()
                .map(|f| field(f).unwrap_or(ABSENT))
                .collect(),
            memory_controller: btf
                .and_then(|btf| btf.enum_value("cgroup_subsys_id", "memory_cgrp_id"))
                .and_then(|index| u32::try_from(index).ok())
                .unwrap_or(ABSENT),
            reset_reasons: btf.map(reset_reasons).unwrap_or_default(),
        }
    }
}

/// The names without the kernel's prefix, in lower case.
fn reset_reasons(btf: &Btf<'_>) -> Vec<(u32, String)> {
    btf.enum_variants("sk_rst_reason")
        .filter_map(|(name, value)| {
            let name = std::str::from_utf8(name)
                .ok()?
                .strip_prefix("SK_RST_REASON_")?;
            Some((u32::try_from(value).ok()?, name.to_ascii_lowercase()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_type_information_all_is_absent() {
        let layout = Layout::find(None, None);
        assert_eq!(layout.offsets.len() * 4, size_of::<hark_ebpf::Offsets>());
        assert_eq!(
            layout.arguments.len() * 4,
            size_of::<hark_ebpf::Arguments>()
        );
        assert_eq!(
            layout.tracepoints.len() * 4,
            size_of::<hark_ebpf::TracepointOffsets>()
        );
        assert!(
            layout
                .offsets
                .iter()
                .chain(&layout.arguments)
                .all(|o| *o == ABSENT)
        );
    }
}
