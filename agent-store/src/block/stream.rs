//! The four byte streams that a group of columns is made of, compressed each as suits it.

use std::cell::RefCell;

use crate::wire::{Malformed, Put, Read, Take};

/// What columns write to.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// How columns are coded, and their dictionaries.
    pub(crate) meta: Vec<u8>,
    /// Indices into dictionaries, a byte each.
    pub(crate) codes: Vec<u8>,
    /// Text.
    pub(crate) text: Vec<u8>,
    /// Packed bits, of which no compressor makes less.
    pub(crate) packed: Vec<u8>,
}

/// The most that a stream may hold once decompressed, in bytes: bounds what damaged or hostile
/// bytes can ask for. A block's events are at most a few MiB.
const MAX_STREAM: usize = 64 << 20;

/// zstd's level: on realistic logs the levels above gain under 2 % for twice the time, as most
/// bytes left are packed (`cargo xtask bench store`).
const LEVEL: i32 = 3;

/// Compresses and decompresses; holds zstd's state to use it again.
pub(crate) struct Codec {
    compressor: zstd::bulk::Compressor<'static>,
}

impl Codec {
    pub(crate) fn new() -> std::io::Result<Self> {
        Ok(Self {
            compressor: zstd::bulk::Compressor::new(LEVEL)?,
        })
    }

    /// Appends the streams to `out`.
    pub(crate) fn write(&mut self, streams: &Streams, out: &mut Vec<u8>) {
        for stream in [&streams.meta, &streams.codes, &streams.text] {
            out.put_varint(stream.len() as u64);
            // Where compression gains nothing, or fails, the bytes are kept as they are.
            match self.compressor.compress(stream) {
                Ok(compressed) if compressed.len() < stream.len() => {
                    out.put_varint(compressed.len() as u64);
                    out.put_slice(&compressed);
                }
                _ => {
                    out.put_varint(0);
                    out.put_slice(stream);
                }
            }
        }
        out.put_varint(streams.packed.len() as u64);
        out.put_slice(&streams.packed);
    }
}

thread_local! {
    /// Making one costs as much as it takes to decompress a few thousand bytes.
    static DECOMPRESSOR: RefCell<Option<zstd::bulk::Decompressor<'static>>> =
        const { RefCell::new(None) };
}

fn decompress(stored: &[u8], len: usize) -> std::io::Result<Vec<u8>> {
    DECOMPRESSOR.with_borrow_mut(|decompressor| {
        let decompressor = match decompressor {
            Some(decompressor) => decompressor,
            none => none.insert(zstd::bulk::Decompressor::new()?),
        };
        decompressor.decompress(stored, len)
    })
}

/// The streams of a group, decompressed.
#[derive(Debug, Default)]
pub(crate) struct Group(Streams);

impl Group {
    /// Skips a group.
    pub(crate) fn skip<'a>(bytes: &mut Take<'a>) -> Read<&'a [u8]> {
        let start = bytes.0;
        for _ in 0..3 {
            let len = bytes.varint()?;
            let compressed = bytes.varint()?;
            let stored = if compressed == 0 { len } else { compressed };
            bytes.slice(usize::try_from(stored).map_err(|_| Malformed("a stream is too long"))?)?;
        }
        let len = bytes.len()?;
        bytes.slice(len)?;
        Ok(&start[..start.len() - bytes.0.len()])
    }

    pub(crate) fn read(group: &[u8]) -> Read<Self> {
        let mut bytes = Take(group);
        let mut stream = || -> Read<Vec<u8>> {
            let len = usize::try_from(bytes.varint()?).unwrap_or(usize::MAX);
            if len > MAX_STREAM {
                return Err(Malformed("a stream is too long"));
            }
            let compressed = bytes.len()?;
            if compressed == 0 {
                return bytes.slice(len).map(<[u8]>::to_vec);
            }
            let stored = bytes.slice(compressed)?;
            let stream =
                decompress(stored, len).map_err(|_| Malformed("a stream does not decompress"))?;
            if stream.len() == len {
                Ok(stream)
            } else {
                Err(Malformed("a stream is too short"))
            }
        };
        let (meta, codes, text) = (stream()?, stream()?, stream()?);
        let len = bytes.len()?;
        let packed = bytes.slice(len)?.to_vec();
        bytes.end()?;
        Ok(Self(Streams {
            meta,
            codes,
            text,
            packed,
        }))
    }

    pub(crate) fn cursor(&self) -> Cursor<'_> {
        Cursor {
            meta: Take(&self.0.meta),
            codes: Take(&self.0.codes),
            text: Take(&self.0.text),
            packed: Take(&self.0.packed),
        }
    }
}

/// Where columns are read from.
#[derive(Clone, Debug)]
pub(crate) struct Cursor<'a> {
    pub(crate) meta: Take<'a>,
    pub(crate) codes: Take<'a>,
    pub(crate) text: Take<'a>,
    pub(crate) packed: Take<'a>,
}
