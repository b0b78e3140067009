//! Every kernel makes the same of a packet.

use crate::batch::BatchBuilder;
use crate::decode::fixed::kernel::KernelKind;
use crate::decode::{Decoder, Payload};
use crate::framing::Delimiter;
use crate::layout::Leading;
use crate::padded::{Padded, SLACK_BYTES};
use crate::plan::{MessagesPlan, Plan};
use crate::spec::{DelimiterSpec, SequenceUnit};
use proptest::prelude::*;

const BOOK: &str = include_str!("../../../tests/plans/cme-mdp3.json");
const EVERYTHING: &str = include_str!("../../../tests/plans/everything.json");

fn kernels() -> Vec<KernelKind> {
    let mut kernels = vec![KernelKind::Portable];
    #[cfg(target_arch = "x86_64")]
    match KernelKind::best() {
        KernelKind::Avx512 => kernels.extend([KernelKind::Ssse3, KernelKind::Avx512]),
        best => kernels.push(best),
    }
    kernels
}

/// What a kernel makes of messages: each table's bytes, those of the order, and fates.
fn decoded(plan: &mut Plan, kernel: KernelKind, payload: &[u8]) -> (Vec<Vec<u8>>, String) {
    if let MessagesPlan::Sbe(messages) = &mut plan.messages {
        messages.kernel = kernel;
    }
    let slot = [payload, &[0xEE; SLACK_BYTES]].concat();
    let leading = Leading { seq: 7, ts_recv_ns: 8, channel: 9 };
    let bytes = Padded::new(&slot, payload.len());
    let payload = Payload { bytes, messages: None, skip: 0, leading, unit: SequenceUnit::Messages };
    let (mut decoder, mut out) = (Decoder::new(plan), BatchBuilder::new(plan));
    let delimiter = Delimiter::new(&DelimiterSpec::Sbe {}).expect("it has nothing to be wrong");
    let fates = decoder.packet(plan, &delimiter, &payload, &mut out);
    let batch = out.finish();
    let tables = batch.tables.iter().map(|rows| rows.as_ref().map_or(Vec::new(), |rows| rows.bytes().to_vec()));
    (tables.chain([batch.order.bytes().to_vec()]).collect(), format!("{fates:?} {:?}", decoder.counts()))
}

fn bytes(count: usize) -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(prop_oneof![Just(b' '), Just(0), any::<u8>()], count)
}

fn head(root: u16, template: u16, version: u16) -> Vec<u8> {
    [root, template, 9, version].map(u16::to_le_bytes).concat()
}

/// An incremental book of any version, its blocks as long as stated or longer.
fn book() -> impl Strategy<Value = Vec<u8>> {
    (0..4_u16, 0..2_u8, 0..7_u8, 0..7_u8, bytes(600)).prop_map(|(version, more, entries, orders, filler)| {
        let more = more * 3;
        let take = |from: usize, count: usize| filler[from..from + count].to_vec();
        let mut message = head(11 + u16::from(more), 7, version);
        message.extend(take(0, 11 + usize::from(more)));
        message.extend([32 + more, 0, entries]);
        message.extend(take(14, usize::from(entries) * usize::from(32 + more)));
        if version > 0 {
            message.extend([16, 0, 1, 2, 3, 4, 5, orders]);
            message.extend(take(300, usize::from(orders) * 16));
        }
        message
    })
}

fn definition() -> impl Strategy<Value = Vec<u8>> {
    bytes(20).prop_map(|root| [head(20, 4, 2), root].concat())
}

/// A quote of everything, by a version that has all fields or not, with text and bytes behind it.
fn quote() -> impl Strategy<Value = Vec<u8>> {
    (0..4_u8, bytes(83), 0..30_u8).prop_flat_map(|(version, root, count)| {
        bytes(usize::from(count)).prop_map(move |text| {
            let mut message = vec![version, 0, 77, 1, 44, 0, 0, 0, 0, 83];
            message.extend(&root);
            if version >= 1 {
                message.extend([0, u8::try_from(text.len()).expect("short")]);
                message.extend(&text);
            }
            if version >= 3 {
                message.push(u8::try_from(text.len()).expect("short"));
                message.extend(&text);
            }
            message
        })
    })
}

fn check(json: &str, messages: &[Vec<u8>]) -> Result<(), TestCaseError> {
    let mut plan = Plan::from_json(json.as_bytes()).expect("a plan of the tests");
    let payload = messages.concat();
    let plain = decoded(&mut plan, KernelKind::Portable, &payload);
    for kernel in kernels() {
        prop_assert_eq!(&decoded(&mut plan, kernel, &payload), &plain, "{:?}", kernel);
    }
    let rows = plain.0.last().map_or(0, |order| order.len() / crate::batch::ORDER_BYTES);
    prop_assert_eq!(rows, messages.len(), "{}", plain.1);
    Ok(())
}

proptest! {
    #[test]
    fn every_kernel_makes_the_same_of_books(messages in prop::collection::vec(prop_oneof![book(), definition()], 1..12)) {
        check(BOOK, &messages)?;
    }

    #[test]
    fn every_kernel_makes_the_same_of_everything(messages in prop::collection::vec(quote(), 1..6)) {
        check(EVERYTHING, &messages)?;
    }
}
