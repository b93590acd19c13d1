//! Heat maps out of the series that the agent stores.

use std::collections::BTreeMap;

use hark_api::Timestamp;
use hark_api::client::{Client, ClientError};

use super::state::heat::{Column, Map, Of, bucket};

/// What a map is of, its bounds, and at each time how many were below each of them.
type Counted = (Of, Vec<f64>, BTreeMap<Timestamp, Vec<f64>>);

/// The heat maps of a time at a step in seconds.
///
/// # Errors
/// The agent cannot be reached or refuses.
pub(crate) async fn fetch(
    client: &Client,
    from: Timestamp,
    to: Timestamp,
    step: u32,
) -> Result<Vec<Map>, ClientError> {
    let listed = client.series("_latency_seconds_bucket").await?.series;
    let mut buckets: Vec<_> = listed
        .into_iter()
        .filter_map(|entry| Some((bucket(&entry.key)?, entry.key)))
        .collect();
    buckets.sort_by(|((a, x), _), ((b, y), _)| a.cmp(b).then(x.total_cmp(y)));
    let mut maps: Vec<Counted> = Vec::new();
    for ((of, bound), key) in buckets {
        if maps.last().is_none_or(|(last, ..)| *last != of) {
            maps.push((of, Vec::new(), BTreeMap::new()));
        }
        let Some((_, bounds, columns)) = maps.last_mut() else {
            continue;
        };
        let at = bounds.len();
        bounds.push(bound);
        for point in client.series_data_at(&key, (from, to), step).await?.points {
            let column = columns.entry(point.time).or_default();
            column.resize(at, 0.0);
            column.push(point.mean);
        }
    }
    let map = |(of, mut bounds, columns): Counted| {
        let count = bounds.len();
        bounds.pop_if(|bound| bound.is_infinite());
        let columns = columns.into_iter().map(|(time, mut below)| {
            below.resize(count, 0.0);
            Column {
                time,
                rates: apart(&below),
            }
        });
        Map {
            of,
            bounds,
            columns: columns.collect(),
        }
    };
    Ok(maps.into_iter().map(map).collect())
}

/// How many are in each bucket, where a bucket counts those in the ones below it too.
fn apart(below: &[f64]) -> Vec<f32> {
    let mut before = 0.0;
    let each = below.iter().map(|count| {
        let here = (count - before).max(0.0);
        before = before.max(*count);
        here as f32
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_are_taken_apart() {
        assert_eq!(apart(&[1.0, 1.0, 4.0, 3.9, 5.0]), [1.0, 0.0, 3.0, 0.0, 1.0]);
    }
}
