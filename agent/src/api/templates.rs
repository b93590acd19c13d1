//! `GET /templates` and `GET /processes`: what the agent knows of logs and of processes.

use std::sync::Arc;

use hark_api::{ProcessList, TemplateList};
use poem_openapi::OpenApi;

use super::App;
use super::answer::Answer;
use super::auth::{May, Read};

pub(super) struct TemplatesApi(pub(super) Arc<App>);

#[OpenApi]
impl TemplatesApi {
    /// The log templates that were seen most, as of the last time that somebody asked.
    #[oai(path = "/templates", method = "get", operation_id = "templates")]
    async fn templates(&self, _may: May<Read>) -> Answer<TemplateList> {
        Answer(TemplateList {
            templates: self.0.insight.templates(),
        })
    }

    /// The processes that run, by id. None where the kernel side is off.
    #[oai(path = "/processes", method = "get", operation_id = "processes")]
    async fn processes(&self, _may: May<Read>) -> Answer<ProcessList> {
        let processes = self
            .0
            .kernel
            .as_ref()
            .map(|kernel| kernel.processes().snapshot());
        Answer(ProcessList {
            processes: processes.unwrap_or_default(),
        })
    }
}
