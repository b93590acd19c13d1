//! From tokens to the shape of a line: what is left when every variable that shows by its form
//! alone is replaced by a wildcard.
//!
//! Two lines of one shape belong to one template without further evidence. The rules that need
//! more than one word stand here: values of keys, quoted texts, dates, units, lists.

use super::config::Rule;
use super::token::{Form, Token, tokenise};
use super::variable::{self, Kind};

/// Stands for a variable in the key of a shape.
pub(super) const WILD: u8 = 1;
/// Parts two tokens of a key that have no white space between them.
pub(super) const JOINT: u8 = 2;

/// Shapes one line after the other, in memory that it keeps.
#[derive(Clone, Debug, Default)]
pub(super) struct Shaper {
    raw: Vec<Token>,
    tokens: Vec<Token>,
    plain: Vec<usize>,
    key: Vec<u8>,
}

impl Shaper {
    /// Finds the shape of the line.
    pub(super) fn shape(&mut self, line: &[u8], limit: usize, without: Option<Rule>) {
        tokenise(line, limit, without != Some(Rule::Forms), &mut self.raw);
        let mut reader = Reader {
            line,
            raw: &self.raw,
            at: 0,
            out: &mut self.tokens,
            variables: 0,
            without,
        };
        reader.read();
        if reader.variables >= 3 && without != Some(Rule::Lists) {
            fold_repeats(line, &mut self.tokens, &mut self.plain);
        }
        write_key(line, &self.tokens, &mut self.key);
    }

    /// The shape as text: its tokens, wildcards as [`WILD`], parted by spaces or [`JOINT`]s.
    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The tokens of the shape, one for each in the key.
    pub(super) fn tokens(&self) -> &[Token] {
        &self.tokens
    }
}

struct Reader<'a> {
    line: &'a [u8],
    raw: &'a [Token],
    at: usize,
    out: &'a mut Vec<Token>,
    variables: usize,
    without: Option<Rule>,
}

impl Reader<'_> {
    fn read(&mut self) {
        self.out.clear();
        while let Some(&token) = self.raw.get(self.at) {
            self.at += 1;
            match token.form {
                Form::Variable(kind) => self.variable(token, kind),
                Form::Word => self.word(token),
                Form::Punct(byte) => self.punct(token, byte),
                Form::Symbol | Form::Filler(_) => self.out.push(token),
            }
        }
    }

    fn text(&self, token: &Token) -> &[u8] {
        &self.line[token.start..token.end]
    }

    fn next(&self) -> Option<&Token> {
        self.raw.get(self.at)
    }

    fn word(&mut self, token: Token) {
        let text = &self.line[token.start..token.end];
        // Every word that the rules below know is short.
        if text.len() <= 9 && self.phrases() {
            let last = self.out.last().map(|last| last.form);
            let after_number = matches!(last, Some(Form::Variable(Kind::Number)));
            if text[0].is_ascii_uppercase() {
                let next_number =
                    matches!(self.next(), Some(next) if matches!(next.form, Form::Variable(_)));
                if variable::is_month(text) && (after_number || next_number) {
                    return self.variable(token, Kind::Time);
                }
                if variable::is_weekday(text) && self.date_follows() {
                    return self.variable(token, Kind::Time);
                }
            }
            if last == Some(Form::Variable(Kind::Time)) && variable::ends_time(text)
                || after_number && variable::is_unit(text)
            {
                if let Some(last) = self.out.last_mut() {
                    last.end = token.end;
                }
                return;
            }
        }
        self.out.push(token);
    }

    /// A month or a number follows, behind a comma perhaps.
    fn date_follows(&self) -> bool {
        let mut ahead = self.raw[self.at..]
            .iter()
            .skip_while(|token| token.form == Form::Punct(b','));
        ahead.next().is_some_and(|token| match token.form {
            Form::Variable(_) => true,
            Form::Word => variable::is_month(self.text(token)),
            _ => false,
        })
    }

    fn punct(&mut self, token: Token, byte: u8) {
        let Some(&next) = self.next() else {
            self.out.push(token);
            return;
        };
        match byte {
            b'=' | b'&' if !token.spaced && self.phrases() && self.in_query(&token) => {
                self.query(token);
            }
            b'=' if !token.spaced
                && !next.spaced
                && self.after_key()
                && self.without != Some(Rule::Values) =>
            {
                self.out.push(token);
                self.value();
            }
            b'"' | b'\'' if next.form == token.form && !next.spaced && self.phrases() => {
                self.empty(token, next);
            }
            b'"' if self.after_colon() && self.phrases() => self.quoted(token),
            b'(' | b'[' | b'{' if token.spaced && closes(byte, &next) && self.phrases() => {
                self.empty(token, next);
            }
            _ => self.out.push(token),
        }
    }

    /// The token stands in the query of the path or URL before it.
    fn in_query(&self, token: &Token) -> bool {
        self.out.last().is_some_and(|last| {
            matches!(last.form, Form::Variable(Kind::Path | Kind::Url))
                && last.end == token.start
                && self.text(last).contains(&b'?')
        })
    }

    /// Lengthens the path before the token by the rest of its query.
    fn query(&mut self, token: Token) {
        let mut end = token.end;
        while let Some(next) = self.next()
            && !next.spaced
            && !matches!(next.form, Form::Punct(b'"' | b'\'' | b')' | b']' | b'>'))
        {
            end = next.end;
            self.at += 1;
        }
        if let Some(last) = self.out.last_mut() {
            last.end = end;
        }
    }

    fn phrases(&self) -> bool {
        self.without != Some(Rule::Phrases)
    }

    fn after_key(&self) -> bool {
        matches!(
            self.out.last().map(|last| last.form),
            Some(Form::Word | Form::Variable(_) | Form::Punct(b']' | b'"'))
        )
    }

    fn after_colon(&self) -> bool {
        matches!(
            self.out.last().map(|last| last.form),
            Some(Form::Punct(b':' | b'='))
        )
    }

    /// Brackets or quotes around nothing, as `format!("from {} ({})", a, "")` leaves them: they
    /// are the shape of those around something.
    fn empty(&mut self, open: Token, close: Token) {
        self.at += 1;
        self.out.push(open);
        self.out.push(Token {
            start: open.end,
            end: open.end,
            form: Form::Variable(Kind::Empty),
            spaced: false,
        });
        self.variables += 1;
        self.out.push(close);
    }

    /// The quoted text that `open` begins, as one variable, quotes included.
    fn quoted(&mut self, open: Token) {
        let close = self.raw[self.at..]
            .iter()
            .position(|token| token.form == open.form);
        match close {
            Some(length) => {
                self.at += length + 1;
                let end = self.raw[self.at - 1].end;
                self.variable(Token { end, ..open }, Kind::Quoted);
            }
            None => self.out.push(open),
        }
    }

    /// The value of a key: a quoted text, or everything up to white space or the next delimiter
    /// that is no colon.
    fn value(&mut self) {
        let Some(&first) = self.next() else { return };
        if matches!(first.form, Form::Punct(b'"' | b'\'')) {
            self.at += 1;
            return match self.next() {
                Some(&next) if next.form == first.form && !next.spaced => self.empty(first, next),
                _ => self.quoted(first),
            };
        }
        let mut end = first.start;
        let mut kind = None;
        while let Some(token) = self.next() {
            let inside = match token.form {
                Form::Punct(byte) => byte == b':',
                _ => true,
            };
            if (token.spaced && end > first.start) || !inside {
                break;
            }
            // A full stop that ends the sentence is not of the value.
            if token.form == Form::Symbol
                && self.raw.get(self.at + 1).is_none_or(|next| next.spaced)
            {
                break;
            }
            kind = match (kind, token.form) {
                (None, Form::Variable(kind)) => Some(kind),
                _ => Some(Kind::Value),
            };
            end = token.end;
            self.at += 1;
        }
        if let Some(kind) = kind {
            self.variable(Token { end, ..first }, kind);
        }
    }

    /// Adds a variable, or lengthens the one before it when only separators stand between.
    fn variable(&mut self, token: Token, kind: Kind) {
        let mut before = self.out.len();
        let mut colon = false;
        while before > 0 && self.out.len() - before < 4 {
            match self.out[before - 1].form {
                Form::Punct(byte @ (b':' | b',')) => colon = byte == b':',
                Form::Symbol => {}
                _ => break,
            }
            before -= 1;
        }
        if before > 0
            && let Form::Variable(last) = self.out[before - 1].form
            && last != Kind::Empty
            && self.without != Some(Rule::Lists)
            && (self.out.len() > before || !token.spaced || is_time(last, kind))
        {
            let adjacent = self.out.len() == before;
            self.out.truncate(before);
            let last_token = &mut self.out[before - 1];
            last_token.end = token.end;
            last_token.form = Form::Variable(joined(last, kind, colon, adjacent));
            return;
        }
        self.variables += 1;
        self.out.push(Token {
            form: Form::Variable(kind),
            ..token
        });
    }
}

fn closes(open: u8, token: &Token) -> bool {
    let close = match open {
        b'(' => b')',
        b'[' => b']',
        _ => b'}',
    };
    token.form == Form::Punct(close)
}

/// Whether two variables with a space between them are one time.
fn is_time(first: Kind, second: Kind) -> bool {
    matches!(
        (first, second),
        (Kind::Time, Kind::Time | Kind::Number) | (Kind::Number, Kind::Time)
    )
}

/// The kind of two variables in a row.
fn joined(first: Kind, second: Kind, colon: bool, adjacent: bool) -> Kind {
    match (first, second) {
        (Kind::Number, Kind::Number) | (Kind::Time, _) if colon => Kind::Time,
        (Kind::Time, Kind::Number) | (Kind::Number, Kind::Time) if adjacent => Kind::Time,
        (Kind::Time, Kind::Time) => Kind::Time,
        (Kind::Address, Kind::Number) if colon => Kind::Address,
        (Kind::Host, Kind::Number) if colon => Kind::Host,
        _ => Kind::List,
    }
}

/// The longest group of tokens whose repetition is folded.
const LONGEST_GROUP: usize = 12;

/// How many variables in a row, parted by spaces, are a list. Fewer are likelier to be fields,
/// each with a meaning of its own, unless their number is found to vary.
const LONG_LIST: usize = 5;

/// Folds a group of tokens with a variable in it that stands three times or more in a row
/// (`a=1, b=2, a=3, b=4, a=5, b=6`) into its first appearance. What the rest held belongs to the
/// group's last variable. Brackets, commas and semicolons make no difference.
fn fold_repeats(line: &[u8], tokens: &mut Vec<Token>, plain: &mut Vec<usize>) {
    plain.clear();
    let skipped = |form: Form| matches!(form, Form::Punct(b'(' | b')' | b',' | b';'));
    plain.extend((0..tokens.len()).filter(|&at| !skipped(tokens[at].form)));
    let Some(repeat) = find_repeat(line, tokens, plain) else {
        return;
    };
    let first_gone = plain[repeat.start + repeat.length - 1] + 1;
    let last_gone = plain[repeat.start + repeat.length * repeat.times - 1];
    tokens[repeat.kept].end = tokens[last_gone].end;
    tokens[repeat.kept].form = Form::Variable(Kind::List);
    tokens.drain(first_gone..=last_gone);
}

/// A group of tokens that stands several times in a row.
struct Repeat {
    /// Where it first begins.
    start: usize,
    /// How many tokens it has.
    length: usize,
    /// How often it stands there.
    times: usize,
    /// Its last variable, as an index of the tokens.
    kept: usize,
}

/// Finds the shortest group of the tokens in `plain` that is repeated.
fn find_repeat(line: &[u8], tokens: &[Token], plain: &[usize]) -> Option<Repeat> {
    let variable = |at: usize| matches!(tokens[at].form, Form::Variable(_));
    let same = |a: usize, b: usize| match (tokens[a].form, tokens[b].form) {
        (Form::Variable(_), Form::Variable(_)) => true,
        (Form::Word, Form::Word) | (Form::Symbol, Form::Symbol) => {
            line[tokens[a].start..tokens[a].end] == line[tokens[b].start..tokens[b].end]
        }
        (a, b) => a == b,
    };
    for length in 1..=LONGEST_GROUP.min(plain.len() / 3) {
        let least = if length == 1 { LONG_LIST } else { 3 };
        let mut run = 0;
        for at in length..=plain.len() {
            if at < plain.len() && same(plain[at], plain[at - length]) {
                run += 1;
                continue;
            }
            let start = at - length - run;
            let group = &plain[start..start + length];
            if run + length >= length * least
                && let Some(&kept) = group.iter().rev().find(|&&at| variable(at))
            {
                return Some(Repeat {
                    start,
                    length,
                    times: run / length + 1,
                    kept,
                });
            }
            run = 0;
        }
    }
    None
}

fn write_key(line: &[u8], tokens: &[Token], key: &mut Vec<u8>) {
    key.clear();
    for token in tokens {
        if !key.is_empty() {
            key.push(if token.spaced { b' ' } else { JOINT });
        }
        match token.form {
            Form::Variable(_) => key.push(WILD),
            Form::Filler(byte) => key.extend_from_slice(&[byte; 3]),
            _ => key.extend_from_slice(&line[token.start..token.end]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(line: &str) -> String {
        let mut shaper = Shaper::default();
        shaper.shape(line.as_bytes(), 200, None);
        String::from_utf8(shaper.key().to_vec())
            .expect("cut at characters")
            .replace(char::from(WILD), "<*>")
            .replace(char::from(JOINT), "")
    }

    #[test]
    fn the_value_of_a_key_is_a_variable() {
        assert_eq!(
            shape("user=root state=up,idle tty= end"),
            "user=<*> state=<*>,idle tty= end"
        );
        assert_eq!(shape(r#"msg="a b" {"k": "v w"}"#), r#"msg=<*> {"k": <*>}"#);
    }

    #[test]
    fn a_list_is_one_variable_however_long() {
        assert_eq!(shape("nodes 1, 2 and"), shape("nodes 1, 2, 3, 4 and"));
        assert_eq!(
            shape("n1 <ok> n2 <ok> n3 <ok> end"),
            shape("n1 <ok> n2 <ok> n3 <ok> n4 <ok> end")
        );
    }

    #[test]
    fn a_date_is_one_variable() {
        assert_eq!(shape("at Fri Jun 17 07:07:00 PDT 2005 from"), "at <*> from");
        assert_eq!(shape("at 2026-11-22 10:11:12.345 from"), "at <*> from");
        assert_eq!(shape("at 2026-11-22T10:11:12.345Z from"), "at <*> from");
        assert_eq!(shape("May I"), "May I");
    }

    #[test]
    fn a_unit_belongs_to_its_number() {
        assert_eq!(shape("size 3.4 KB free"), shape("size 312 B free"));
        assert_eq!(shape("3 bytes"), "<*> bytes");
    }

    #[test]
    fn empty_brackets_hold_a_variable() {
        assert_eq!(
            shape("from 1.2.3.4 () at"),
            shape("from 1.2.3.4 (a.example.org) at")
        );
        assert_eq!(shape("main() done"), "main() done");
    }

    #[test]
    fn a_query_belongs_to_its_path() {
        assert_eq!(shape("GET /a?b=c&d=e HTTP"), "GET <*> HTTP");
        assert_eq!(shape(r#""GET /a?b=1" 200"#), r#""GET <*>" <*>"#);
    }

    #[test]
    fn fields_keep_their_places() {
        assert_eq!(shape("took 304 14207 209ms"), "took <*> <*> <*>");
    }

    #[test]
    fn an_address_and_its_port_are_one() {
        assert_eq!(shape("to /10.0.0.1:80, end"), "to <*>, end");
        assert_eq!(shape("to host-a/10.0.0.1:80"), "to <*>");
    }
}
