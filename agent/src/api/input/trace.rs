//! W3C Trace Context: <https://www.w3.org/TR/trace-context/>.

use hark_api::TraceContext;

/// The value of a `traceparent`, <https://www.w3.org/TR/trace-context/#traceparent-header>.
pub(in crate::api) fn parse_traceparent(text: &str) -> Option<TraceContext> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) =
        (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let is_hex = |text: &str| {
        text.bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    if version.len() != 2 || !is_hex(version) || version == "ff" || flags.len() != 2 {
        return None;
    }
    // Later versions may add parts.
    if version == "00" && parts.next().is_some() {
        return None;
    }
    ids(trace, span, u8::from_str_radix(flags, 16).ok()?)
}

/// A trace context from its two ids, in either case.
pub(super) fn ids(trace_id: &str, span_id: &str, flags: u8) -> Option<TraceContext> {
    let is_id = |text: &str, length| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_hexdigit())
            && text.bytes().any(|b| b != b'0')
    };
    (is_id(trace_id, 32) && is_id(span_id, 16)).then(|| TraceContext {
        trace_id: trace_id.to_ascii_lowercase(),
        span_id: span_id.to_ascii_lowercase(),
        flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparents_are_understood_or_refused() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(parse_traceparent(good).map(|trace| trace.flags), Some(1));
        let later = format!("01{}-more", &good[2..]);
        assert!(
            parse_traceparent(&later).is_some(),
            "later versions may add parts"
        );
        for bad in [
            "",
            "00",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(parse_traceparent(bad), None, "{bad}");
        }
    }
}
