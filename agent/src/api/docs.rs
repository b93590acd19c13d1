//! The OpenAPI document and a page to browse it that needs no network, compressed once
//! and only when somebody asks for it.

use std::io::Write as _;
use std::sync::{Arc, OnceLock};

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
    packed: OnceLock<Packed>,
}

/// What is worked out of the text when it is first asked for: it would delay each start.
struct Packed {
    gzip: Bytes,
    etag: String,
}

impl Packed {
    fn new(text: &[u8]) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        // Writing to memory does not fail; if it did, the plain form would still be served.
        let gzip = encoder
            .write_all(text)
            .and_then(|()| encoder.finish())
            .unwrap_or_default();
        let digest = Sha256::digest(text);
        let etag = format!(
            "\"{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}\"",
            digest[0], digest[1], digest[2], digest[3], digest[4], digest[5]
        );
        Self {
            gzip: gzip.into(),
            etag,
        }
    }
}

impl Document {
    pub(super) fn new(content_type: &'static str, text: String) -> Self {
        Self(Arc::new(Inner {
            content_type,
            plain: text.into(),
            packed: OnceLock::new(),
        }))
    }

    pub(super) fn answer(&self, request: &Request) -> Response {
        let document = &self.0;
        let packed = document.packed.get_or_init(|| Packed::new(&document.plain));
        let builder = Response::builder()
            .header(header::ETAG, &packed.etag)
            .header(header::CACHE_CONTROL, "private, max-age=3600")
            .header(header::VARY, "accept-encoding");
        if request.header(header::IF_NONE_MATCH) == Some(packed.etag.as_str()) {
            return builder.status(StatusCode::NOT_MODIFIED).finish();
        }
        let builder = builder.header(header::CONTENT_TYPE, document.content_type);
        let gzip = request
            .header(header::ACCEPT_ENCODING)
            .is_some_and(|accepted| accepted.contains("gzip"));
        if gzip && !packed.gzip.is_empty() {
            builder
                .header(header::CONTENT_ENCODING, "gzip")
                .body(Body::from_bytes(packed.gzip.clone()))
        } else {
            builder.body(Body::from_bytes(document.plain.clone()))
        }
    }
}
