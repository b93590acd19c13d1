//! Cuts a line into tokens: words, single punctuation characters, and runs of filler.
//!
//! One pass over the bytes with a table of 256 classes. White space and control characters only
//! part tokens; whether they stood before a token is kept, how many of them is not.

use std::ops::Range;

use super::variable::{self, Kind};

/// A piece of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token {
    /// First byte in the line.
    pub(super) start: usize,
    /// One past the last byte.
    pub(super) end: usize,
    /// What it is.
    pub(super) form: Form,
    /// White space stood before it.
    pub(super) spaced: bool,
}

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A constant word; it holds a letter.
    Word,
    /// A word of ASCII symbols only, such as `-` or `#`.
    Symbol,
    /// One of the characters that end a word wherever they stand, such as `=` or `(`.
    Punct(u8),
    /// Three or more of one symbol, such as `.....` or `****`; the number of them is no difference.
    Filler(u8),
    /// Something that differs from line to line.
    Variable(Kind),
}

/// Classes of bytes; those of a word's bytes are added up to the word's flags.
pub(super) mod class {
    /// White space and control characters.
    pub(crate) const SPACE: u8 = 1;
    /// Ends a word and is a token by itself.
    pub(crate) const PUNCT: u8 = 2;
    /// `0`–`9`.
    pub(crate) const DIGIT: u8 = 4;
    /// `a`–`f`, `A`–`F`.
    pub(crate) const HEX: u8 = 8;
    /// Any other letter, and every byte outside ASCII.
    pub(crate) const ALPHA: u8 = 16;
    /// `/` and `\`.
    pub(crate) const SLASH: u8 = 32;
    /// `.`.
    pub(crate) const DOT: u8 = 64;
    /// Any other symbol.
    pub(crate) const SYMBOL: u8 = 128;
}

const CLASS: [u8; 256] = {
    let mut table = [class::ALPHA; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = match byte as u8 {
            0..=b' ' | 127 => class::SPACE,
            b'0'..=b'9' => class::DIGIT,
            b'a'..=b'f' | b'A'..=b'F' => class::HEX,
            b'g'..=b'z' | b'G'..=b'Z' => class::ALPHA,
            b'/' | b'\\' => class::SLASH,
            b'.' => class::DOT,
            b'=' | b':' | b',' | b';' | b'(' | b')' | b'[' | b']' | b'{' | b'}' | b'"' | b'\''
            | b'<' | b'>' | b'|' | b'&' => class::PUNCT,
            _ => class::SYMBOL,
        };
        byte += 1;
    }
    table
};

/// The class of a byte.
pub(super) fn class_of(byte: u8) -> u8 {
    CLASS[byte as usize]
}

const WORD_ENDS: u8 = class::SPACE | class::PUNCT;
const NOT_REPEATED: u8 = class::DIGIT | class::HEX | class::ALPHA | class::SPACE | class::SLASH;

/// How many bytes from `at` on repeat the byte there, when it is a symbol or punctuation.
fn repeated(line: &[u8], at: usize) -> usize {
    let byte = line[at];
    if class_of(byte) & NOT_REPEATED != 0 {
        return 1;
    }
    line[at..]
        .iter()
        .take_while(|&&other| other == byte)
        .count()
}

/// Cuts the line. At most `limit` tokens; what follows them is one token of [`Kind::Rest`].
/// Without `forms`, only a digit makes a word a variable.
pub(super) fn tokenise(line: &[u8], limit: usize, forms: bool, tokens: &mut Vec<Token>) {
    tokens.clear();
    let mut at = 0;
    let mut spaced = false;
    while at < line.len() {
        let class = class_of(line[at]);
        if class == class::SPACE {
            spaced = true;
            at += 1;
            continue;
        }
        let start = at;
        if tokens.len() >= limit {
            push(
                tokens,
                start,
                line.len(),
                Form::Variable(Kind::Rest),
                spaced,
            );
            return;
        }
        if class & (class::PUNCT | class::SYMBOL | class::DOT) != 0 {
            let run = repeated(line, at);
            if run >= 3 {
                at += run;
                push(tokens, start, at, Form::Filler(line[start]), spaced);
                spaced = false;
                continue;
            }
        }
        if class == class::PUNCT {
            at += 1;
            push(tokens, start, at, Form::Punct(line[start]), spaced);
            spaced = false;
            continue;
        }
        let mut flags = 0;
        while at < line.len() {
            let class = class_of(line[at]);
            if class & WORD_ENDS != 0 {
                break;
            }
            if class & (class::SYMBOL | class::DOT) != 0
                && at + 2 < line.len()
                && line[at + 1] == line[at]
                && line[at + 2] == line[at]
            {
                break;
            }
            flags |= class;
            at += 1;
        }
        at = word(line, start..at, flags, forms, spaced, tokens);
        spaced = false;
    }
}

fn push(tokens: &mut Vec<Token>, start: usize, end: usize, form: Form, spaced: bool) {
    tokens.push(Token {
        start,
        end,
        form,
        spaced,
    });
}

/// Adds the word of a range, longer where its kind reaches past a delimiter, and a full stop
/// after it as a token of its own. Gives where the scan goes on.
fn word(
    line: &[u8],
    Range { start, end }: Range<usize>,
    flags: u8,
    forms: bool,
    spaced: bool,
    tokens: &mut Vec<Token>,
) -> usize {
    if forms && let Some((kind, end)) = variable::beyond(line, start, end, flags) {
        push(tokens, start, end, Form::Variable(kind), spaced);
        return end;
    }
    if flags & (class::DIGIT | class::HEX | class::ALPHA | class::SLASH) == 0 {
        push(tokens, start, end, Form::Symbol, spaced);
        return end;
    }
    let mut stop = end;
    while stop > start + 1 && matches!(line[stop - 1], b'.' | b'!' | b'?') {
        stop -= 1;
    }
    let form = match variable::of_word(&line[start..stop], flags) {
        Some(kind) if forms || flags & class::DIGIT != 0 => Form::Variable(kind),
        _ if flags & (class::HEX | class::ALPHA) == 0 => Form::Symbol,
        _ => Form::Word,
    };
    push(tokens, start, stop, form, spaced);
    if stop < end {
        push(tokens, stop, end, Form::Symbol, false);
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cut(line: &str) -> Vec<(&str, Form)> {
        let mut tokens = Vec::new();
        tokenise(line.as_bytes(), 100, true, &mut tokens);
        tokens
            .iter()
            .map(|token| (&line[token.start..token.end], token.form))
            .collect()
    }

    #[test]
    fn words_end_at_delimiters() {
        assert_eq!(
            cut("uid=0 (by root)"),
            [
                ("uid", Form::Word),
                ("=", Form::Punct(b'=')),
                ("0", Form::Variable(Kind::Number)),
                ("(", Form::Punct(b'(')),
                ("by", Form::Word),
                ("root", Form::Word),
                (")", Form::Punct(b')')),
            ]
        );
    }

    #[test]
    fn filler_parts_a_word_from_its_value() {
        assert_eq!(
            cut("depth......7"),
            [
                ("depth", Form::Word),
                ("......", Form::Filler(b'.')),
                ("7", Form::Variable(Kind::Number)),
            ]
        );
    }

    #[test]
    fn a_full_stop_is_no_part_of_the_word() {
        assert_eq!(
            cut("port 80."),
            [
                ("port", Form::Word),
                ("80", Form::Variable(Kind::Number)),
                (".", Form::Symbol),
            ]
        );
    }

    #[test]
    fn what_is_past_the_limit_is_one_variable() {
        let mut tokens = Vec::new();
        tokenise(b"a b c d", 2, true, &mut tokens);
        assert_eq!(tokens.len(), 3);
        assert_eq!(tokens[2].form, Form::Variable(Kind::Rest));
        assert_eq!((tokens[2].start, tokens[2].end), (4, 7));
    }
}
