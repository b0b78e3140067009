//! `UDP_SEGMENT` (Linux 4.18): one message that the kernel divides into datagrams of one size, the last perhaps shorter.

use std::io;

use super::batch::{Batch, Packet};

/// Datagrams in one message: `UDP_MAX_SEGMENTS` of the oldest kernels that have it.
const MOST_SEGMENTS: usize = 64;
/// Bytes of one message, which is a UDP payload to the kernel.
const MOST_BYTES: usize = 65_000;
/// Longest datagram that is joined with others: it must fit the network's packets (Ethernet: 1,500 bytes, less the
/// headers of IPv6 and UDP).
const MOST_SEGMENT_BYTES: usize = 1_452;

/// How many of the first of `packets` may be one message, at least 1.
pub(super) fn joinable(batch: &Batch, packets: &[Packet]) -> usize {
    let Some(first) = packets.first() else { return 1 };
    let bytes = batch.payload(first).len();
    if !(1..=MOST_SEGMENT_BYTES).contains(&bytes) {
        return 1;
    }
    let most = MOST_SEGMENTS.min(MOST_BYTES / bytes);
    let is_same = |packet: &&Packet| packet.to == first.to && batch.payload(packet).len() == bytes;
    let same = packets.iter().take(most).take_while(is_same).count();
    let is_shorter = |packet: &Packet| packet.to == first.to && (1..bytes).contains(&batch.payload(packet).len());
    same + usize::from(same < most && packets.get(same).is_some_and(is_shorter))
}

/// Whether the kernel, or the way to a destination, does not divide messages.
pub(super) fn cannot_join(error: &io::Error) -> bool {
    matches!(error.raw_os_error(), Some(libc::EINVAL | libc::EIO | libc::EOPNOTSUPP | libc::EMSGSIZE))
}

/// Room for the control message that says the size.
#[derive(Clone, Copy, Debug, Default)]
#[repr(C, align(8))]
pub(super) struct SegmentControl([u8; SPACE_BYTES]);

/// What a control message of two bytes takes, rounded up to whole words.
const SPACE_BYTES: usize = 24;

impl SegmentControl {
    /// Makes a message one of datagrams of `bytes`.
    pub fn attach(&mut self, header: &mut libc::msghdr, bytes: usize) {
        header.msg_control = self.0.as_mut_ptr().cast();
        header.msg_controllen = SPACE_BYTES as _;
        let size = u16::try_from(bytes).unwrap_or(u16::MAX);
        // SAFETY: `self` has room for, and is aligned as, the one control message whose header and data are written.
        unsafe {
            let control = &mut *libc::CMSG_FIRSTHDR(header);
            control.cmsg_level = libc::SOL_UDP;
            control.cmsg_type = libc::UDP_SEGMENT;
            control.cmsg_len = libc::CMSG_LEN(2) as _;
            libc::CMSG_DATA(control).cast::<u16>().write_unaligned(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(sizes: &[(usize, usize)]) -> usize {
        let mut batch = Batch::default();
        for &(to, bytes) in sizes {
            batch.push(None, to, &vec![0; bytes]);
        }
        joinable(&batch, batch.packets())
    }

    #[test]
    fn datagrams_of_one_size_to_one_destination_are_joined() {
        assert_eq!(joined(&[(0, 200); 5]), 5);
        assert_eq!(joined(&[(0, 200), (0, 200), (1, 200)]), 2);
        assert_eq!(joined(&[(0, 200), (0, 200), (0, 100), (0, 100)]), 3, "the last may be shorter");
        assert_eq!(joined(&[(0, 200), (0, 201)]), 1);
        assert_eq!(joined(&[(0, 200), (0, 0)]), 1, "and not empty");
        assert_eq!(joined(&[(0, 0), (0, 0)]), 1);
        assert_eq!(joined(&[(0, 1_453), (0, 1_453)]), 1, "longer than a network carries");
        assert_eq!(joined(&[(0, 1_400); 60]), 46, "all of it is a UDP payload");
        assert_eq!(joined(&[(0, 10); 70]), 64);
    }

    #[test]
    fn the_control_message_has_room() {
        // SAFETY: a calculation with a number.
        assert_eq!(unsafe { libc::CMSG_SPACE(2) } as usize, SPACE_BYTES);
    }
}
