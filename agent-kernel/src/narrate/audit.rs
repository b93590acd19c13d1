//! Events that matter to the host's safety.

use hark_api::Fields;

use super::errno_name;
use crate::event::{BpfLoad, Module, Mount, Privilege, Ptrace};

/// What was done, or that it could not be, and why: the verb comes in both forms.
fn outcome(
    who: &str,
    (did, to_do): (&str, &str),
    what: &str,
    error: i32,
    fields: &mut Fields,
) -> String {
    if error == 0 {
        return format!("{who} {did} {what}");
    }
    let name = errno_name(error);
    let line = format!("{who} could not {to_do} {what}: {name}");
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
    // What is refused changes nothing.
    let what = if changes.is_empty() {
        format!("its user or group by {}", event.call)
    } else {
        changes.join(", ")
    };
    outcome(who, ("changed", "change"), &what, event.error, fields)
}

pub(super) fn ptrace(event: Ptrace, who: &str, fields: &mut Fields) -> String {
    fields.set("target", event.target);
    let what = format!("process {}", event.target);
    outcome(who, ("traces", "trace"), &what, event.error, fields)
}

pub(super) fn mount(event: Mount, who: &str, fields: &mut Fields) -> String {
    let source = event.source.as_deref().unwrap_or_default();
    let (verb, what) = match (event.call, &event.fs_type) {
        ("mount", Some(fs_type)) => (
            ("mounted", "mount"),
            format!("{source} on {} ({fs_type})", event.target),
        ),
        ("umount", _) => (("unmounted", "unmount"), event.target.clone()),
        _ => (("moved", "move"), format!("the mount {source}")),
    };
    let line = outcome(who, verb, what.trim_end(), event.error, fields);
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
    line
}

pub(super) fn bpf_load(event: BpfLoad, who: &str, fields: &mut Fields) -> String {
    outcome(
        who,
        ("loaded", "load"),
        "a BPF program",
        event.error,
        fields,
    )
}

pub(super) fn module(event: Module, who: &str, fields: &mut Fields) -> String {
    fields.set("call", event.call);
    let (verb, what) = match event.name {
        Some(name) => {
            let what = format!("the module {name}");
            fields.set("module", name);
            (("unloaded", "unload"), what)
        }
        None => (("loaded", "load"), "a kernel module".to_owned()),
    };
    outcome(who, verb, &what, event.error, fields)
}
