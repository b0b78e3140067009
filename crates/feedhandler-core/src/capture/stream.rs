//! A window that slides over decompressed bytes, so that a compressed file of any size is read in bounded memory.

use std::io::{self, ErrorKind, Read};

use flate2::bufread::MultiGzDecoder;
use zstd::stream::read::Decoder as ZstdDecoder;

use super::raw::Raw;
use crate::break_off::{self, BrokenOff};

/// How a file is compressed, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    Gzip,
    Zstd,
}

impl Compression {
    pub(super) fn of(head: &[u8]) -> Self {
        match head {
            [0x1f, 0x8b, ..] => Self::Gzip,
            // RFC 8878: a frame, or a skippable frame, which some compressors put first.
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::None,
        }
    }
}

enum Decoder {
    Plain(Raw),
    Gzip(Box<MultiGzDecoder<Raw>>),
    Zstd(ZstdDecoder<'static, Raw>),
}

/// Largest zstd window that is decoded: what `zstd --long` writes; a hostile header cannot ask for more.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// Size of the window to begin with: it holds thousands of packets and stays in a second-level cache.
const WINDOW_BYTES: usize = 512 * 1024;

/// Decompressed bytes not yet consumed.
///
/// Invariant: `start <= end <= buffer.len()`.
pub(super) struct Stream {
    decoder: Decoder,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    failure: Option<String>,
}

impl Stream {
    pub(super) fn new(raw: Raw, compression: Compression) -> io::Result<Self> {
        let decoder = match compression {
            Compression::None => Decoder::Plain(raw),
            Compression::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(raw))),
            Compression::Zstd => Decoder::Zstd(zstd_decoder(raw)?),
        };
        Ok(Self { decoder, buffer: vec![0; WINDOW_BYTES], start: 0, end: 0, ended: false, failure: None })
    }

    /// Why the compressed data ended before its time.
    pub(super) fn failure(&self) -> Option<&str> {
        self.failure.as_deref()
    }

    pub(super) fn raw(&self) -> &Raw {
        match &self.decoder {
            Decoder::Plain(raw) => raw,
            Decoder::Gzip(decoder) => decoder.get_ref(),
            Decoder::Zstd(decoder) => decoder.get_ref(),
        }
    }

    #[inline]
    pub(super) fn unread(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.end.min(self.start.saturating_add(count));
    }

    /// Makes at least `want` bytes readable, or all there are.
    #[inline]
    pub(super) fn fill(&mut self, want: usize) -> io::Result<()> {
        if self.end - self.start < want && !self.ended { self.refill(want) } else { Ok(()) }
    }

    #[cold]
    fn refill(&mut self, want: usize) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, self.end - self.start);
        if self.buffer.len() < want {
            self.buffer.resize(want, 0);
        }
        while self.end < want && !self.ended {
            break_off::ask()?;
            self.read_once()?;
        }
        Ok(())
    }

    fn read_once(&mut self) -> io::Result<()> {
        let room = self.buffer.get_mut(self.end..).unwrap_or_default();
        let (codec, result) = match &mut self.decoder {
            Decoder::Plain(raw) => (None, raw.read(room)),
            Decoder::Gzip(decoder) => (Some("gzip"), decoder.read(room)),
            Decoder::Zstd(decoder) => (Some("zstd"), decoder.read(room)),
        };
        match (result, codec) {
            (Ok(0), _) => self.ended = true,
            (Ok(count), _) => self.end += count,
            (Err(error), _) if BrokenOff::of(&error).is_some() => return Err(error),
            (Err(error), Some(codec)) => self.fail(codec, &error),
            (Err(error), None) => return Err(error),
        }
        Ok(())
    }

    fn fail(&mut self, codec: &str, error: &io::Error) {
        self.ended = true;
        self.failure = Some(match error.kind() {
            ErrorKind::UnexpectedEof => format!("{codec} stream that ends early"),
            _ => format!("damaged {codec} stream ({error})"),
        });
    }
}

fn zstd_decoder(raw: Raw) -> io::Result<ZstdDecoder<'static, Raw>> {
    let mut decoder = ZstdDecoder::with_buffer(raw)?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
    Ok(decoder)
}
