//! What should not happen, or only where it is known.

use hark_api::Fields;

use super::errno_name;
use crate::event::{CapabilityDenied, FileAccess, FileOperation, FsError, HungThread};

pub(super) fn capability(denied: CapabilityDenied, who: &str, fields: &mut Fields) -> String {
    let line = format!("{who} was denied {}", denied.capability);
    fields.set("capability", denied.capability);
    line
}

pub(super) fn fs_error(error: FsError, who: &str, fields: &mut Fields) -> String {
    let line = format!(
        "the file system on {} is inconsistent: found by {}, line {}, for {who}",
        error.device, error.function, error.line
    );
    fields.set("device", error.device);
    fields.set("function", error.function);
    fields.set("line", error.line);
    line
}

pub(super) fn hang(hung: HungThread, who: &str, fields: &mut Fields) -> String {
    fields.set("thread", hung.tid);
    format!(
        "{who} hangs: thread {} has waited for long and cannot be woken",
        hung.tid
    )
}

pub(super) fn file(access: FileAccess, who: &str, fields: &mut Fields) -> String {
    let (operation, did, do_it) = match access.operation {
        FileOperation::Read => ("read", "opened to read", "open to read"),
        FileOperation::Write => ("write", "opened to write", "open to write"),
        FileOperation::Delete => ("delete", "removed", "remove"),
        FileOperation::Rename => ("rename", "renamed or replaced", "rename or replace"),
        FileOperation::Change => ("change", "changed", "change"),
    };
    fields.set("operation", operation);
    let line = if access.error == 0 {
        format!("{who} {did} {}", access.path)
    } else {
        let name = errno_name(access.error);
        fields.set("errno", access.error);
        fields.set("error", name.as_str());
        format!("{who} could not {do_it} {}: {name}", access.path)
    };
    if access.flags != 0 {
        fields.set("flags", access.flags);
    }
    fields.set("path", access.path);
    line
}
