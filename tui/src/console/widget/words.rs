//! Text in a given width.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::clean::LINE_BREAK;

/// The text where it fits, or its beginning and `…`.
pub(crate) fn fit(text: &str, width: usize) -> Cow<'_, str> {
    // Most texts are short; long ones are not measured beyond what could fit.
    if text.len() <= width || (text.len() <= 4 * width && text.width() <= width) {
        return Cow::Borrowed(text);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let mut used = 0;
    let end = text.char_indices().find_map(|(at, c)| {
        used += c.width().unwrap_or(0);
        (used > width - 1).then_some(at)
    });
    Cow::Owned(format!("{}…", &text[..end.unwrap_or(text.len())]))
}

/// The text where it fits, or `…` and its end, as paths are read.
pub(crate) fn fit_end(text: &str, width: usize) -> Cow<'_, str> {
    if text.width() <= width {
        return Cow::Borrowed(text);
    }
    if width == 0 {
        return Cow::Borrowed("");
    }
    let mut used = 0;
    let start = text.char_indices().rev().find_map(|(at, c)| {
        used += c.width().unwrap_or(0);
        (used > width - 1).then_some(at + c.len_utf8())
    });
    Cow::Owned(format!("…{}", &text[start.unwrap_or(0)..]))
}

/// The text on lines of this width, broken at its line breaks, at spaces, and within words where
/// they are too long.
pub(crate) fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(1);
    let mut lines = Vec::new();
    for paragraph in text.split(LINE_BREAK) {
        let mut line = String::new();
        let mut used = 0;
        for word in paragraph.split_inclusive(' ') {
            let word_width = word.trim_end().width();
            if used > 0 && used + word_width > width {
                lines.push(std::mem::take(&mut line));
                used = 0;
            }
            for c in word.chars() {
                let w = c.width().unwrap_or(0);
                if used + w > width && w > 0 {
                    lines.push(std::mem::take(&mut line));
                    used = 0;
                    if c == ' ' {
                        continue;
                    }
                }
                line.push(c);
                used += w;
            }
        }
        lines.push(line);
    }
    for line in &mut lines {
        line.truncate(line.trim_end().len());
    }
    lines
}

/// How many columns a character takes.
pub(crate) fn width_of(c: char) -> usize {
    c.width().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn texts_are_cut_with_a_sign() {
        assert_eq!(fit("hello", 5), "hello");
        assert_eq!(fit("hello", 4), "hel…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit_end("/a/long/path", 6), "…/path");
        assert_eq!(fit("x", 0), "");
    }

    #[test]
    fn lines_break_at_spaces_and_breaks() {
        assert_eq!(wrap("one two␤three", 5), ["one", "two", "three"]);
        assert_eq!(wrap("abcdefg", 3), ["abc", "def", "g"]);
        assert_eq!(wrap("", 3), [""]);
    }

    proptest! {
        #[test]
        fn nothing_is_wider_than_asked(raw in any::<String>(), width in 2usize..30) {
            let text = crate::clean::text(&raw);
            let by_char = |text: &str| text.chars().filter_map(unicode_width::UnicodeWidthChar::width).sum::<usize>();
            prop_assert!(by_char(&fit(&text, width)) <= width);
            prop_assert!(by_char(&fit_end(&text, width)) <= width);
            for line in wrap(&text, width) {
                prop_assert!(by_char(&line) <= width, "{line:?}");
            }
        }
    }
}
