//! The OpenAPI document and a page to browse it that needs no network, compressed once.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{StatusCode, header};
use poem::{Body, Request, Response};
use sha2::{Digest as _, Sha256};

/// A document that never changes while the agent runs.
#[derive(Clone)]
pub(super) struct Document(Arc<Inner>);

struct Inner {
    content_type: &'static str,
    plain: Bytes,
    gzip: Bytes,
    etag: String,
}

impl Document {
    pub(super) fn new(content_type: &'static str, text: String) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail; if it did, the plain form would still be served.
        let gzip = encoder
            .write_all(text.as_bytes())
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        let digest = Sha256::digest(&text);
        let etag = format!(
            "\"{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}\"",
            digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]
        );
        Self(Arc::new(Inner {
            content_type,
            plain: text.into(),
            gzip: gzip.into(),
            etag,
        }))
    }

    pub(super) fn answer(&self, request: &Request) -> Response {
        let document = &self.0;
        let builder = Response::builder()
            .header(header::ETAG, &document.etag)
            .header(header::CACHE_CONTROL, "private, max-age=3600")
            .header(header::VARY, "accept-encoding");
        if request.header(header::IF_NONE_MATCH) == Some(document.etag.as_str()) {
            return builder.status(StatusCode::NOT_MODIFIED).finish();
        }
        let builder = builder.header(header::CONTENT_TYPE, document.content_type);
        let gzip = request
            .header(header::ACCEPT_ENCODING)
            .is_some_and(|accepted| accepted.contains("gzip"));
        if gzip && !document.gzip.is_empty() {
            builder
                .header(header::CONTENT_ENCODING, "gzip")
                .body(Body::from_bytes(document.gzip.clone()))
        } else {
            builder.body(Body::from_bytes(document.plain.clone()))
        }
    }
}
