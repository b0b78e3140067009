//! Files that we write, as their reader sees them: whole, cut off anywhere, and left in the midst.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use feedhandler_core::capture::write::{
    CaptureFile, Compression, IndexEntry, IndexFile, InterfaceDescription, InterfaceStatistics, Names, PacketBlock,
    index_path, is_closed,
};
use feedhandler_core::capture::{BlockKind, Capture};
use proptest::prelude::*;

use crate::packets::Packet;
use crate::writer::{LITTLE, Pcapng};
use crate::{packets, read, times};

/// A folder that goes with the test.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("capture-written.{}.{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).expect("a temporary folder");
        Self(path)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn touch(&self, name: &str) {
        std::fs::write(self.file(name), []).expect("a temporary file");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const BOTH: [Compression; 2] = [Compression::None, Compression::Zstd];

fn interfaces() -> [InterfaceDescription; 2] {
    let interface = |name: &str| InterfaceDescription {
        name: name.into(),
        description: format!("{name}, described"),
        address: None,
        comment: format!("{{\"line\":\"{name}\"}}"),
    };
    [interface("feed A"), interface("feed B")]
}

fn create(path: &Path, compression: Compression) -> CaptureFile {
    CaptureFile::create(path, compression, "what it is", &interfaces()).expect("a temporary file")
}

fn add(file: &mut CaptureFile, ts_ns: u64, packet: &Packet) {
    file.add(&PacketBlock {
        interface: u32::from(packet.source.is_ipv6()),
        ts_ns,
        sender: Some(packet.source),
        destination: packet.destination,
        sent_bytes: packet.payload.len(),
        payload: &packet.payload,
        dropped: 3,
    });
}

fn statistics(received: u64) -> InterfaceStatistics {
    InterfaceStatistics { received, dropped: 3, delivered: received - 3, ..InterfaceStatistics::default() }
}

/// Some packets in frames of two, and the trailer.
fn whole(path: &Path, compression: Compression) -> Vec<Packet> {
    let packets: Vec<_> = (0..7).map(|number| Packet::v4(&[number; 40])).collect();
    let mut file = create(path, compression);
    for pair in packets.chunks(2) {
        pair.iter().zip(10..).for_each(|(packet, ts_ns)| add(&mut file, ts_ns, packet));
        file.flush().expect("a temporary file");
    }
    file.close(&[statistics(10), statistics(11)], "the trailer").expect("a temporary file");
    packets
}

proptest! {
    #[test]
    fn what_was_written_is_read(
        datagrams in prop::collection::vec((any::<u64>(), any::<bool>(), prop::collection::vec(any::<u8>(), 0..200)), 0..20),
        flushed in 1_usize..5,
    ) {
        let folder = Folder::new();
        for compression in BOTH {
            let path = folder.file(&format!("{compression:?}"));
            let mut file = create(&path, compression);
            let mut written = Vec::new();
            for (count, (ts_ns, is_v6, payload)) in datagrams.iter().enumerate() {
                let packet = if *is_v6 { Packet::v6(payload) } else { Packet::v4(payload) };
                add(&mut file, *ts_ns, &packet);
                written.push(packet);
                if count % flushed == 0 {
                    file.flush().unwrap();
                }
            }
            let bytes = file.close(&[statistics(10), statistics(11)], "the trailer").unwrap();
            prop_assert_eq!(bytes, std::fs::metadata(&path).unwrap().len());
            let (seen, stats) = read(&std::fs::read(&path).unwrap());
            prop_assert_eq!(packets(&seen), written);
            prop_assert_eq!(times(&seen), datagrams.iter().map(|(ts_ns, ..)| *ts_ns).collect::<Vec<_>>());
            prop_assert_eq!(&stats.truncated, &None);
            prop_assert_eq!((stats.comment.as_deref(), stats.trailer.as_deref()), (Some("what it is"), Some("the trailer")));
            for (interface, described) in stats.interfaces.iter().zip(interfaces()) {
                prop_assert_eq!(interface.name.as_ref(), Some(&described.name));
                prop_assert_eq!(interface.description.as_ref(), Some(&described.description));
                prop_assert_eq!(interface.comment.as_ref(), Some(&described.comment));
                prop_assert_eq!(interface.dropped, Some(3));
            }
            prop_assert_eq!([stats.interfaces[0].received, stats.interfaces[1].received], [Some(10), Some(11)]);
            prop_assert!(is_closed(&path).unwrap());
        }
    }

    /// A time goes into ticks of any unit that can tell nanoseconds apart, and comes out as it was.
    #[test]
    fn times_are_equal_to_the_nanosecond_whatever_the_resolution(
        seconds in 0_u64..16_777_216, ns in 0_u64..1_000_000_000, tsresol in prop_oneof![9_u8..=12, 0x80_u8 + 30..=0x80 + 40],
    ) {
        let time_ns = seconds * 1_000_000_000 + ns;
        let ticks = if tsresol & 0x80 == 0 {
            u128::from(time_ns) * 10_u128.pow(u32::from(tsresol) - 9)
        } else {
            // The first tick that is not before the time.
            (u128::from(time_ns) << (tsresol & 0x7f)).div_ceil(1_000_000_000)
        };
        let frame = Packet::v4(b"x").ethernet();
        let file = Pcapng::new(LITTLE).interface(1, 0, &[(9, &[tsresol])]);
        let (seen, _) = read(&file.enhanced(0, u64::try_from(ticks).unwrap(), &frame).file);
        prop_assert_eq!(times(&seen), [time_ns]);
    }
}

#[test]
fn a_file_that_is_cut_off_anywhere_has_every_block_that_is_whole() {
    let folder = Folder::new();
    let path = folder.file("whole.pcapng");
    let written = whole(&path, Compression::None);
    let file = std::fs::read(&path).unwrap();
    let ends = block_ends(&file);
    for cut in ends[0]..file.len() {
        let (seen, stats) = read(&file[..cut]);
        let blocks = ends.iter().filter(|end| **end <= cut).count();
        // A section header and two interfaces stand in front.
        assert_eq!(packets(&seen), written[..blocks.saturating_sub(3).min(7)], "{cut} bytes");
        assert_eq!(stats.truncated.is_none(), ends.contains(&cut), "{cut} bytes");
        assert_eq!(stats.trailer, None);
        std::fs::write(&path, &file[..cut]).unwrap();
        assert!(!is_closed(&path).unwrap(), "{cut} bytes");
    }
}

/// Where each block ends.
fn block_ends(file: &[u8]) -> Vec<usize> {
    let mut ends = vec![0];
    while let Some(length) = ends.last().and_then(|end| file.get(end + 4..end + 8)) {
        ends.push(ends[ends.len() - 1] + u32::from_le_bytes(length.try_into().expect("four bytes")) as usize);
    }
    ends.split_off(1)
}

#[test]
fn a_compressed_file_that_is_cut_off_anywhere_has_every_frame_that_is_whole() {
    let folder = Folder::new();
    let path = folder.file("whole.pcapng.zst");
    let written = whole(&path, Compression::Zstd);
    let file = std::fs::read(&path).unwrap();
    let (table, frames) = seek_table(&file);
    let ends = frames.iter().scan(0, |end, (compressed, _)| {
        *end += compressed;
        Some(*end)
    });
    let ends = ends.collect::<Vec<_>>();
    assert_eq!(ends.last(), Some(&table), "the table stands behind the last frame");
    for cut in ends[0]..file.len() {
        let (seen, _) = read(&file[..cut]);
        let frames = ends.iter().filter(|end| **end <= cut).count();
        assert!(packets(&seen).len() >= (2 * (frames - 1)).min(7), "{cut} bytes");
        assert_eq!(packets(&seen), written[..seen.len()]);
        std::fs::write(&path, &file[..cut]).unwrap();
        assert!(!is_closed(&path).unwrap(), "{cut} bytes");
    }
}

/// Where the seek table begins, and the lengths of frames in it, as the format's description says them.
fn seek_table(file: &[u8]) -> (usize, Vec<(usize, usize)>) {
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().expect("four bytes")) as usize;
    let footer = file.len() - 9;
    assert_eq!((word(footer + 5), file[footer + 4]), (0x8f92_eab1, 0));
    let start = footer - 8 * word(footer) - 8;
    assert_eq!((word(start), word(start + 4)), (0x184d_2a5e, file.len() - start - 8));
    (start, (start + 8..footer).step_by(8).map(|at| (word(at), word(at + 4))).collect())
}

#[test]
fn each_frame_can_be_read_alone() {
    let folder = Folder::new();
    let (plain, compressed) = (folder.file("a.pcapng"), folder.file("a.pcapng.zst"));
    whole(&plain, Compression::None);
    whole(&compressed, Compression::Zstd);
    let (plain, compressed) = (std::fs::read(&plain).unwrap(), std::fs::read(&compressed).unwrap());
    let (mut at, mut of_plain) = (0, 0);
    for (length, plain_length) in seek_table(&compressed).1 {
        let frame = zstd::decode_all(&compressed[at..at + length]).unwrap();
        assert_eq!(frame, plain[of_plain..of_plain + plain_length]);
        (at, of_plain) = (at + length, of_plain + plain_length);
    }
    assert_eq!(of_plain, plain.len());
}

#[test]
fn a_datagram_whose_end_was_not_received_is_told_as_cut_off() {
    let folder = Folder::new();
    let path = folder.file("cut.pcapng");
    let mut file = create(&path, Compression::None);
    let Packet { source, destination, payload } = Packet::v4(&[1; 60]);
    file.add(&PacketBlock {
        interface: 0,
        ts_ns: 1,
        sender: Some(source),
        destination,
        sent_bytes: 100,
        payload: &payload,
        dropped: 0,
    });
    file.close(&[], "").unwrap();
    let (seen, stats) = read(&std::fs::read(&path).unwrap());
    assert_eq!((seen.len(), stats.records, stats.snapped), (0, 1, 1));
}

#[test]
fn no_file_is_overwritten() {
    let folder = Folder::new();
    let path = folder.file("a.pcapng");
    whole(&path, Compression::None);
    let before = std::fs::read(&path).unwrap();
    let refused = CaptureFile::create(&path, Compression::None, "", &[]).err().unwrap();
    assert_eq!(refused.kind(), std::io::ErrorKind::AlreadyExists);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_file_without_packets_is_a_capture() {
    let folder = Folder::new();
    for compression in BOTH {
        let path = folder.file(&format!("{compression:?}"));
        create(&path, compression).close(&[statistics(3), statistics(3)], "nothing").unwrap();
        let mut capture = Capture::open(&path).unwrap();
        assert!(capture.next_datagram().unwrap().is_none());
        assert_eq!(capture.stats().trailer.as_deref(), Some("nothing"));
        assert_eq!(capture.stats().blocks.of(BlockKind::InterfaceStatistics), 2);
    }
}

#[test]
fn names_go_on_behind_the_files_that_are_there() {
    let folder = Folder::new();
    let names = |is_numbered| Names::new(&folder.file("day.pcapng"), is_numbered).unwrap();
    let next = |is_numbered| names(is_numbered).next_path().file_name().unwrap().to_owned();
    assert_eq!((next(false), next(true)), ("day.pcapng".into(), "day.0001.pcapng".into()));
    assert_eq!(names(false).previous(), None);
    folder.touch("day.pcapng");
    assert_eq!((next(false), next(true)), ("day.0002.pcapng".into(), "day.0002.pcapng".into()));
    assert_eq!(names(false).previous(), Some(folder.file("day.pcapng")));
    for other in ["day.0009.pcapng.zst", "day.3.pcapng", "day.0x10.pcapng", "today.0007.pcapng", "day.0008.pcapng.idx"]
    {
        folder.touch(other);
    }
    assert_eq!(next(false), "day.0002.pcapng");
    folder.touch("day.12345.pcapng");
    assert_eq!((next(false), next(true)), ("day.12346.pcapng".into(), "day.12346.pcapng".into()));
    assert_eq!(names(true).previous(), Some(folder.file("day.12345.pcapng")));
    let mut counting = names(true);
    counting.advance();
    assert_eq!((counting.number(), counting.next_path()), (12_347, folder.file("day.12347.pcapng")));
}

#[test]
fn names_say_how_a_file_is_compressed() {
    let folder = Folder::new();
    let compression = |name: &str| Names::new(&folder.file(name), false).map(|names| names.compression());
    assert_eq!(compression("a.pcapng").unwrap(), Compression::None);
    assert_eq!(compression("a.b.pcapng.zst").unwrap(), Compression::Zstd);
    for name in ["a.pcap", ".pcapng", "a", "a.pcapng.gz", "a.pcapng/"] {
        let refused = compression(name).map(|found| format!("{found:?}"));
        assert!(name.ends_with('/') || refused.is_err(), "{name}: {refused:?}");
    }
    assert!(Names::new(&folder.file("no/folder/a.pcapng"), false).is_err());
}

#[test]
fn an_index_says_of_each_run_where_it_begins_one_object_a_line() {
    let folder = Folder::new();
    let capture = folder.file("a.pcapng");
    assert_eq!(index_path(&capture), folder.file("a.pcapng.idx"));
    let mut index = IndexFile::create(&capture).unwrap();
    let entry = IndexEntry {
        offset: 1,
        file_offset: 2,
        packet: 3,
        packets: 4,
        first_ts_ns: 5,
        last_ts_ns: 6,
        expected: [("feed".to_owned(), 7)].into(),
    };
    index.add(&entry).unwrap();
    let text = std::fs::read_to_string(index_path(&capture)).unwrap();
    assert_eq!(
        text.lines().collect::<Vec<_>>(),
        [
            r#"{"format":"feedhandler-index","version":1,"capture":"a.pcapng"}"#,
            r#"{"offset":1,"file_offset":2,"packet":3,"packets":4,"first_ts_ns":5,"last_ts_ns":6,"expected":{"feed":7}}"#,
        ]
    );
}
