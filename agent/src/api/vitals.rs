//! `GET /vitals` and `GET /vitals/stream`: the host's vital signs.

use std::sync::Arc;

use futures_util::stream;
use hark_api::Vitals;
use poem_openapi::OpenApi;

use super::App;
use super::answer::Answer;
use super::auth::{May, Read};
use super::problem::{ApiError, ProblemKind};
use super::sse::{self, Sse};

pub(super) struct VitalsApi(pub(super) Arc<App>);

#[OpenApi]
impl VitalsApi {
    /// The newest reading of the vital signs. One is made each second.
    #[oai(path = "/vitals", method = "get", operation_id = "vitals")]
    async fn vitals(&self, _may: May<Read>) -> poem::Result<Answer<Vitals>> {
        let latest = self.0.latest.borrow().clone();
        match latest.second {
            Some(second) => Ok(Answer(second.reading.vitals.clone())),
            None => Err(ApiError::new(
                ProblemKind::NotReady,
                latest.failure.unwrap_or_else(|| {
                    "there is no reading yet, or readings are off (vitals.enabled)".to_owned()
                }),
            )
            .retry_after(1)
            .into()),
        }
    }

    /// The vital signs as they are read, once a second, as server-sent events named `vitals`. A
    /// slow reader skips readings; none is late.
    #[oai(path = "/vitals/stream", method = "get", operation_id = "vitalsStream")]
    async fn stream(&self, _may: May<Read>) -> Sse<Vitals> {
        let mut latest = self.0.latest.clone();
        latest.mark_changed();
        let frames = stream::unfold(latest, |mut latest| async {
            loop {
                latest.changed().await.ok()?;
                let second = latest.borrow_and_update().second.clone();
                if let Some(second) = second {
                    return Some((sse::frame("vitals", None, &second.reading.vitals), latest));
                }
            }
        });
        Sse::new(frames, self.0.shutdown.clone())
    }
}
