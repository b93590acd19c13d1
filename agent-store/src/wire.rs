//! Numbers and text as bytes: LEB128 variable-length integers, zigzag for signed ones, text with
//! its length before it. <https://protobuf.dev/programming-guides/encoding/> describes both.

/// Appends to a buffer.
pub(crate) trait Put {
    fn put_u8(&mut self, value: u8);
    fn put_varint(&mut self, value: u64);
    fn put_slice(&mut self, value: &[u8]);

    fn put_signed(&mut self, value: i64) {
        self.put_varint(zigzag(value));
    }

    fn put_text(&mut self, value: &str) {
        self.put_varint(value.len() as u64);
        self.put_slice(value.as_bytes());
    }

    fn put_f64(&mut self, value: f64) {
        self.put_slice(&value.to_bits().to_le_bytes());
    }
}

impl Put for Vec<u8> {
    #[inline]
    fn put_u8(&mut self, value: u8) {
        self.push(value);
    }

    #[inline]
    fn put_varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }

    #[inline]
    fn put_slice(&mut self, value: &[u8]) {
        self.extend_from_slice(value);
    }
}

/// Small absolute values become small numbers.
#[inline]
pub(crate) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
#[inline]
pub(crate) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// The bytes end too early or are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Malformed(pub(crate) &'static str);

pub(crate) type Read<T> = Result<T, Malformed>;

/// Reads from a buffer, from front to back. No input makes it panic or allocate.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Take<'a>(pub(crate) &'a [u8]);

impl<'a> Take<'a> {
    #[inline]
    pub(crate) fn u8(&mut self) -> Read<u8> {
        let (&first, rest) = self.0.split_first().ok_or(Malformed("ends early"))?;
        self.0 = rest;
        Ok(first)
    }

    #[inline]
    pub(crate) fn varint(&mut self) -> Read<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                break;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Malformed("a number is too long"))
    }

    #[inline]
    pub(crate) fn signed(&mut self) -> Read<i64> {
        self.varint().map(unzigzag)
    }

    /// A varint that must fit 32 bits.
    #[inline]
    pub(crate) fn u32(&mut self) -> Read<u32> {
        u32::try_from(self.varint()?).map_err(|_| Malformed("a number is too large"))
    }

    #[inline]
    pub(crate) fn slice(&mut self, len: usize) -> Read<&'a [u8]> {
        let (slice, rest) = self
            .0
            .split_at_checked(len)
            .ok_or(Malformed("ends early"))?;
        self.0 = rest;
        Ok(slice)
    }

    /// A length that what is left can hold, at one byte an item.
    #[inline]
    pub(crate) fn len(&mut self) -> Read<usize> {
        match usize::try_from(self.varint()?) {
            Ok(len) if len <= self.0.len() => Ok(len),
            _ => Err(Malformed("a length is too large")),
        }
    }

    #[inline]
    pub(crate) fn text(&mut self) -> Read<&'a str> {
        let len = self.len()?;
        std::str::from_utf8(self.slice(len)?).map_err(|_| Malformed("text is not UTF-8"))
    }

    #[inline]
    pub(crate) fn array<const N: usize>(&mut self) -> Read<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed("ends early"))?;
        self.0 = rest;
        Ok(*array)
    }

    #[inline]
    pub(crate) fn f64(&mut self) -> Read<f64> {
        self.array()
            .map(|bytes| f64::from_bits(u64::from_le_bytes(bytes)))
    }

    pub(crate) fn end(self) -> Read<()> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed("bytes are left over"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn numbers_round_trip(unsigned: u64, signed: i64, text: String) {
            let mut bytes = Vec::new();
            bytes.put_varint(unsigned);
            bytes.put_signed(signed);
            bytes.put_text(&text);
            let mut take = Take(&bytes);
            prop_assert_eq!(take.varint(), Ok(unsigned));
            prop_assert_eq!(take.signed(), Ok(signed));
            prop_assert_eq!(take.text(), Ok(text.as_str()));
            prop_assert_eq!(take.end(), Ok(()));
        }
    }

    #[test]
    fn a_number_of_more_than_64_bits_is_refused() {
        assert!(Take(&[0xff; 11]).varint().is_err());
        assert!(
            Take(&[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2])
                .varint()
                .is_err()
        );
        assert!(Take(&[0x80]).varint().is_err());
        assert!(Take(&[5, 1]).text().is_err());
    }
}
