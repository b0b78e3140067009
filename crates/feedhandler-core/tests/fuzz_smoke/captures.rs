//! Small captures to spoil: pcap and pcapng, in both byte orders, with packets of a protocol in them.

use crate::fuzz::chance::Chance;
use crate::fuzz::encoder::{self, Header};
use crate::fuzz::protocols;

/// One capture of each kind.
pub fn samples() -> Vec<Vec<u8>> {
    let frames: Vec<_> = (0..4).map(frame).collect();
    vec![
        pcap(&frames),
        pcapng(&frames, u32::to_le_bytes, u16::to_le_bytes),
        pcapng(&frames, u32::to_be_bytes, u16::to_be_bytes),
    ]
}

/// An Ethernet frame with IPv4 and UDP around a packet of IEX TOPS.
fn frame(number: u8) -> Vec<u8> {
    let spec = protocols::iex_tops().spec;
    let choices = [number; 200];
    let message = encoder::message(&spec, usize::from(number) % encoder::types(&spec), &mut Chance::new(&choices));
    let payload = encoder::packet(&spec, Header { session: 1, sequence: u64::from(number) + 1, count: 1 }, &[message]);
    let length = |more: usize| u16::try_from(payload.len() + more).expect("a short packet").to_be_bytes();
    let ethernet = [&[0; 12][..], &[8, 0]].concat();
    let ip = [&[0x45, 0][..], &length(28), &[0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 1, 239, 0, 0, 1]].concat();
    let udp = [&[0x1f, 0x90, 0x1f, 0x91][..], &length(8), &[0, 0]].concat();
    [ethernet, ip, udp, payload].concat()
}

fn pcap(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut file = [0xa1b2_c3d4_u32.to_le_bytes(), [2, 0, 4, 0], [0; 4], [0; 4], [0, 0, 1, 0], [1, 0, 0, 0]].concat();
    for (frame, second) in frames.iter().zip(0_u32..) {
        let length = u32::try_from(frame.len()).expect("a short frame").to_le_bytes();
        file.extend([second.to_le_bytes(), [0; 4], length, length].concat());
        file.extend(frame);
    }
    file
}

fn pcapng(frames: &[Vec<u8>], word: fn(u32) -> [u8; 4], half: fn(u16) -> [u8; 2]) -> Vec<u8> {
    let block = |kind: u32, body: &[u8]| {
        let padded = body.len().next_multiple_of(4);
        let total = word(u32::try_from(padded + 12).expect("a short block"));
        let mut block = [&word(kind)[..], &total, body].concat();
        block.resize(padded + 8, 0);
        block.extend(total);
        block
    };
    let section = [&word(0x1a2b_3c4d)[..], &half(1), &half(0), &[0xff; 8]].concat();
    let interface = [&half(1)[..], &half(0), &word(0), &half(9), &half(1), &[9, 0, 0, 0], &[0; 4]].concat();
    let mut file = [block(0x0a0d_0d0a, &section), block(1, &interface)].concat();
    for (frame, time) in frames.iter().zip(0_u32..) {
        let length = word(u32::try_from(frame.len()).expect("a short frame"));
        let enhanced = [&word(0)[..], &word(0), &word(time), &length, &length, frame].concat();
        file.extend(block(6, &enhanced));
        file.extend(block(3, &[&length[..], frame].concat()));
    }
    file
}

#[test]
fn the_samples_are_good() {
    for file in samples() {
        let report = crate::fuzz::files::feed(&protocols::iex_tops(), &file).expect("a capture");
        assert_eq!((report.pipeline.by_type.len(), report.truncated), (4, false), "{report:#?}");
    }
}
