//! A small writer of captures: the opposite of what is tested, and as plain as can be.

use std::io::Write;

use feedhandler_core::spec::ByteOrder;

pub const LITTLE: ByteOrder = ByteOrder::Little;
pub const BIG: ByteOrder = ByteOrder::Big;

/// A length as a 32-bit field.
pub fn len32(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).expect("a test file is small")
}

/// Fields in one byte order.
pub struct Fields {
    pub bytes: Vec<u8>,
    order: ByteOrder,
}

impl Fields {
    pub fn new(order: ByteOrder) -> Self {
        Self { bytes: Vec::new(), order }
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.bytes.extend(match self.order {
            ByteOrder::Big => value.to_be_bytes(),
            ByteOrder::Little => value.to_le_bytes(),
        });
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.bytes.extend(match self.order {
            ByteOrder::Big => value.to_be_bytes(),
            ByteOrder::Little => value.to_le_bytes(),
        });
        self
    }

    pub fn u64(mut self, value: u64) -> Self {
        self.bytes.extend(match self.order {
            ByteOrder::Big => value.to_be_bytes(),
            ByteOrder::Little => value.to_le_bytes(),
        });
        self
    }

    pub fn raw(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend(bytes);
        self
    }

    /// Bytes, and zeros up to the next multiple of four.
    pub fn padded(self, bytes: &[u8]) -> Self {
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        self.raw(bytes).raw(&[0; 3][..padding])
    }
}

/// A classic capture.
pub struct Pcap {
    pub file: Vec<u8>,
    /// Lengths at which the file could have ended cleanly.
    pub boundaries: Vec<usize>,
    order: ByteOrder,
}

impl Pcap {
    pub fn new(order: ByteOrder, magic: u32, link_type: u32) -> Self {
        let header = Fields::new(order).u32(magic).u16(2).u16(4).u32(0).u32(0).u32(65_535).u32(link_type);
        Self { boundaries: vec![header.bytes.len()], file: header.bytes, order }
    }

    pub fn microseconds(link_type: u32) -> Self {
        Self::new(LITTLE, 0xa1b2_c3d4, link_type)
    }

    pub fn snapped_record(mut self, seconds: u32, fraction: u32, frame: &[u8], original: u32) -> Self {
        let header = Fields::new(self.order).u32(seconds).u32(fraction).u32(len32(frame)).u32(original);
        self.file.extend(header.raw(frame).bytes);
        self.boundaries.push(self.file.len());
        self
    }

    pub fn record(self, seconds: u32, fraction: u32, frame: &[u8]) -> Self {
        self.snapped_record(seconds, fraction, frame, len32(frame))
    }
}

/// An option of a pcapng block.
pub type Opt<'a> = (u16, &'a [u8]);

/// A block capture; each section has its byte order.
pub struct Pcapng {
    pub file: Vec<u8>,
    /// Lengths at which the file could have ended cleanly.
    pub boundaries: Vec<usize>,
    pub order: ByteOrder,
}

impl Pcapng {
    pub fn new(order: ByteOrder) -> Self {
        Self { file: Vec::new(), boundaries: Vec::new(), order }.section(order)
    }

    pub fn fields(&self) -> Fields {
        Fields::new(self.order)
    }

    pub fn block(mut self, block_type: u32, body: &[u8]) -> Self {
        let size = len32(body).next_multiple_of(4) + 12;
        let block = self.fields().u32(block_type).u32(size).padded(body).u32(size);
        self.file.extend(block.bytes);
        self.boundaries.push(self.file.len());
        self
    }

    pub fn section(mut self, order: ByteOrder) -> Self {
        self.order = order;
        let body = self.fields().u32(0x1a2b_3c4d).u16(1).u16(0).u64(u64::MAX);
        self.block(0x0a0d_0d0a, &body.bytes)
    }

    fn options(&self, options: &[Opt]) -> Vec<u8> {
        let with = |fields: Fields, (code, value): &Opt| {
            fields.u16(*code).u16(u16::try_from(value.len()).expect("a short option")).padded(value)
        };
        options.iter().fold(self.fields(), with).u32(0).bytes
    }

    pub fn interface(self, link_type: u16, snap_len: u32, options: &[Opt]) -> Self {
        let body = self.fields().u16(link_type).u16(0).u32(snap_len).raw(&self.options(options));
        self.block(1, &body.bytes)
    }

    /// A time stamp as packet blocks hold it: the upper half first, in either byte order.
    fn ticks(fields: Fields, ticks: u64) -> Fields {
        let [upper, lower] = [ticks >> 32, ticks & 0xffff_ffff].map(|half| u32::try_from(half).expect("32 bits"));
        fields.u32(upper).u32(lower)
    }

    pub fn enhanced(self, interface: u32, ticks: u64, frame: &[u8]) -> Self {
        let body = Self::ticks(self.fields().u32(interface), ticks).u32(len32(frame)).u32(len32(frame)).padded(frame);
        let comment = self.options(&[(1, b"a comment")]);
        self.block(6, &body.raw(&comment).bytes)
    }

    pub fn obsolete(self, interface: u16, ticks: u64, frame: &[u8]) -> Self {
        let body = Self::ticks(self.fields().u16(interface).u16(7), ticks).u32(len32(frame)).u32(len32(frame));
        self.block(2, &body.padded(frame).bytes)
    }

    pub fn simple(self, original: u32, frame: &[u8]) -> Self {
        let body = self.fields().u32(original).padded(frame);
        self.block(3, &body.bytes)
    }

    pub fn statistics(self, interface: u32, options: &[Opt]) -> Self {
        let body = self.fields().u32(interface).u64(0).raw(&self.options(options));
        self.block(5, &body.bytes)
    }
}

/// gzip, each piece a member of its own.
pub fn gzip(pieces: &[&[u8]]) -> Vec<u8> {
    let mut file = Vec::new();
    for piece in pieces {
        let mut encoder = flate2::write::GzEncoder::new(&mut file, flate2::Compression::fast());
        encoder.write_all(piece).expect("memory takes everything");
        encoder.finish().expect("memory takes everything");
    }
    file
}

/// zstd, each piece a frame of its own.
pub fn zstd(pieces: &[&[u8]]) -> Vec<u8> {
    let frames = pieces.iter().map(|piece| zstd::encode_all(*piece, 1).expect("memory takes everything"));
    frames.flatten().collect()
}
