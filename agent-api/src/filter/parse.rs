//! From text to tree, by recursive descent; errors name the column.

use crate::filter::FilterError;
use crate::filter::expr::{Compare, Enumerated, Expr, Field, Pattern, Test, bit};
use crate::filter::names::{field, is_numeric, not_a_number, number, unknown};
use crate::filter::phrase::{Phrase, case_folded, compile};
use crate::filter::value;
use crate::{ReasonCode, Timestamp};

/// The longest filter, in bytes.
const MAX_TEXT: usize = 4096;
/// The most terms.
const MAX_TERMS: usize = 128;
/// The deepest nesting of parentheses and negations.
const MAX_DEPTH: usize = 32;

pub(crate) fn parse(text: &str, now: Timestamp) -> Result<Expr, FilterError> {
    if text.len() > MAX_TEXT {
        return Err(FilterError {
            column: 1,
            reason: format!("the filter is longer than {MAX_TEXT} bytes"),
        });
    }
    let mut parser = Parser {
        chars: text.chars().collect(),
        at: 0,
        now,
        terms: 0,
    };
    parser.space();
    if parser.peek().is_none() {
        return Ok(Expr::All);
    }
    let expr = parser.any(0)?;
    match parser.peek() {
        None => Ok(expr),
        Some(_) => Err(parser.error("a closing parenthesis without an opening one")),
    }
}

struct Parser {
    chars: Vec<char>,
    at: usize,
    now: Timestamp,
    terms: usize,
}

type Parsed<T> = Result<T, FilterError>;

/// What stands between a field and its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Is,
    Exactly,
    Not,
    Matches,
    NotMatches,
    Than(Compare),
}

/// A value: what it says, whether it was quoted, and where it stands.
struct Value {
    text: String,
    quoted: bool,
    at: usize,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn space(&mut self) {
        while self.peek().is_some_and(char::is_whitespace) {
            self.at += 1;
        }
    }

    fn error(&self, reason: impl Into<String>) -> FilterError {
        error_at(self.at, reason)
    }

    /// Takes a keyword if it stands here as a word of its own, in any letter case: `a or b` is
    /// meant as it reads. In quotes it is a word.
    fn keyword(&mut self, keyword: &str) -> bool {
        let end = self.at + keyword.len();
        let here = self
            .chars
            .get(self.at..end)
            .is_some_and(|c| c.iter().map(char::to_ascii_uppercase).eq(keyword.chars()));
        let alone = self
            .chars
            .get(end)
            .is_none_or(|c| c.is_whitespace() || matches!(c, '(' | ')'));
        if here && alone {
            self.at = end;
            self.space();
        }
        here && alone
    }

    /// `a OR b OR c`
    fn any(&mut self, depth: usize) -> Parsed<Expr> {
        let mut all = vec![self.all(depth)?];
        while self.keyword("OR") {
            all.push(self.all(depth)?);
        }
        Ok(if all.len() == 1 {
            all.remove(0)
        } else {
            Expr::Or(all)
        })
    }

    /// `a b AND c`
    fn all(&mut self, depth: usize) -> Parsed<Expr> {
        let mut all = vec![self.not(depth)?];
        loop {
            let and = self.keyword("AND");
            let start = self.at;
            let or = self.keyword("OR");
            self.at = start;
            if self.peek().is_none_or(|c| c == ')') || or {
                if and {
                    return Err(self.error("a term is missing after `AND`"));
                }
                break;
            }
            all.push(self.not(depth)?);
        }
        Ok(if all.len() == 1 {
            all.remove(0)
        } else {
            Expr::And(all)
        })
    }

    /// `-a`, `NOT a`, `(a)`, `a`
    fn not(&mut self, depth: usize) -> Parsed<Expr> {
        if depth > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH}")));
        }
        let start = self.at;
        let dash = self.peek() == Some('-')
            && self
                .chars
                .get(self.at + 1)
                .is_some_and(|c| !c.is_whitespace());
        if dash {
            self.at += 1;
        }
        if dash || self.keyword("NOT") {
            return Ok(Expr::Not(Box::new(self.not(depth + 1)?)));
        }
        match self.peek() {
            Some('(') => {
                self.at += 1;
                self.space();
                let inner = self.any(depth + 1)?;
                if self.peek() != Some(')') {
                    return Err(error_at(start, "this parenthesis is not closed"));
                }
                self.at += 1;
                self.space();
                Ok(inner)
            }
            None => Err(self.error("a term is missing at the end")),
            Some(')') => Err(self.error("a term is missing before `)`")),
            Some(_) if self.keyword("OR") || self.keyword("AND") => Err(error_at(
                start,
                "a term is missing before this; quote the word to search for it",
            )),
            Some(_) => {
                self.terms += 1;
                if self.terms > MAX_TERMS {
                    return Err(self.error(format!("more than {MAX_TERMS} terms")));
                }
                let term = self.term()?;
                self.space();
                Ok(term)
            }
        }
    }

    fn term(&mut self) -> Parsed<Expr> {
        let start = self.at;
        if self.peek() == Some('"') {
            let text = self.quoted()?;
            let phrase = Phrase::exact(&text).map_err(|reason| error_at(start, reason))?;
            return Ok(Expr::Test(Test::Words(phrase)));
        }
        let mut name = String::new();
        while let Some(c) = self.peek() {
            match c {
                '"' if name == "fields." => name.push_str(&self.quoted()?),
                ':' | '=' | '<' | '>' | '~' | '(' | ')' | '"' => break,
                '!' if matches!(self.chars.get(self.at + 1), Some('=' | '~')) => break,
                c if c.is_whitespace() => break,
                c => {
                    name.push(c);
                    self.at += 1;
                }
            }
        }
        match self.operator() {
            Some(_) if name.is_empty() => {
                Err(error_at(start, "a field's name is missing before this"))
            }
            Some(operator) => self.test(&name, start, operator),
            None if name.is_empty() => Err(error_at(start, "a term is missing before this")),
            None => {
                let phrase = Phrase::wild(&name).map_err(|reason| error_at(start, reason))?;
                Ok(Expr::Test(Test::Words(phrase)))
            }
        }
    }

    /// Text in quotes, `\"` and `\\` escaped.
    fn quoted(&mut self) -> Parsed<String> {
        let start = self.at;
        self.at += 1;
        let mut text = String::new();
        loop {
            match self.peek() {
                None => return Err(error_at(start, "this quote is not closed")),
                Some('"') => {
                    self.at += 1;
                    return Ok(text);
                }
                Some('\\') if matches!(self.chars.get(self.at + 1), Some('"' | '\\')) => {
                    text.push(self.chars[self.at + 1]);
                    self.at += 2;
                }
                Some(c) => {
                    text.push(c);
                    self.at += 1;
                }
            }
        }
    }

    fn operator(&mut self) -> Option<Operator> {
        let two = (self.peek()?, self.chars.get(self.at + 1).copied());
        let (operator, len) = match two {
            ('!', Some('=')) => (Operator::Not, 2),
            ('!', Some('~')) => (Operator::NotMatches, 2),
            ('>', Some('=')) => (Operator::Than(Compare::AtLeast), 2),
            ('<', Some('=')) => (Operator::Than(Compare::AtMost), 2),
            ('=', Some('~')) => (Operator::Matches, 2),
            ('>', _) => (Operator::Than(Compare::Greater), 1),
            ('<', _) => (Operator::Than(Compare::Less), 1),
            (':', _) => (Operator::Is, 1),
            ('=', _) => (Operator::Exactly, 1),
            ('~', _) => (Operator::Matches, 1),
            _ => return None,
        };
        self.at += len;
        Some(operator)
    }

    fn test(&mut self, name: &str, at: usize, operator: Operator) -> Parsed<Expr> {
        let negated = matches!(operator, Operator::Not | Operator::NotMatches);
        let test = match name {
            "since" | "until" => {
                if !matches!(operator, Operator::Is | Operator::Exactly) {
                    return Err(error_at(at, format!("write `{name}:15m` or `{name}:TIME`")));
                }
                let time = self.time()?;
                Expr::Test(if name == "since" {
                    Test::Since(time)
                } else {
                    Test::Until(time)
                })
            }
            "time" => self.time_test(operator)?,
            "source" => self.enumerated(Enumerated::Source, operator)?,
            "kind" => self.enumerated(Enumerated::Kind, operator)?,
            "level" => self.enumerated(Enumerated::Level, operator)?,
            "tier" => self.enumerated(Enumerated::Tier, operator)?,
            "reason" => self.reason(operator)?,
            _ => match field(name) {
                Some(field) => self.field_test(&field, operator)?,
                None => return Err(error_at(at, unknown(name))),
            },
        };
        Ok(if negated {
            Expr::Not(Box::new(test))
        } else {
            test
        })
    }

    /// One value: quoted, or up to white space, a comma or a closing parenthesis.
    fn value(&mut self) -> Parsed<Value> {
        let at = self.at;
        if self.peek() == Some('"') {
            return Ok(Value {
                text: self.quoted()?,
                quoted: true,
                at,
            });
        }
        let mut text = String::new();
        while let Some(c) = self.peek() {
            if c.is_whitespace() || matches!(c, ',' | ')' | '"') {
                break;
            }
            text.push(c);
            self.at += 1;
        }
        if text.is_empty() {
            return Err(error_at(
                at,
                "a value is missing here; for the empty one write \"\"",
            ));
        }
        Ok(Value {
            text,
            quoted: false,
            at,
        })
    }

    /// One or more values with commas between.
    fn values(&mut self) -> Parsed<Vec<Value>> {
        let mut values = vec![self.value()?];
        while self.peek() == Some(',') {
            self.at += 1;
            values.push(self.value()?);
        }
        Ok(values)
    }

    /// The only value of a comparison or of a time.
    fn one(&mut self) -> Parsed<Value> {
        let value = self.value()?;
        if self.peek() == Some(',') {
            return Err(self.error("only one value can stand here"));
        }
        Ok(value)
    }

    fn time(&mut self) -> Parsed<Timestamp> {
        let Value { text, at, .. } = self.one()?;
        value::time(&text, self.now).ok_or_else(|| {
            error_at(at, format!(
                "`{text}` is not a time: use a duration ago, as in 15m, 1h30m or 2d, or a time, \
                 as in 2026-01-31 or 2026-01-31T23:59:59Z"
            ))
        })
    }

    fn time_test(&mut self, operator: Operator) -> Parsed<Expr> {
        let start = self.at;
        let time = self.time()?;
        let after = time.plus_nanos(1);
        Ok(Expr::Test(match operator {
            Operator::Than(Compare::AtLeast) => Test::Since(time),
            Operator::Than(Compare::Greater) => Test::Since(after),
            Operator::Than(Compare::Less) => Test::Until(time),
            Operator::Than(Compare::AtMost) => Test::Until(after),
            _ => return Err(error_at(start, "compare a time with <, <=, > or >=")),
        }))
    }

    fn enumerated(&mut self, field: Enumerated, operator: Operator) -> Parsed<Expr> {
        let start = self.at;
        let number = |value: &Value| {
            field
                .number(&value.text)
                .map_err(|reason| error_at(value.at, reason))
        };
        let set = match operator {
            Operator::Is | Operator::Exactly | Operator::Not => {
                let mut set = 0;
                for value in self.values()? {
                    set |= if value.text == "*" && !value.quoted {
                        u64::MAX
                    } else {
                        bit(number(&value)?)
                    };
                }
                set
            }
            Operator::Than(compare) => {
                if matches!(field, Enumerated::Source | Enumerated::Kind) {
                    return Err(error_at(start, "this field has no order; use `:` or `!=`"));
                }
                let wanted = number(&self.one()?)?;
                (0..64)
                    .filter(|n| compare.holds(f64::from(*n), f64::from(wanted)))
                    .fold(0, |set, n| set | bit(n))
            }
            Operator::Matches | Operator::NotMatches => {
                let (regex, at) = self.regex()?;
                let mut set = 0;
                for (n, name) in field.names().into_iter().enumerate() {
                    set |= u64::from(regex.0.is_match(name)) << n;
                }
                if set == 0 {
                    return Err(error_at(
                        at,
                        format!("this matches none of {}", field.names().join(", ")),
                    ));
                }
                set
            }
        };
        Ok(Expr::Test(Test::OneOf(field, set)))
    }

    fn reason(&mut self, operator: Operator) -> Parsed<Expr> {
        let start = self.at;
        if !matches!(operator, Operator::Is | Operator::Exactly | Operator::Not) {
            return Err(error_at(start, "use `:` or `!=` with a reason"));
        }
        let mut set = 0;
        for value in self.values()? {
            set |=
                if value.text == "*" {
                    u64::MAX
                } else {
                    let code: ReasonCode = value.text.parse().map_err(
                        |error: crate::verdict::UnknownReasonCode| {
                            error_at(value.at, error.to_string())
                        },
                    )?;
                    bit(code.number())
                };
        }
        Ok(Expr::Test(Test::Reason(set)))
    }

    fn field_test(&mut self, field: &Field, operator: Operator) -> Parsed<Expr> {
        match operator {
            Operator::Than(compare) => {
                let value = self.one()?;
                let number = number(field, &value.text)
                    .ok_or_else(|| error_at(value.at, not_a_number(field, &value.text)))?;
                if !is_numeric(field) && !matches!(field, Field::Free(_)) {
                    return Err(error_at(value.at, "this field is text and has no order"));
                }
                Ok(Expr::Test(Test::Number(field.clone(), compare, number)))
            }
            Operator::Matches | Operator::NotMatches => {
                let (regex, _) = self.regex()?;
                Ok(Expr::Test(Test::Text(field.clone(), Pattern::Regex(regex))))
            }
            Operator::Is | Operator::Exactly | Operator::Not => {
                let exactly = operator == Operator::Exactly;
                let mut tests = Vec::new();
                for value in self.values()? {
                    tests.push(Expr::Test(equal(field, &value, exactly)?));
                }
                Ok(if tests.len() == 1 {
                    tests.remove(0)
                } else {
                    Expr::Or(tests)
                })
            }
        }
    }

    /// `/…/` with flags, or a value.
    fn regex(&mut self) -> Parsed<(crate::filter::expr::Regex, usize)> {
        let at = self.at;
        let mut pattern = String::new();
        let mut flags = String::new();
        if self.peek() == Some('/') {
            self.at += 1;
            loop {
                match self.peek() {
                    None => return Err(error_at(at, "this `/` is not closed by another")),
                    Some('/') => break,
                    Some('\\') if self.chars.get(self.at + 1) == Some(&'/') => {
                        pattern.push('/');
                        self.at += 2;
                    }
                    Some('\\') => {
                        pattern.push('\\');
                        self.at += 1;
                        pattern.extend(self.peek());
                        self.at += usize::from(self.peek().is_some());
                    }
                    Some(c) => {
                        pattern.push(c);
                        self.at += 1;
                    }
                }
            }
            self.at += 1;
            while let Some(c) = self.peek().filter(char::is_ascii_alphabetic) {
                if !matches!(c, 'i' | 's' | 'm' | 'x') {
                    return Err(self.error(format!("`{c}` is no flag; known are i, s, m, x")));
                }
                flags.push(c);
                self.at += 1;
            }
        } else {
            pattern = self.one()?.text;
        }
        if !flags.is_empty() {
            pattern = format!("(?{flags}){pattern}");
        }
        let regex = compile(&pattern)
            .map_err(|reason| error_at(at, format!("not a regular expression: {reason}")))?;
        Ok((regex, at))
    }
}

fn error_at(at: usize, reason: impl Into<String>) -> FilterError {
    FilterError {
        column: at + 1,
        reason: reason.into(),
    }
}

fn equal(field: &Field, value: &Value, exactly: bool) -> Parsed<Test> {
    let text = &value.text;
    if text == "*" && !value.quoted {
        return Ok(Test::Text(field.clone(), Pattern::Present));
    }
    if is_numeric(field) {
        let number =
            number(field, text).ok_or_else(|| error_at(value.at, not_a_number(field, text)))?;
        return Ok(Test::Number(field.clone(), Compare::Equal, number));
    }
    if *field == Field::Message && !exactly {
        let phrase = if value.quoted {
            Phrase::exact(text)
        } else {
            Phrase::wild(text)
        };
        return phrase
            .map(Test::Words)
            .map_err(|reason| error_at(value.at, reason));
    }
    let pattern = if exactly {
        Pattern::Exactly(text.clone())
    } else if text.contains('*') && !value.quoted {
        let regex = case_folded(text, true)
            .and_then(|regex| compile(&format!("^(?:{})$", regex.0.as_str())))
            .map_err(|reason| error_at(value.at, reason))?;
        Pattern::Regex(regex)
    } else {
        Pattern::Like(text.clone())
    };
    Ok(Test::Text(field.clone(), pattern))
}
