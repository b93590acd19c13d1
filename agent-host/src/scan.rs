//! Words and numbers out of the kernel's text files. Nothing here panics or allocates: what is not
//! as expected is skipped or `None`.

/// The lines of a text.
pub(crate) fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|b| *b == b'\n').filter(|line| !line.is_empty())
}

/// The words of a line.
pub(crate) fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(u8::is_ascii_whitespace)
        .filter(|word| !word.is_empty())
}

/// A decimal number without sign. `None` for anything else, and for more than 64 bits.
pub(crate) fn number(word: &[u8]) -> Option<u64> {
    if word.is_empty() {
        return None;
    }
    word.iter().try_fold(0_u64, |n, b| {
        let digit = b.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        n.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// A finite number, as in `0.52` or `-1`.
pub(crate) fn real(word: &[u8]) -> Option<f64> {
    std::str::from_utf8(word)
        .ok()?
        .parse()
        .ok()
        .filter(|n: &f64| n.is_finite())
}

/// The next of the words, as a number.
pub(crate) fn next<'t>(words: &mut impl Iterator<Item = &'t [u8]>) -> Option<u64> {
    number(words.next()?)
}

/// What stands after `key` and a space in the lines of `key value` files.
pub(crate) fn value_of(text: &[u8], key: &[u8]) -> Option<u64> {
    lines(text).find_map(|line| {
        let mut words = words(line);
        (words.next()? == key).then(|| next(&mut words))?
    })
}

/// The first word of a text, as a number.
pub(crate) fn first(text: &[u8]) -> Option<u64> {
    next(&mut words(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_plain_decimals_that_fit() {
        assert_eq!(number(b"18446744073709551615"), Some(u64::MAX));
        for bad in ["", "18446744073709551616", "-1", "+1", "1 ", "0x1", "max"] {
            assert_eq!(number(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(real(b"0.52"), Some(0.52));
        assert_eq!(real(b"inf"), None);
        assert_eq!(real(b"\xff"), None);
    }

    #[test]
    fn values_are_found_by_whole_keys() {
        let text = b"oom 1\noom_kill 7\nbroken\n";
        assert_eq!(value_of(text, b"oom_kill"), Some(7));
        assert_eq!(value_of(text, b"oom_k"), None);
        assert_eq!(value_of(text, b"broken"), None);
        assert_eq!(first(b" 42\n"), Some(42));
    }
}
