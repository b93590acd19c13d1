//! What the agent says of a fault.

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use serde_json::Value;

use crate::agent;
use crate::error::Error;
use crate::scenarios::fault::Fault;

/// What came of a fault.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome {
    /// Seconds from its onset to when the agent told of it.
    pub(super) after: Option<f64>,
    /// The incident's tier, or the event's where no incident was opened.
    pub(super) tier: String,
    /// The incident's title, or the event's message.
    pub(super) title: String,
    /// Whether the first suspect is the right one; none where nobody was named.
    pub(super) culprit: Option<bool>,
    /// Who was suspected most.
    pub(super) suspect: String,
    /// Whether it became an incident.
    pub(super) incident: bool,
}

/// Milliseconds since 1970.
pub(super) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since 1970 of a time as the agent writes it.
fn millis(time: &Value) -> Option<u64> {
    let text = time.as_str()?.strip_suffix('Z')?;
    let (date, clock) = text.split_once('T')?;
    let mut date = date.split('-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let mut clock = clock.split(':').map(|part| part.parse::<f64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    // Days since 1970 of a date of the Gregorian calendar, years beginning in March.
    let year = if month <= 2 { year - 1 } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = 365 * year + year / 4 - year / 100 + year / 400 + of_year - 719_468;
    let seconds = days as f64 * 86_400.0 + hour * 3600.0 + minute * 60.0 + second;
    Some((seconds * 1000.0) as u64)
}

/// Waits until the agent tells of the fault, and a little longer for what follows.
pub(super) fn watch(
    socket: &Path,
    fault: &Fault,
    onset: u64,
    limit: Duration,
    further: Duration,
) -> Outcome {
    let started = Instant::now();
    let mut outcome = Outcome::default();
    let mut until = started + limit;
    let mut ended = fault.ends.is_none();
    let mut settled = false;
    while Instant::now() < until {
        ended = ended || self::ended(socket, fault, onset);
        if let Some(incident) = incident(socket, fault, onset) {
            if outcome.after.is_none() {
                outcome.after = Some(started.elapsed().as_secs_f64());
            }
            if ended && !settled {
                settled = true;
                until = until.min(Instant::now() + further);
            }
            outcome.incident = true;
            take(&mut outcome, fault, &incident);
        } else if outcome.after.is_none()
            && let Some(event) = events(socket, fault, onset).first()
        {
            outcome.after = Some(started.elapsed().as_secs_f64());
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            outcome.tier = text(&event["verdict"]["tier"]);
            outcome.title = text(&event["message"]);
        }
        std::thread::sleep(Duration::from_millis(250));
    }
    outcome
}

fn take(outcome: &mut Outcome, fault: &Fault, incident: &Value) {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    outcome.tier = text(&incident["tier"]);
    outcome.title = text(&incident["title"]);
    let first = &incident["suspects"][0]["name"];
    outcome.suspect = text(first);
    outcome.culprit = first.as_str().map(|name| fault.is_culprit(name));
}

/// Whether an event told of the end that the fault comes to by itself.
fn ended(socket: &Path, fault: &Fault, onset: u64) -> bool {
    let told = events(socket, fault, onset);
    told.iter()
        .any(|event| event["kind"].as_str() == fault.ends)
}

/// The incident that names a culprit and has evidence from after the onset.
fn incident(socket: &Path, fault: &Fault, onset: u64) -> Option<Value> {
    let page = agent::get(socket, "/incidents?limit=20").ok()?;
    let named = |incident: &&Value| {
        let suspects = incident["suspects"].as_array();
        suspects.is_some_and(|all| {
            all.iter()
                .filter_map(|s| s["name"].as_str())
                .any(|name| fault.is_culprit(name))
        })
    };
    let since = |incident: &&Value| millis(&incident["last"]).is_some_and(|last| last >= onset);
    let incidents = page["incidents"].as_array()?;
    incidents.iter().filter(since).find(named).cloned()
}

/// Events above normal that name a culprit, newest first.
fn events(socket: &Path, fault: &Fault, onset: u64) -> Vec<Value> {
    let page = agent::get(socket, "/events?limit=100&order=newest&q=tier%3E%3Dnotice").ok();
    let named = |event: &&Value| {
        let names = [&event["service"], &event["process"]["comm"]];
        names
            .iter()
            .filter_map(|name| name.as_str())
            .any(|name| fault.is_culprit(name))
    };
    let since = |event: &&Value| millis(&event["time"]).is_some_and(|time| time >= onset);
    let events = page.as_ref().and_then(|page| page["events"].as_array());
    let events = events.into_iter().flatten();
    events.filter(since).filter(named).cloned().collect()
}

/// Incidents that were opened since a time, by tier; an error where the agent does not say, for that is
/// not none.
pub(super) fn opened(socket: &Path, since: u64) -> Result<Vec<(String, String)>, Error> {
    let page = agent::get(socket, "/incidents?limit=500")?;
    let incidents = page["incidents"].as_array();
    let incidents = incidents.ok_or_else(|| Error::Check(format!("no incidents in {page}")))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(incidents
        .iter()
        .filter(|incident| millis(&incident["start"]).is_some_and(|start| start >= since))
        .map(|incident| (text(&incident["tier"]), text(&incident["title"])))
        .collect())
}

/// Whether the kernel tells the agent of processes.
pub(super) fn hears_the_kernel(socket: &Path) -> bool {
    let status = agent::get(socket, "/status").ok();
    let features = status.as_ref().and_then(|s| s["features"].as_array());
    features.is_some_and(|all| {
        all.iter()
            .any(|f| f["name"] == "process" && f["state"]["is"] == "on")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read() {
        let read = |text: &str| millis(&Value::from(text));
        assert_eq!(read("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(read("2024-02-29T12:00:00.25Z"), Some(1_709_208_000_250));
        assert_eq!(read("yesterday"), None);
    }
}
