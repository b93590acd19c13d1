//! Where the parameters of a line stand.

use super::token::{Form, Token};
use super::variable::Kind;

/// What stands in a line at a wildcard of its template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// What it looks like.
    pub kind: Kind,
    /// Its first byte in the text.
    pub start: u32,
    /// One past its last byte. Both are boundaries of characters.
    pub end: u32,
}

/// The first line of the text that is not blank, at most `limit` bytes of it.
pub(super) fn first_line(text: &str, limit: usize) -> &str {
    let text = text.trim_start();
    let end = text.bytes().take(limit).position(|byte| byte == b'\n');
    let mut end = end.unwrap_or_else(|| text.len().min(limit));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

/// Finds the parameters of a line with these tokens, which begins at `offset` of its text: the
/// tokens of each of the `ranges`, or every variable.
pub(super) fn place(
    tokens: &[Token],
    ranges: Option<&[(u16, u16)]>,
    offset: usize,
    parameters: &mut Vec<Parameter>,
) {
    parameters.clear();
    let parameter = |first: &Token, last: &Token| {
        let kind = match first.form {
            Form::Variable(kind) if first.start == last.start => kind,
            _ if first.start == last.start => Kind::Word,
            _ => Kind::List,
        };
        Parameter {
            kind,
            start: (offset + first.start) as u32,
            end: (offset + last.end) as u32,
        }
    };
    match ranges {
        None => parameters.extend(
            tokens
                .iter()
                .filter(|token| matches!(token.form, Form::Variable(_)))
                .map(|token| parameter(token, token)),
        ),
        Some(ranges) => parameters.extend(ranges.iter().filter_map(|&(start, end)| {
            let tokens = tokens.get(usize::from(start)..usize::from(end))?;
            Some(parameter(tokens.first()?, tokens.last()?))
        })),
    }
}
