//! `/incidents`: what is unusual together; and what people do about it.

use std::sync::Arc;

use hark_api::{Acknowledgement, IncidentId, IncidentPage, IncidentRecord, Note, Timestamp};
use poem::{Request, RequestBody};
use poem_openapi::OpenApi;
use poem_openapi::param::{Path, Query};
use poem_openapi::registry::{MetaMediaType, MetaSchema, MetaSchemaRef};
use serde::Deserialize;

use super::App;
use super::answer::Answer;
use super::auth::{Admin, May, Read};
use super::events::off_thread;
use super::input::{self, BodyType};
use super::log::{Described, Sent};
use super::problem::{ApiError, ProblemKind};
use crate::config::Span;
use crate::incidents;

pub(super) struct IncidentsApi(pub(super) Arc<App>);

/// Incidents on a page at most.
const MAX_LIMIT: usize = 500;
/// Notes that an incident holds.
const MAX_NOTES: usize = 100;
/// Bytes of a note.
const MAX_NOTE: usize = 4096;
/// The longest silence.
const MAX_SILENCE: Span = Span::days(365);

#[OpenApi]
impl IncidentsApi {
    /// Incidents, newest first.
    #[oai(path = "/incidents", method = "get", operation_id = "incidents")]
    async fn list(
        &self,
        _may: May<Read>,
        /// Only those that go on: `true` or `false` (the default).
        open: Query<Option<String>>,
        /// Only those before this one: the `next` of the page before.
        before: Query<Option<String>>,
        /// Incidents on a page, from 1 to 500; 50 by default.
        limit: Query<Option<String>>,
    ) -> poem::Result<Answer<IncidentPage>> {
        let open = match open.0.as_deref() {
            None | Some("false") => false,
            Some("true") => true,
            Some(_) => return Err(ApiError::parameter("open", "must be true or false").into()),
        };
        let before = match before.0.as_deref().map(str::parse) {
            None => None,
            Some(Ok(id)) => Some(IncidentId(id)),
            Some(Err(_)) => {
                let reason = "must be the id of an incident, a whole number";
                return Err(ApiError::parameter("before", reason).into());
            }
        };
        let limit = match limit.0.as_deref().map(str::parse) {
            None => 50,
            Some(Ok(limit @ 1..=MAX_LIMIT)) => limit,
            Some(_) => {
                let reason = format!("must be a whole number from 1 to {MAX_LIMIT}");
                return Err(ApiError::parameter("limit", reason).into());
            }
        };
        let store = self.0.store.clone();
        let incidents = off_thread(move || incidents::list(&store, before, open, limit)).await?;
        let next = (incidents.len() == limit)
            .then(|| incidents.last().map(|record| record.incident.id))
            .flatten();
        Ok(Answer(IncidentPage { incidents, next }))
    }

    /// One incident.
    #[oai(path = "/incidents/:id", method = "get", operation_id = "incident")]
    async fn get(
        &self,
        _may: May<Read>,
        /// Its id.
        id: Path<IncidentId>,
    ) -> poem::Result<Answer<IncidentRecord>> {
        let (store, id) = (self.0.store.clone(), id.0);
        let found = off_thread(move || incidents::get(&store, id)).await?;
        Ok(Answer(found.ok_or_else(|| missing(id))?))
    }

    /// Notes that somebody has seen the incident.
    #[oai(
        path = "/incidents/:id/acknowledge",
        method = "post",
        operation_id = "acknowledgeIncident"
    )]
    async fn acknowledge(
        &self,
        may: May<Admin>,
        /// Its id.
        id: Path<IncidentId>,
    ) -> poem::Result<Answer<IncidentRecord>> {
        self.change(id.0, move |record| {
            record.acknowledged.get_or_insert(Acknowledgement {
                time: Timestamp::now(),
                by: may.who(),
            });
            Ok(())
        })
        .await
    }

    /// Silences the incident for a while; `0s` ends a silence.
    #[oai(
        path = "/incidents/:id/silence",
        method = "post",
        operation_id = "silenceIncident"
    )]
    async fn silence(
        &self,
        _may: May<Admin>,
        request: &Request,
        /// Its id.
        id: Path<IncidentId>,
        body: Sent<Silence>,
    ) -> poem::Result<Answer<IncidentRecord>> {
        let silence: Silence = self.read(request, body.body).await?;
        if silence.duration > MAX_SILENCE {
            let reason = format!("must be at most {MAX_SILENCE}");
            return Err(ApiError::field("duration", reason).into());
        }
        self.change(id.0, move |record| {
            let nanos = silence.duration.as_nanos();
            record.silenced_until = (nanos > 0).then(|| Timestamp::now().plus_nanos(nanos));
            Ok(())
        })
        .await
    }

    /// Adds a note to the incident.
    #[oai(
        path = "/incidents/:id/notes",
        method = "post",
        operation_id = "noteIncident"
    )]
    async fn note(
        &self,
        may: May<Admin>,
        request: &Request,
        /// Its id.
        id: Path<IncidentId>,
        body: Sent<NewNote>,
    ) -> poem::Result<Answer<IncidentRecord>> {
        let note: NewNote = self.read(request, body.body).await?;
        if note.text.trim().is_empty() || note.text.len() > MAX_NOTE {
            let reason = format!("must have 1 to {MAX_NOTE} bytes");
            return Err(ApiError::field("text", reason).into());
        }
        self.change(id.0, move |record| {
            if record.notes.len() >= MAX_NOTES {
                return Err(ApiError::field(
                    "text",
                    format!("there are {MAX_NOTES} notes already"),
                ));
            }
            record.notes.push(Note {
                time: Timestamp::now(),
                by: may.who(),
                text: note.text,
            });
            Ok(())
        })
        .await
    }
}

impl IncidentsApi {
    async fn read<T: for<'de> Deserialize<'de>>(
        &self,
        request: &Request,
        mut body: RequestBody,
    ) -> Result<T, ApiError> {
        let config = self.0.config();
        let (_, bytes) = input::read(request, &mut body, &[BodyType::Json], &config.api).await?;
        let mut json = serde_json::Deserializer::from_slice(&bytes);
        let read = serde_path_to_error::deserialize(&mut json).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            if !error.is_data() {
                return ApiError::new(ProblemKind::InvalidJson, error.to_string());
            }
            let reason = error.to_string();
            // The place in the text says less than the field's name.
            let reason = reason
                .rsplit_once(" at line ")
                .map_or(&*reason, |(what, _)| what);
            match path.as_str() {
                // A field that is missing or unknown: the reason names it.
                "." => ApiError::new(ProblemKind::InvalidInput, reason),
                field => ApiError::field(field, reason),
            }
        })?;
        json.end()
            .map_err(|error| ApiError::new(ProblemKind::InvalidJson, error.to_string()))?;
        Ok(read)
    }

    async fn change(
        &self,
        id: IncidentId,
        change: impl FnOnce(&mut IncidentRecord) -> Result<(), ApiError> + Send + 'static,
    ) -> poem::Result<Answer<IncidentRecord>> {
        let store = self.0.store.clone();
        let (changed, refused) = off_thread(move || {
            let mut refused = None;
            let changed = incidents::change(&store, id, |record| refused = change(record).err())?;
            Ok::<_, incidents::IncidentError>((changed, refused))
        })
        .await?;
        match refused {
            Some(refused) => Err(refused.into()),
            None => Ok(Answer(changed.ok_or_else(|| missing(id))?)),
        }
    }
}

fn missing(id: IncidentId) -> ApiError {
    ApiError::new(ProblemKind::NotFound, format!("there is no incident {id}"))
}

/// The body that silences.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Silence {
    duration: Span,
}

/// The body that adds a note.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewNote {
    text: String,
}

fn one_text(name: &'static str, text: MetaSchema) -> Vec<MetaMediaType> {
    let schema = MetaSchema {
        required: vec![name],
        properties: vec![(name, MetaSchemaRef::Inline(Box::new(text)))],
        ..MetaSchema::new("object")
    };
    vec![MetaMediaType {
        content_type: "application/json",
        schema: MetaSchemaRef::Inline(Box::new(schema)),
    }]
}

impl Described for Silence {
    fn content() -> Vec<MetaMediaType> {
        one_text(
            "duration",
            MetaSchema {
                description: Some(
                    "How long from now, as in `30m`, `2h` or `7d`, at most `365d`; `0s` ends a silence.",
                ),
                pattern: Some("^[0-9]+(ms|s|m|h|d)$".to_owned()),
                ..MetaSchema::new("string")
            },
        )
    }
}

impl Described for NewNote {
    fn content() -> Vec<MetaMediaType> {
        one_text(
            "text",
            MetaSchema {
                description: Some("What to note, at most 4096 bytes."),
                min_length: Some(1),
                max_length: Some(MAX_NOTE),
                ..MetaSchema::new("string")
            },
        )
    }
}
