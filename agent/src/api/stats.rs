//! `GET /events/stats`: how many events there are, by time and by the values of fields.

use std::sync::Arc;
use std::time::Duration;

use hark_api::{EventBucket, EventFacet, EventStats, ValueCount};
use hark_store::{Budget, StatsQuery};
use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::App;
use super::answer::Answer;
use super::auth::{May, Read};
use super::events::{blocking, parse_filter, parse_time};
use super::problem::ApiError;

pub(super) struct StatsApi(pub(super) Arc<App>);

/// Buckets of one answer at most, where `from` and `to` are given.
const MAX_BUCKETS: i64 = 10_000;
/// Fields that are counted at a time.
const MAX_FACETS: usize = 8;
/// Values of a field that are named at most.
const MAX_TOP: usize = 100;

#[OpenApi]
impl StatsApi {
    /// How many stored events pass a filter: all in all, by time and tier, and by the values of
    /// fields.
    #[oai(path = "/events/stats", method = "get", operation_id = "eventStats")]
    #[allow(clippy::too_many_arguments)]
    async fn stats(
        &self,
        _may: May<Read>,
        /// A filter; see docs/api.md.
        q: Query<Option<String>>,
        /// Not before this time: RFC 3339, or seconds since 1970.
        from: Query<Option<String>>,
        /// Before this time: RFC 3339, or seconds since 1970.
        to: Query<Option<String>>,
        /// Seconds of one stretch of time, a whole number; no stretches where absent.
        bucket: Query<Option<String>>,
        /// The fields whose values are counted, with commas, as filters name them.
        facets: Query<Option<String>>,
        /// How many values of each field are named, from 1 to 100; 10 by default.
        top: Query<Option<String>>,
    ) -> poem::Result<Answer<EventStats>> {
        let from = parse_time("from", from.0.as_deref())?;
        let to = parse_time("to", to.0.as_deref())?;
        let bucket = match bucket.0.as_deref().map(str::parse::<u32>) {
            None => None,
            Some(Ok(secs @ 1..)) => Some(Duration::from_secs(secs.into())),
            Some(_) => {
                let reason = "must be a whole number of seconds, at least 1";
                return Err(ApiError::parameter("bucket", reason).into());
            }
        };
        if let (Some(from), Some(to), Some(bucket)) = (from, to, bucket) {
            let secs = to.as_nanos().saturating_sub(from.as_nanos()) / 1_000_000_000;
            if secs / i64::try_from(bucket.as_secs()).unwrap_or(i64::MAX) > MAX_BUCKETS {
                let reason = format!("is so small that there would be more than {MAX_BUCKETS}");
                return Err(ApiError::parameter("bucket", reason).into());
            }
        }
        let facets: Vec<String> = facets
            .0
            .iter()
            .flat_map(|facets| facets.split(','))
            .map(|facet| facet.trim().to_owned())
            .filter(|facet| !facet.is_empty())
            .collect();
        if facets.len() > MAX_FACETS {
            let reason = format!("are more than {MAX_FACETS}");
            return Err(ApiError::parameter("facets", reason).into());
        }
        let top = match top.0.as_deref().map(str::parse) {
            None => 10,
            Some(Ok(top @ 1..=MAX_TOP)) => top,
            Some(_) => {
                let reason = format!("must be a whole number from 1 to {MAX_TOP}");
                return Err(ApiError::parameter("top", reason).into());
            }
        };
        let query = StatsQuery {
            from,
            to,
            filter: parse_filter(q.0.as_deref())?,
            bucket,
            facets,
            top,
            budget: Budget {
                time: self.0.config().api.search_timeout.0,
                ..Budget::default()
            },
        };
        let store = self.0.store.clone();
        let stats = blocking(move || store.stats(&query)).await?;
        let buckets = stats.buckets.into_iter().map(|bucket| EventBucket {
            time: bucket.time,
            tiers: bucket.tiers,
        });
        let facets = stats.facets.into_iter().map(|facet| EventFacet {
            field: facet.field,
            values: facet
                .values
                .into_iter()
                .map(|count| ValueCount {
                    value: count.value,
                    count: count.count,
                })
                .collect(),
            other: facet.other,
            missing: facet.missing,
        });
        Ok(Answer(EventStats {
            total: stats.total,
            buckets: buckets.collect(),
            facets: facets.collect(),
            complete: stats.complete,
        }))
    }
}
