//! `GET /series` and `GET /series/data`: what the host's metrics were.

use std::sync::Arc;

use hark_api::{SeriesData, SeriesEntry, SeriesKey, SeriesList, SeriesPoint, Timestamp};
use hark_store::Step;
use poem_openapi::OpenApi;
use poem_openapi::param::Query;

use super::App;
use super::answer::Answer;
use super::auth::{May, Read};
use super::events::{blocking, parse_time};
use super::problem::{ApiError, ProblemKind};

pub(super) struct SeriesApi(pub(super) Arc<App>);

/// Points of one answer at most.
const MAX_POINTS: i64 = 20_000;
/// How far back without `from`.
const DEFAULT_SPAN_NANOS: i64 = 900 * 1_000_000_000;

#[OpenApi]
impl SeriesApi {
    /// All series that are stored, by name.
    #[oai(path = "/series", method = "get", operation_id = "series")]
    async fn list(
        &self,
        _may: May<Read>,
        /// Only series whose key has this in it.
        name: Query<Option<String>>,
    ) -> poem::Result<Answer<SeriesList>> {
        let store = self.0.store.clone();
        let all = blocking(move || store.series()).await?;
        let bands = self.0.insight.bands();
        let series = all
            .into_iter()
            .filter(|info| {
                name.0
                    .as_ref()
                    .is_none_or(|name| info.key.as_str().contains(name.as_str()))
            })
            .map(|info| SeriesEntry {
                band: bands.of(&info.key, Step::Second.secs() as f64),
                key: info.key,
                first: info.first,
                last: info.last,
            })
            .collect();
        Ok(Answer(SeriesList { series }))
    }

    /// The points of one series: 15 minutes up to now where nothing else is asked for, at most
    /// 20,000.
    #[oai(path = "/series/data", method = "get", operation_id = "seriesData")]
    async fn data(
        &self,
        _may: May<Read>,
        /// Name and labels, as `/series` gives them.
        key: Query<String>,
        /// Not before this time: RFC 3339, or seconds since 1970.
        from: Query<Option<String>>,
        /// Before this time: RFC 3339, or seconds since 1970.
        to: Query<Option<String>>,
        /// Seconds from one point to the next: 1, 10 or 60; the finest that fits where absent.
        step: Query<Option<String>>,
    ) -> poem::Result<Answer<SeriesData>> {
        let to = parse_time("to", to.0.as_deref())?.unwrap_or_else(Timestamp::now);
        let from = parse_time("from", from.0.as_deref())?
            .unwrap_or_else(|| to.plus_nanos(-DEFAULT_SPAN_NANOS));
        let secs = to.as_nanos().saturating_sub(from.as_nanos()) / 1_000_000_000;
        if secs < 0 {
            return Err(ApiError::parameter("from", "must not be after `to`").into());
        }
        let fits = |step: Step| secs / step.secs() <= MAX_POINTS;
        let step = match step.0.as_deref() {
            Some("1") => Step::Second,
            Some("10") => Step::TenSeconds,
            Some("60") => Step::Minute,
            Some(_) => return Err(ApiError::parameter("step", "must be 1, 10 or 60").into()),
            None => [Step::Second, Step::TenSeconds]
                .into_iter()
                .find(|step| fits(*step))
                .unwrap_or(Step::Minute),
        };
        if !fits(step) {
            return Err(ApiError::parameter(
                "from",
                format!(
                    "and `to` are too far apart: at this step {MAX_POINTS} points are at most {}s",
                    MAX_POINTS * step.secs()
                ),
            )
            .into());
        }
        let store = self.0.store.clone();
        let key = SeriesKey::from(key.0.as_str());
        let asked = key.clone();
        let (points, known) = blocking(move || {
            let points = store.samples(&asked, from, to, step)?;
            let known = !points.is_empty() || store.series()?.iter().any(|info| info.key == asked);
            Ok((points, known))
        })
        .await?;
        if !known {
            return Err(
                ApiError::new(ProblemKind::NotFound, format!("there is no series {key}")).into(),
            );
        }
        let bands = self.0.insight.bands();
        Ok(Answer(SeriesData {
            band: bands.of(&key, step.secs() as f64),
            periods: bands.periods(&key),
            key,
            step: step.secs() as u32,
            points: points
                .into_iter()
                .map(|point| SeriesPoint {
                    time: point.time,
                    mean: point.mean,
                    min: point.min,
                    max: point.max,
                })
                .collect(),
        }))
    }
}
