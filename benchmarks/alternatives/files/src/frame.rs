//! From a captured Ethernet frame to the messages in its `MoldUDP64` packet.

/// Ethernet, IPv4 without options, UDP: what the generator writes.
const HEADERS_BYTES: usize = 14 + 20 + 8;
const ETHERTYPE_AT: usize = 12;
const ETHERTYPE_IPV4: [u8; 2] = [0x08, 0x00];
const PROTOCOL_AT: usize = 23;
const PROTOCOL_UDP: u8 = 17;
const END_OF_SESSION: u16 = 0xFFFF;

/// A `MoldUDP64` packet.
pub struct Packet<'a> {
    /// Its session.
    pub session: [u8; 10],
    /// Sequence number of its first message.
    pub sequence: u64,
    /// How many messages it has.
    pub count: u16,
    blocks: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet in a frame; none where there is no UDP datagram with one.
    pub fn in_frame(frame: &'a [u8]) -> Option<Self> {
        if frame.get(ETHERTYPE_AT..ETHERTYPE_AT + 2)? != ETHERTYPE_IPV4 || frame[PROTOCOL_AT] != PROTOCOL_UDP {
            return None;
        }
        let udp_bytes = usize::from(u16::from_be_bytes(frame.get(38..40)?.try_into().ok()?));
        let payload = frame.get(HEADERS_BYTES..HEADERS_BYTES + udp_bytes.checked_sub(8)?)?;
        let (session, rest) = payload.split_first_chunk::<10>()?;
        let (sequence, rest) = rest.split_first_chunk::<8>()?;
        let (count, blocks) = rest.split_first_chunk::<2>()?;
        let count = match u16::from_be_bytes(*count) {
            END_OF_SESSION => 0,
            count => count,
        };
        Some(Self { session: *session, sequence: u64::from_be_bytes(*sequence), count, blocks })
    }

    /// The bytes of its messages.
    pub fn messages(&self) -> impl Iterator<Item = &'a [u8]> {
        let mut rest = self.blocks;
        (0..self.count).map_while(move |_| {
            let (length, behind) = rest.split_first_chunk::<2>()?;
            let (message, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
            rest = behind;
            Some(message)
        })
    }
}
