//! Where a process made a fault.

use hark_api::Fields;

use crate::event::Fault;

/// What follows the address of a fault in its line.
pub(super) fn place(fault: &Fault, fields: &mut Fields) -> String {
    if fault.instruction != 0 {
        fields.set("instruction", format!("{:#x}", fault.instruction));
    }
    let Some((file, offset)) = &fault.file else {
        return String::new();
    };
    fields.set("file", file.as_str());
    fields.set("file_offset", *offset);
    format!(" in {file}+{offset:#x}")
}
