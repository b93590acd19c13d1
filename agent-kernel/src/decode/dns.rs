//! Queries for names: RFC 1035, section 4.1.

use std::fmt::Write as _;

use hark_api::Process;
use hark_ebpf::{DnsRecord, UNANSWERED};

use super::{Malformed, address, read};
use crate::event::{Data, Dns};
use crate::table::Table;

const PORT: u16 = 53;

pub(crate) fn decode(
    bytes: &[u8],
    table: &mut Table,
) -> Result<(Option<Process>, Data), Malformed> {
    let record: DnsRecord = read(bytes)?;
    let len = (record.question_len as usize).min(record.question.len());
    let (name, kind) = question(&record.question[..len]);
    let family = u16::try_from(record.family).map_err(|_| Malformed)?;
    let answered = record.flags != UNANSWERED;
    let data = Data::Dns(Dns {
        server: address(family, record.server, PORT)?,
        name,
        kind: kind.map_or_else(|| "?".to_owned(), type_name),
        code: answered.then(|| code_name(record.flags & 0xf)),
        answers: record.answers,
        latency: answered.then(|| record.header.time.saturating_sub(record.asked)),
    });
    let task = &record.header.task;
    let process = (task.pid != 0).then(|| table.describe(task));
    Ok((process, data))
}

/// Name and type. What is cut ends in `…`, and has no type.
fn question(bytes: &[u8]) -> (String, Option<u16>) {
    let mut name = String::new();
    let mut rest = bytes;
    loop {
        let Some((len, after)) = rest.split_first() else {
            name.push('…');
            return (name, None);
        };
        if *len == 0 {
            if name.is_empty() {
                name.push('.');
            }
            let kind = after.first_chunk().map(|kind| u16::from_be_bytes(*kind));
            return (name, kind);
        }
        if !name.is_empty() {
            name.push('.');
        }
        // Longer ones are pointers, of which a question has none.
        let label = after.get(..usize::from(*len)).filter(|_| *len < 64);
        for byte in label.unwrap_or(if *len < 64 { after } else { &[] }) {
            if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
                name.push(char::from(*byte));
            } else {
                let _ = write!(name, "\\{byte:03}");
            }
        }
        if label.is_none() {
            name.push('…');
            return (name, None);
        }
        rest = after.get(usize::from(*len)..).unwrap_or_default();
    }
}

/// <https://www.iana.org/assignments/dns-parameters>
fn type_name(number: u16) -> String {
    let name = match number {
        1 => "A",
        2 => "NS",
        5 => "CNAME",
        6 => "SOA",
        12 => "PTR",
        15 => "MX",
        16 => "TXT",
        28 => "AAAA",
        33 => "SRV",
        35 => "NAPTR",
        43 => "DS",
        48 => "DNSKEY",
        52 => "TLSA",
        64 => "SVCB",
        65 => "HTTPS",
        255 => "ANY",
        257 => "CAA",
        _ => return format!("TYPE{number}"),
    };
    name.to_owned()
}

fn code_name(number: u32) -> String {
    const NAMES: [&str; 11] = [
        "NOERROR", "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP", "REFUSED", "YXDOMAIN", "YXRRSET",
        "NXRRSET", "NOTAUTH", "NOTZONE",
    ];
    NAMES
        .get(number as usize)
        .map_or_else(|| format!("RCODE{number}"), |name| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn questions_are_read_and_made_harmless() {
        let question = |bytes: &[u8]| question(bytes);
        assert_eq!(
            question(b"\x03www\x07example\0\0\x1c\0\x01"),
            ("www.example".to_owned(), Some(28))
        );
        assert_eq!(question(b"\0\0\x02"), (".".to_owned(), Some(2)));
        assert_eq!(
            question(b"\x03a\x1b.\0\0\x01"),
            ("a\\027\\046".to_owned(), Some(1))
        );
        assert_eq!(question(b"\x05exa"), ("exa…".to_owned(), None));
        assert_eq!(question(b"\x01a\xc0\x0c"), ("a.…".to_owned(), None));
        assert_eq!(question(b""), ("…".to_owned(), None));
    }

    proptest! {
        #[test]
        fn any_question_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..128)) {
            let (name, _) = question(&bytes);
            prop_assert!(!name.is_empty() && !name.chars().any(char::is_control));
        }
    }
}
