//! Where a process made a fault. The event of the signal that it raises has it.

use hark_ebpf::FaultRecord;

use super::{Malformed, read, walked};
use crate::event::Fault;
use crate::table::Table;

pub(super) fn decode(bytes: &[u8], table: &mut Table) -> Result<(), Malformed> {
    let record: FaultRecord = read(bytes)?;
    let names = record.names.get(..record.file.len as usize);
    let file = names
        .filter(|names| !names.is_empty())
        .and_then(|names| Some((walked(names, record.file)?, record.offset)));
    let fault = Fault {
        instruction: record.instruction,
        file,
    };
    table.note_fault(record.header.task.tid, fault);
    Ok(())
}
