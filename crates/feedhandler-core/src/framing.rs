//! framing: the packet header, and where each message begins and ends.
//!
//! First of the sans-I/O stages: it turns a datagram into a [`Packet`] for arbitrate, and tells decode the messages of
//! a payload apart. Every length is checked before it is followed.

mod delimiter;
mod header;

pub use delimiter::{Block, Delimiter, Length};
pub use header::{Packet, PacketKind, SessionId, Standing};

use crate::malformed::Reason;
use crate::padded::Padded;
use crate::plan::PlanError;
use crate::spec::{FramingSpec, SequenceUnit};
use header::Header;

/// A transport, compiled.
#[derive(Debug)]
pub struct Framing {
    /// Name of the transport.
    pub name: String,
    /// What the sequence number counts.
    pub unit: SequenceUnit,
    /// Sequence number of the first unit of a session.
    pub first_sequence: u64,
    /// Bits of the sequence number: one of fewer than 64 wraps.
    pub sequence_bits: u32,
    /// A stream may carry several sequences, and each packet says to which it belongs.
    pub has_units: bool,
    /// How messages are told apart.
    pub delimiter: Delimiter,
    header: Header,
}

impl Framing {
    /// Compiles a transport.
    ///
    /// # Errors
    /// [`PlanError`] where a field stands outside the header or the parts contradict each other.
    pub fn new(spec: &FramingSpec) -> Result<Self, PlanError> {
        let header = Header::new(&spec.header)?;
        if (spec.counts == SequenceUnit::Nothing) == header.has_sequence() {
            let what = "`counts` is messages or packets exactly where the header has a sequence number";
            return Err(PlanError::new("framing", what));
        }
        if spec.counts == SequenceUnit::Messages && !header.has_count() {
            return Err(PlanError::new("framing", "where the sequence counts messages, the header must say how many"));
        }
        Ok(Self {
            name: spec.name.clone(),
            unit: spec.counts,
            first_sequence: spec.first_sequence,
            sequence_bits: header.sequence_bits(),
            has_units: header.has_units(),
            delimiter: Delimiter::new(&spec.delimiter)?,
            header,
        })
    }

    /// Reads a datagram's header.
    ///
    /// # Errors
    /// [`Reason`] where the header is short, of another protocol, lies about the payload's length, or counts beyond the
    /// end of the sequence numbers.
    #[inline]
    pub fn packet<'a>(&self, datagram: Padded<'a>) -> Result<Packet<'a>, Reason> {
        let mut packet = Packet::without_header(datagram);
        self.read(datagram, &mut packet)?;
        Ok(packet)
    }

    /// The same into `packet`, which must be one [without a header](Packet::without_header): a packet is too large to be handed
    /// around for each datagram.
    ///
    /// # Errors
    /// As [`Framing::packet`]; what `packet` is then means nothing.
    #[inline]
    pub fn read<'a>(&self, datagram: Padded<'a>, packet: &mut Packet<'a>) -> Result<(), Reason> {
        self.header.read(datagram, self.unit, packet)?;
        if let Delimiter::MsgpackArray = self.delimiter
            && packet.kind == PacketKind::Data
        {
            packet.enter_array()?;
        }
        if packet.sequence.checked_add(packet.units).is_none() {
            return Err(Reason::ImplausibleSequence);
        }
        Ok(())
    }

    /// What a packet holds, appended to `into`: the same for all copies of it, on whatever line and whenever sent.
    pub fn content(&self, datagram: &[u8], packet: &Packet<'_>, into: &mut Vec<u8>) {
        self.header.content(datagram, packet, into);
        into.extend_from_slice(packet.payload.bytes());
    }
}
