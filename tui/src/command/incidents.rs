//! `hark incidents`: what is unusual together.

use std::process::ExitCode;

use hark_api::IncidentRecord;
use hark_api::client::Client;

use super::output::Output;
use crate::cli::IncidentsArgs;
use crate::error::Error;
use crate::moment;

pub(crate) async fn run(client: &Client, args: &IncidentsArgs) -> Result<ExitCode, Error> {
    let page = client.incidents(args.limit).await?;
    let mut out = Output::new(args.output.json);
    let mut found = false;
    for record in page.incidents {
        if args.open && record.incident.end.is_some() {
            continue;
        }
        found = true;
        if out.is_json() {
            out.json(&record)?;
        } else {
            out.line(&line(&record))?;
        }
    }
    out.flush()?;
    Ok(ExitCode::from(u8::from(!found)))
}

/// `7  2026-01-31 23:59:59  critical  open  title  (postgres[12] 72 %)`
fn line(record: &IncidentRecord) -> String {
    let incident = &record.incident;
    let state = match (&incident.end, &record.acknowledged) {
        (Some(_), _) => "over",
        (None, Some(_)) => "seen",
        (None, None) => "open",
    };
    let suspect = incident.suspects.first().map_or(String::new(), |suspect| {
        let pid = suspect.pid.map_or(String::new(), |pid| format!("[{pid}]"));
        format!("  ({}{pid} {:.0} %)", suspect.name, suspect.share * 100.0)
    });
    format!(
        "{:<5} {} {}  {:<8}  {state:<4}  {}{suspect}",
        incident.id.0,
        moment::day(incident.start),
        &moment::clock(incident.start)[..8],
        incident.tier,
        incident.title,
    )
}
