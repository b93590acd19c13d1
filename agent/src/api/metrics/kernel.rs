//! What the kernel side counts.

use super::Writer;
use crate::api::App;

pub(super) fn write(app: &App, writer: &mut Writer) {
    let Some(kernel) = &app.kernel else { return };
    let counters = kernel.counters();
    for (key, help, count) in [
        (
            "hark_kernel_emitted_total",
            "Events that the kernel programs had to tell.",
            counters.emitted,
        ),
        (
            "hark_kernel_read_total",
            "Events read from the ring buffer.",
            counters.received,
        ),
        (
            "hark_kernel_withheld_total",
            "Events beyond their budgets, counted in summaries.",
            counters.withheld,
        ),
        (
            "hark_kernel_malformed_total",
            "Records from the kernel programs that made no sense.",
            counters.malformed,
        ),
        (
            "hark_kernel_missed_runs_total",
            "Runs of kernel programs that the kernel skipped.",
            counters.missed,
        ),
    ] {
        writer.counter(key, help, count);
    }
    let programs: Vec<_> = kernel
        .features()
        .into_iter()
        .flat_map(|f| f.programs)
        .collect();
    let runs = "Runs of a kernel program.";
    for program in &programs {
        if let Some(count) = program.runs {
            writer.counter(
                &format!(
                    "hark_kernel_program_runs_total{{program=\"{}\"}}",
                    program.name
                ),
                runs,
                count,
            );
        }
    }
    for program in &programs {
        if let Some(nanos) = program.nanos {
            let key = format!(
                "hark_kernel_program_seconds_total{{program=\"{}\"}}",
                program.name
            );
            writer.family(
                "hark_kernel_program_seconds_total",
                "counter",
                "Time that a kernel program ran.",
            );
            writer.sample(&key, nanos as f64 / 1e9);
        }
    }
    let latency = kernel.latency();
    for block in &latency.block {
        let labels = format!(
            "device=\"{}\",operation=\"{}\",",
            block.device, block.operation
        );
        writer.histogram(
            "hark_block_latency_seconds",
            "From issue to completion of block requests.",
            &labels,
            &block.histogram,
        );
    }
    for (scope, histogram) in &latency.reclaim {
        writer.histogram(
            "hark_reclaim_latency_seconds",
            "How long threads waited while the kernel took memory back, by what was short of it.",
            &format!("scope=\"{scope}\","),
            histogram,
        );
    }
    for (name, help, histogram) in [
        (
            "hark_off_cpu_latency_seconds",
            "How long threads slept where no signal wakes them: for a device or a lock.",
            &latency.off_cpu,
        ),
        (
            "hark_page_fault_latency_seconds",
            "How long threads waited for a page of their memory to come from a disk.",
            &latency.page_fault,
        ),
    ] {
        if let Some(histogram) = histogram {
            writer.histogram(name, help, "", histogram);
        }
    }
    waits(&kernel.waits(MAX_WAITS), writer);
    syscall_errors(&kernel.syscall_errors(MAX_SYSCALL_ERRORS), writer);
    if let Some(histogram) = &latency.runqueue {
        writer.histogram(
            "hark_runqueue_latency_seconds",
            "How long runnable threads waited for a CPU.",
            "",
            histogram,
        );
    }
    for (cpu, (count, _)) in latency.runqueue_by_cpu.iter().enumerate() {
        writer.counter(
            &format!("hark_runqueue_cpu_waits_total{{cpu=\"{cpu}\"}}"),
            "How often threads waited for a CPU, by the CPU.",
            *count,
        );
    }
    for (cpu, (_, seconds)) in latency.runqueue_by_cpu.iter().enumerate() {
        let name = "hark_runqueue_cpu_wait_seconds_total";
        writer.family(
            name,
            "counter",
            "How long threads waited for a CPU, by the CPU.",
        );
        writer.sample(&format!("{name}{{cpu=\"{cpu}\"}}"), *seconds);
    }
}

/// Processes whose waits are told, for each resource.
const MAX_WAITS: usize = 20;

/// Long waits of the processes that waited longest, added up by command.
fn waits(waits: &[hark_kernel::Wait], writer: &mut Writer) {
    let mut by_command = std::collections::BTreeMap::<_, u64>::new();
    for wait in waits {
        let command = harmless(&wait.command);
        *by_command
            .entry((wait.resource.as_str(), command))
            .or_default() += wait.nanos;
    }
    let name = "hark_wait_seconds";
    for ((resource, command), nanos) in by_command {
        writer.family(
            name,
            "gauge",
            "How long threads waited of late, by what for and command; the longest.",
        );
        let key = format!("{name}{{resource=\"{resource}\",command=\"{command}\"}}");
        writer.sample(&key, nanos as f64 / 1e9);
    }
}

/// A command's name is anybody's choice.
fn harmless(command: &str) -> String {
    command
        .chars()
        .map(|c| {
            if c.is_control() || c == '"' || c == '\\' {
                '?'
            } else {
                c
            }
        })
        .collect()
}

/// Kinds of failed system calls that are told, the most frequent ones.
const MAX_SYSCALL_ERRORS: usize = 100;

fn syscall_errors(errors: &hark_kernel::SyscallErrors, writer: &mut Writer) {
    for error in &errors.top {
        let command = harmless(&error.command);
        let (call, name) = (&error.call, &error.error);
        writer.counter(
            &format!(
                "hark_syscall_errors_total{{command=\"{command}\",call=\"{call}\",error=\"{name}\"}}"
            ),
            "System calls that failed, by command, call and error; the most frequent.",
            error.count,
        );
    }
    if errors.rest > 0 {
        writer.counter(
            "hark_syscall_errors_omitted_total",
            "System calls that failed and found no room in the account.",
            errors.rest,
        );
    }
}
