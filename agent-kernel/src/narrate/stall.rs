//! Calls that fail, and waits that are long.

use hark_api::Fields;

use super::seconds;
use crate::Resource;
use crate::event::{
    ListenOverflow, LongWaits, PressureStall, Reclaim, SlowRequest, SyscallFailures,
};

pub(super) fn reclaim(reclaim: Reclaim, who: &str, fields: &mut Fields) -> String {
    fields.set("duration", seconds(reclaim.duration));
    fields.set("pages", reclaim.pages);
    fields.set("scope", reclaim.scope);
    let short = match reclaim.scope {
        "cgroup" => "its control group was at its limit",
        _ => "the host was short of it",
    };
    format!(
        "{who} waited {:.0} ms for memory: {short}",
        seconds(reclaim.duration) * 1e3
    )
}

pub(super) fn syscall_failures(failures: SyscallFailures, fields: &mut Fields) -> String {
    let SyscallFailures { failed, duration } = failures;
    let line = format!(
        "{} of {} failed {} times with {}",
        failed.call, failed.command, failed.count, failed.error
    );
    fields.set("command", failed.command);
    fields.set("call", failed.call);
    fields.set("errno", failed.errno);
    fields.set("error", failed.error);
    fields.set("count", failed.count);
    fields.set("duration", seconds(duration));
    line
}

pub(super) fn overflow(overflow: ListenOverflow, who: &str, fields: &mut Fields) -> String {
    fields.set("local", overflow.local.to_string());
    fields.set("refused", overflow.refused);
    fields.set("queued", overflow.queued);
    fields.set("limit", overflow.limit);
    format!(
        "{who} does not accept fast enough on {}: {} attempts to connect were turned away; {} of at most {} wait",
        overflow.local, overflow.refused, overflow.queued, overflow.limit
    )
}

pub(super) fn pressure(pressure: PressureStall, fields: &mut Fields) -> String {
    fields.set("resource", pressure.resource);
    fields.set("share", pressure.share);
    fields.set("waited", seconds(pressure.waited));
    if let Some(since) = pressure.since {
        fields.set("duration", seconds(since));
    }
    let what = match pressure.resource {
        "cpu" => "a CPU",
        "io" => "disks",
        other => other,
    };
    format!(
        "threads wait for {what}: some did for {} % of the last ten seconds",
        pressure.share
    )
}

pub(super) fn long_waits(waits: LongWaits, who: &str, fields: &mut Fields) -> String {
    fields.set("resource", waits.resource.as_str());
    fields.set("count", waits.count);
    fields.set("waited", seconds(waits.waited));
    fields.set("duration", seconds(waits.duration));
    let what = match waits.resource {
        Resource::Cpu => "for a CPU",
        Resource::Kernel => "in the kernel, for a device or a lock",
        Resource::Page => "for memory to come from a disk",
    };
    format!(
        "{who} waited {:.0} ms in {:.0} s {what}: {} times",
        seconds(waits.waited) * 1e3,
        seconds(waits.duration).max(1.0),
        waits.count
    )
}

pub(super) fn slow_request(request: SlowRequest, who: &str, fields: &mut Fields) -> String {
    let line = format!(
        "{} took {:.0} ms for a {} of {who}",
        request.device,
        seconds(request.duration) * 1e3,
        request.operation
    );
    fields.set("device", request.device);
    fields.set("operation", request.operation);
    fields.set("duration", seconds(request.duration));
    fields.set("sector", request.sector);
    fields.set("bytes", request.bytes);
    line
}
