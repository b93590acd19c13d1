//! Waits that are long.

use hark_api::Process;
use hark_ebpf::{ReclaimRecord, SlowRequestRecord};

use super::{Malformed, read};
use crate::event::{Data, Reclaim, SlowRequest};
use crate::latency::{device, operation, reclaim_scope};
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

pub(super) fn slow_request(
    bytes: &[u8],
    table: &mut Table,
) -> Result<(Option<Process>, Data), Malformed> {
    let record: SlowRequestRecord = read(bytes)?;
    let data = Data::SlowRequest(SlowRequest {
        device: device(record.key.major, record.key.minor),
        operation: operation(record.key.operation),
        sector: record.sector,
        bytes: record.bytes,
        duration: record.nanos,
    });
    Ok((Some(table.describe(&record.header.task)), data))
}
