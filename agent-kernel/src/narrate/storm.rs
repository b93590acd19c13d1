//! Events that were more than their budget.

use hark_api::Fields;

use crate::event::Withheld;

pub(super) fn withheld(event: Withheld, fields: &mut Fields) -> String {
    let causes: Vec<String> = event
        .causes
        .iter()
        .map(|cause| {
            let comm = cause.comm.as_deref().unwrap_or("ended");
            format!("{comm}[{}] {}", cause.pid, cause.count)
        })
        .collect();
    let about = match &event.command {
        Some(command) => format!("of {command}"),
        None => "of other commands".to_owned(),
    };
    fields.set("of", event.of);
    if let Some(command) = event.command {
        fields.set("command", command);
    }
    fields.set("count", event.count);
    fields.set("duration", super::seconds(event.duration));
    let mut line = format!(
        "{} more {} events {about} in {:.0} s than are told one by one",
        event.count,
        event.of,
        super::seconds(event.duration).max(1.0).ceil(),
    );
    if !causes.is_empty() {
        line.push_str("; by ");
        line.push_str(&causes.join(", "));
        fields.set("causes", causes);
    }
    line
}
