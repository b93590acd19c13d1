//! Events that matter to the host's safety.

use hark_api::Fields;

use super::errno_name;
use crate::event::{BpfLoad, Module, Mount, Privilege, Ptrace};

/// What was done, or that it was refused, and why.
fn outcome(line: String, error: i32, fields: &mut Fields) -> String {
    if error == 0 {
        return line;
    }
    let name = errno_name(error);
    let line = format!("{line}: refused: {name}");
    fields.set("errno", error);
    fields.set("error", name);
    line
}

pub(super) fn privilege(event: &Privilege, who: &str, fields: &mut Fields) -> String {
    let (before, after) = (event.before, event.after);
    fields.set("call", event.call);
    let mut changes = Vec::new();
    for (name, from, to) in [
        ("uid", before.uid, after.uid),
        ("gid", before.gid, after.gid),
        ("euid", before.euid, after.euid),
        ("egid", before.egid, after.egid),
    ] {
        fields.set(name, to);
        if from != to {
            fields.set(format!("{name}_before"), from);
            changes.push(format!("{name} {from} to {to}"));
        }
    }
    let line = if changes.is_empty() {
        format!("{who} called {}", event.call)
    } else {
        format!("{who} changed {}", changes.join(", "))
    };
    outcome(line, event.error, fields)
}

pub(super) fn ptrace(event: Ptrace, who: &str, fields: &mut Fields) -> String {
    fields.set("target", event.target);
    outcome(
        format!("{who} traces process {}", event.target),
        event.error,
        fields,
    )
}

pub(super) fn mount(event: Mount, who: &str, fields: &mut Fields) -> String {
    let line = match (event.call, &event.source, &event.fs_type) {
        ("mount", Some(source), Some(fs_type)) => {
            format!("{who} mounted {source} on {} ({fs_type})", event.target)
        }
        ("umount", ..) => format!("{who} unmounted {}", event.target),
        (_, source, _) => format!("{who} moved the mount {}", source.as_deref().unwrap_or("")),
    };
    fields.set("call", event.call);
    if let Some(source) = event.source {
        fields.set("source", source);
    }
    if !event.target.is_empty() {
        fields.set("target", event.target);
    }
    if let Some(fs_type) = event.fs_type {
        fields.set("fs_type", fs_type);
    }
    fields.set("flags", event.flags);
    outcome(line, event.error, fields)
}

pub(super) fn bpf_load(event: BpfLoad, who: &str, fields: &mut Fields) -> String {
    outcome(format!("{who} loaded a BPF program"), event.error, fields)
}

pub(super) fn module(event: Module, who: &str, fields: &mut Fields) -> String {
    fields.set("call", event.call);
    let line = match event.name {
        Some(name) => {
            let line = format!("{who} took the module {name} out of the kernel");
            fields.set("module", name);
            line
        }
        None => format!("{who} loaded a module into the kernel"),
    };
    outcome(line, event.error, fields)
}
