//! Waits that are long.

use hark_api::Process;
use hark_ebpf::ReclaimRecord;

use super::{Malformed, read};
use crate::event::{Data, Reclaim};
use crate::latency::reclaim_scope;
use crate::table::Table;

pub(super) fn reclaim(
    bytes: &[u8],
    table: &mut Table,
) -> Result<(Option<Process>, Data), Malformed> {
    let record: ReclaimRecord = read(bytes)?;
    let data = Data::Reclaim(Reclaim {
        duration: record.nanos,
        pages: record.pages,
        scope: reclaim_scope(record.scope),
    });
    Ok((Some(table.describe(&record.header.task)), data))
}
