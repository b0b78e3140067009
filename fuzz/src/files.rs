//! Files: captures, and messages without packets.

use feedhandler_core::arbitrate::ArbiterOptions;
use feedhandler_core::capture::{Capture, Source};
use feedhandler_core::feed::{FileFeed, FileOptions, FileReport};

use super::protocols::Protocol;

/// Reads `bytes` as a capture, if that is what they are.
pub fn capture(bytes: &[u8]) {
    let Ok(mut capture) = Capture::from_bytes(bytes.to_vec()) else { return };
    let mut datagrams = 0;
    while let Ok(Some(datagram)) = capture.next_datagram() {
        assert!(datagram.payload.len() <= datagram.payload.slot().len());
        datagrams += 1;
    }
    let stats = capture.stats();
    assert!(datagrams <= stats.records, "{datagrams} datagrams of {stats:?}");
}

/// Reads `bytes` into batches, as a capture or as the protocol's bare messages; none where they are neither.
pub fn feed(protocol: &Protocol, bytes: &[u8]) -> Option<FileReport> {
    let source = Source::from_bytes(bytes.to_vec()).ok()?;
    let options = FileOptions {
        arbiter: ArbiterOptions::default(),
        batch_messages: 64,
        channels: Vec::new(),
        ..FileOptions::default()
    };
    let mut feed = FileFeed::new(source, &protocol.plan, &options).ok()?;
    let mut rows = 0;
    while let Ok(Some(batch)) = feed.next_batch() {
        rows += batch.order.len() as u64;
    }
    let report = feed.report();
    assert!(report.pipeline.ledger.is_balanced, "{:#?}", report.pipeline.ledger);
    assert_eq!(report.pipeline.ledger.channels.iter().map(|channel| channel.messages.rows).sum::<u64>(), rows);
    Some(report)
}
