//! `GET /healthz` and `GET /readyz`: for supervisors and load balancers.

use std::sync::Arc;

use poem_openapi::OpenApi;
use poem_openapi::payload::PlainText;

use super::App;
use super::problem::{ApiError, ProblemKind};

pub(super) struct HealthApi(pub(super) Arc<App>);

#[OpenApi]
impl HealthApi {
    /// Whether the agent runs at all. If not, restart it.
    #[oai(path = "/healthz", method = "get", operation_id = "healthz")]
    async fn healthz(&self) -> PlainText<&'static str> {
        PlainText("ok\n")
    }

    /// Whether the agent can take events now: the store can write, and it is not shutting down.
    #[oai(path = "/readyz", method = "get", operation_id = "readyz")]
    async fn readyz(&self) -> poem::Result<PlainText<&'static str>> {
        if self.0.shutdown.is_cancelled() {
            return Err(ApiError::new(ProblemKind::NotReady, "the agent is shutting down").into());
        }
        match self.0.counters.store_failure() {
            None => Ok(PlainText("ready\n")),
            Some((since, error)) => Err(ApiError::new(
                ProblemKind::NotReady,
                format!("since {since} the store cannot write: {error}"),
            )
            .retry_after(5)
            .into()),
        }
    }
}
