//! `hark top`: the vital signs now, and the processes that use most.

use std::process::ExitCode;

use hark_api::Vitals;
use hark_api::client::Client;

use super::output::Output;
use crate::cli::TopArgs;
use crate::error::Error;
use crate::units;

pub(crate) async fn run(client: &Client, args: &TopArgs) -> Result<ExitCode, Error> {
    let vitals = client.vitals().await?;
    let mut out = Output::new(args.output.json);
    if out.is_json() {
        out.json(&vitals)?;
    } else {
        for line in lines(&vitals, args.lines) {
            out.line(&line)?;
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn lines(vitals: &Vitals, count: usize) -> Vec<String> {
    let [one, five, fifteen] = vitals.load;
    let memory = &vitals.memory;
    let mut lines = vec![
        format!(
            "CPU {:.0} %   load {one:.2} {five:.2} {fifteen:.2}   {} processes, {} running, {} blocked",
            vitals.cpu.busy() * 100.0,
            vitals.tasks.processes,
            vitals.tasks.running,
            vitals.tasks.blocked,
        ),
        format!(
            "memory {} of {} left   swap {} of {} left",
            units::bytes(memory.available as f64),
            units::bytes(memory.total as f64),
            units::bytes(memory.swap_free as f64),
            units::bytes(memory.swap_total as f64),
        ),
        String::new(),
        format!(
            "{:>8} {:>6} {:>8} {:>10}  NAME",
            "PID", "USER", "CPU %", "MEMORY"
        ),
    ];
    let mut processes: Vec<_> = vitals.processes.iter().collect();
    processes.sort_by(|a, b| b.cpu.total_cmp(&a.cpu).then(b.rss.cmp(&a.rss)));
    lines.extend(processes.into_iter().take(count).map(|process| {
        format!(
            "{:>8} {:>6} {:>8.1} {:>10}  {}",
            process.pid,
            process.uid,
            process.cpu * 100.0,
            units::bytes(process.rss as f64),
            process.comm,
        )
    }));
    lines
}
