//! What the agent has stored of times when the console was not there, or that it has let go: the
//! vital signs of the minutes before a moment, from their series, and its events.

use std::collections::BTreeMap;

use hark_api::client::{Client, ClientError, EventQuery, Order};
use hark_api::{Event, SeriesKey, Timestamp};

use super::state::history::{CURVES, Curve, READINGS, Values};
use super::state::scene::Stored;
use super::state::unusual::RECENT_SECS;

/// Events of a moment that are fetched, and unusual ones of the day before it.
const EVENTS: u32 = 1_000;
const UNUSUAL: u32 = 200;
/// What an unusual event passes.
const IS_UNUSUAL: &str = "tier>=notice";

/// What a series adds to a curve: each value times a weight, and an offset.
pub(crate) struct Part {
    pub(crate) key: SeriesKey,
    pub(crate) curve: Curve,
    pub(crate) weight: f64,
    offset: f64,
}

/// What is stored of a moment.
///
/// # Errors
/// The agent cannot be reached or refuses.
pub(crate) async fn scene(client: &Client, at: Timestamp) -> Result<Stored, ClientError> {
    let query = EventQuery {
        // The moment itself is a part of it.
        to: Some(at.plus_nanos(1)),
        limit: Some(EVENTS),
        ..EventQuery::default()
    };
    let mut events = client.events(&query).await?.events;
    // The agent orders by time; here they are in the order of their arrival, as when they are live.
    events.sort_by_key(|event| event.id);
    let query = EventQuery {
        filter: IS_UNUSUAL.to_owned(),
        from: Some(at.plus_nanos((-RECENT_SECS * 1e9) as i64)),
        limit: Some(UNUSUAL),
        ..query
    };
    let mut unusual = client.events(&query).await?.events;
    unusual.sort_by_key(|event| event.id);
    // An agent that stores no series still has events.
    let past = fetch(client, at).await.unwrap_or_default();
    Ok(Stored {
        at,
        events,
        unusual,
        past,
    })
}

/// The unusual event next to a moment.
///
/// # Errors
/// The agent cannot be reached or refuses.
pub(crate) async fn anomaly(
    client: &Client,
    at: Timestamp,
    forward: bool,
) -> Result<Option<Box<Event>>, ClientError> {
    let query = EventQuery {
        filter: IS_UNUSUAL.to_owned(),
        from: forward.then(|| at.plus_nanos(1)),
        to: (!forward).then_some(at),
        order: if forward {
            Order::Oldest
        } else {
            Order::Newest
        },
        limit: Some(1),
        ..EventQuery::default()
    };
    let found = client.events(&query).await?.events.into_iter().next();
    Ok(found.map(Box::new))
}

/// The readings of the minutes before a moment, oldest first.
///
/// # Errors
/// The agent cannot be reached or refuses.
pub(crate) async fn fetch(
    client: &Client,
    now: Timestamp,
) -> Result<Vec<(Timestamp, Values)>, ClientError> {
    let from = now.plus_nanos(-(READINGS as i64) * 1_000_000_000);
    let listed = client.series("").await?.series;
    let keys: Vec<SeriesKey> = listed.into_iter().map(|entry| entry.key).collect();
    let mut parts = parts(&keys);
    for (curve, left, total) in [
        (
            Curve::Memory,
            "node_memory_MemAvailable_bytes",
            "node_memory_MemTotal_bytes",
        ),
        (
            Curve::Swap,
            "node_memory_SwapFree_bytes",
            "node_memory_SwapTotal_bytes",
        ),
    ] {
        if !keys.iter().any(|key| key.as_str() == total) {
            continue;
        }
        let recent = now.plus_nanos(-10_000_000_000);
        let totals = client.series_data(&total.into(), recent, now).await?;
        if let Some(total) = totals.points.last().map(|p| p.mean).filter(|t| *t > 0.0) {
            parts.push(Part {
                key: left.into(),
                curve,
                weight: -1.0 / total,
                offset: 1.0,
            });
        }
    }
    let mut readings: BTreeMap<Timestamp, Values> = BTreeMap::new();
    for part in parts {
        for point in client.series_data(&part.key, from, now).await?.points {
            let values = readings.entry(point.time).or_insert([0.0; CURVES]);
            values[part.curve as usize] += (part.offset + part.weight * point.mean) as f32;
        }
    }
    Ok(readings.into_iter().collect())
}

/// The series behind the curves, of those that there are.
pub(crate) fn parts(keys: &[SeriesKey]) -> Vec<Part> {
    let is_user = |key: &&SeriesKey| {
        key.name() == "node_cpu_seconds_total" && key.as_str().contains("mode=\"user\"")
    };
    let cpus = keys.iter().filter(is_user).count().max(1) as f64;
    let mut parts = Vec::new();
    for key in keys {
        let mut add = |curve, weight| {
            parts.push(Part {
                key: key.clone(),
                curve,
                weight,
                offset: 0.0,
            });
        };
        match key.as_str() {
            "node_load1" => add(Curve::Load, 1.0),
            "node_pressure_cpu_waiting_seconds_total" => add(Curve::PressureCpu, 1.0),
            "node_pressure_memory_waiting_seconds_total" => add(Curve::PressureMemory, 1.0),
            "node_pressure_io_waiting_seconds_total" => add(Curve::PressureIo, 1.0),
            "node_context_switches_total" => add(Curve::Switches, 1.0),
            "node_forks_total" => add(Curve::Forks, 1.0),
            "node_netstat_Tcp_RetransSegs" => add(Curve::Retransmits, 1.0),
            "node_netstat_Tcp_OutRsts" => add(Curve::Resets, 1.0),
            text => match key.name() {
                "hark_cpu_seconds_total" => {
                    let is = |mode: &str| text.contains(&format!("mode=\"{mode}\""));
                    if ["user", "nice", "system", "irq", "softirq", "steal"]
                        .into_iter()
                        .any(is)
                    {
                        add(Curve::Cpu, 1.0 / cpus);
                    }
                    if ["system", "irq", "softirq"].into_iter().any(is) {
                        add(Curve::CpuSystem, 1.0 / cpus);
                    }
                }
                "node_disk_read_bytes_total" => add(Curve::DiskRead, 1.0),
                "node_disk_written_bytes_total" => add(Curve::DiskWrite, 1.0),
                "node_network_receive_bytes_total" if !text.contains("\"lo\"") => {
                    add(Curve::NetIn, 1.0);
                }
                "node_network_transmit_bytes_total" if !text.contains("\"lo\"") => {
                    add(Curve::NetOut, 1.0);
                }
                _ => {}
            },
        }
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_curve_finds_its_series() {
        let keys: Vec<SeriesKey> = [
            "hark_cpu_seconds_total{mode=\"idle\"}",
            "hark_cpu_seconds_total{mode=\"system\"}",
            "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"}",
            "node_cpu_seconds_total{cpu=\"1\",mode=\"user\"}",
            "node_load1",
            "node_load15",
            "node_network_receive_bytes_total{device=\"eth0\"}",
            "node_network_receive_bytes_total{device=\"lo\"}",
        ]
        .map(SeriesKey::from)
        .to_vec();
        let parts = parts(&keys);
        let found: Vec<_> = parts.iter().map(|p| (p.curve, p.weight)).collect();
        assert_eq!(
            found,
            [
                (Curve::Cpu, 0.5),
                (Curve::CpuSystem, 0.5),
                (Curve::Load, 1.0),
                (Curve::NetIn, 1.0)
            ]
        );
    }
}
