//! Reads a request's body: content type, encoding, size and time within bounds.

use std::io::Read as _;

use bytes::Bytes;
use flate2::bufread::MultiGzDecoder;
use http::header;
use poem::error::ReadBodyError;
use poem::{Request, RequestBody};

use crate::api::problem::{ApiError, ProblemKind};
use crate::config::Api;

/// The largest window that a zstd frame may ask for, as a power of two: 8 MiB, which RFC 8878
/// recommends every decoder to support.
const ZSTD_WINDOW_LOG: u32 = 23;

/// What a body is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::api) enum BodyType {
    /// One JSON text.
    Json,
    /// One JSON text a line.
    Lines,
}

/// How a body is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Encoding {
    Identity,
    Gzip,
    Zstd,
}

/// Reads the body of a request that may have one of these types; the first is assumed where none
/// is given.
pub(in crate::api) async fn read(
    request: &Request,
    body: &mut RequestBody,
    types: &[BodyType],
    config: &Api,
) -> Result<(BodyType, Bytes), ApiError> {
    let body_type = body_type(request, types)?;
    let encoding = encoding(request)?;
    let limit = config.max_body.as_usize();
    let too_large = || {
        ApiError::new(
            ProblemKind::TooLarge,
            format!(
                "a body may have {} at most, decompressed (api.max_body)",
                config.max_body
            ),
        )
    };
    let announced = request
        .header(header::CONTENT_LENGTH)
        .and_then(|length| length.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limit) {
        return Err(too_large());
    }
    let body = body
        .take()
        .map_err(|error| ApiError::new(ProblemKind::BrokenBody, error.to_string()))?;
    let bytes = tokio::time::timeout(config.body_timeout.0, body.into_bytes_limit(limit))
        .await
        .map_err(|_| {
            ApiError::new(
                ProblemKind::Timeout,
                format!("a body may take {} (api.body_timeout)", config.body_timeout),
            )
            .header(header::CONNECTION, "close")
        })?
        .map_err(|error| match error {
            ReadBodyError::PayloadTooLarge => too_large(),
            error => ApiError::new(ProblemKind::BrokenBody, error.to_string()),
        })?;
    if encoding == Encoding::Identity {
        return Ok((body_type, bytes));
    }
    let decoded = tokio::task::spawn_blocking(move || decode(encoding, &bytes, limit))
        .await
        .map_err(|error| ApiError::new(ProblemKind::Internal, error.to_string()))?;
    match decoded {
        Ok(Some(decoded)) => Ok((body_type, decoded.into())),
        Ok(None) => Err(too_large()),
        Err(error) => Err(ApiError::new(
            ProblemKind::InvalidEncoding,
            format!("the body is not what its Content-Encoding says: {error}"),
        )),
    }
}

fn body_type(request: &Request, types: &[BodyType]) -> Result<BodyType, ApiError> {
    let unsupported = |given: &str| {
        let known: Vec<_> = types
            .iter()
            .map(|t| match t {
                BodyType::Json => "application/json",
                BodyType::Lines => "application/x-ndjson",
            })
            .collect();
        ApiError::new(
            ProblemKind::UnsupportedType,
            format!(
                "`{given}` is not supported here; use {}",
                known.join(" or ")
            ),
        )
        .header(header::ACCEPT, &known.join(", "))
    };
    let Some(given) = request.headers().get(header::CONTENT_TYPE) else {
        return types.first().copied().ok_or_else(|| unsupported(""));
    };
    let given = given.to_str().unwrap_or_default();
    let (name, parameters) = given.split_once(';').unwrap_or((given, ""));
    let name = name.trim().to_ascii_lowercase();
    let found = match name.as_str() {
        "application/json" => BodyType::Json,
        "application/x-ndjson"
        | "application/ndjson"
        | "application/jsonl"
        | "application/x-jsonlines" => BodyType::Lines,
        _ => return Err(unsupported(given)),
    };
    let charset = parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    if charset.is_some_and(|charset| !charset.eq_ignore_ascii_case("utf-8")) {
        return Err(unsupported(given));
    }
    if types.contains(&found) {
        Ok(found)
    } else {
        Err(unsupported(given))
    }
}

fn encoding(request: &Request) -> Result<Encoding, ApiError> {
    let mut all = request.headers().get_all(header::CONTENT_ENCODING).iter();
    let unsupported = |given: &str| {
        ApiError::new(
            ProblemKind::UnsupportedEncoding,
            format!("`{given}` is not supported; use gzip or zstd, one of them, or none"),
        )
        .header(header::ACCEPT_ENCODING, "gzip, zstd")
    };
    let Some(given) = all.next() else {
        return Ok(Encoding::Identity);
    };
    let given = given.to_str().unwrap_or_default();
    if all.next().is_some() {
        return Err(unsupported("several encodings"));
    }
    match given.trim().to_ascii_lowercase().as_str() {
        "" | "identity" => Ok(Encoding::Identity),
        "gzip" | "x-gzip" => Ok(Encoding::Gzip),
        "zstd" => Ok(Encoding::Zstd),
        _ => Err(unsupported(given)),
    }
}

/// The decompressed bytes; `None` where there are more than `limit`. Never holds more than that.
fn decode(encoding: Encoding, bytes: &[u8], limit: usize) -> std::io::Result<Option<Vec<u8>>> {
    let most = limit as u64 + 1;
    let mut decoded = Vec::with_capacity(limit.min(bytes.len().saturating_mul(4)));
    match encoding {
        Encoding::Identity => decoded.extend_from_slice(bytes),
        Encoding::Gzip => {
            MultiGzDecoder::new(bytes)
                .take(most)
                .read_to_end(&mut decoded)?;
        }
        Encoding::Zstd => {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(bytes)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            decoder.take(most).read_to_end(&mut decoded)?;
        }
    }
    Ok((decoded.len() <= limit).then_some(decoded))
}
