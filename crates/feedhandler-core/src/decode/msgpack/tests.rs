//! The short ways give what the long way gives, whatever the bytes are.

use proptest::prelude::*;

use super::MsgpackPlan;
use crate::batch::BatchBuilder;
use crate::decode::{Decoded, Decoder, Payload};
use crate::framing::Delimiter;
use crate::layout::Leading;
use crate::malformed::Reason;
use crate::padded::Padded;
use crate::plan::{MessagesPlan, Plan};
use crate::spec::{
    ByteOrder, CodeSpec, CodeValue, DelimiterSpec, FramingSpec, HeaderSpec, IntSpec, MessagesSpec, MsgpackFieldSpec,
    MsgpackKind, MsgpackMessageSpec, ProtocolSpec, SequenceUnit, StepSpec,
};

/// Columns whose widths leave gaps in a row, in every kind that goes the short way.
const MIXED: [(MsgpackKind, usize, bool); 13] = [
    (MsgpackKind::Uint, 1, false),
    (MsgpackKind::Int, 8, true),
    (MsgpackKind::Uint, 2, true),
    (MsgpackKind::Int, 1, false),
    (MsgpackKind::Uint, 8, true),
    (MsgpackKind::Bool, 1, true),
    (MsgpackKind::Float, 4, true),
    (MsgpackKind::Int, 4, false),
    (MsgpackKind::Float, 8, true),
    (MsgpackKind::Int, 2, true),
    (MsgpackKind::Uint, 4, false),
    (MsgpackKind::Bool, 1, false),
    (MsgpackKind::Int, 8, false),
];

const NUMBERS: [(MsgpackKind, usize, bool); 3] =
    [(MsgpackKind::Uint, 1, false), (MsgpackKind::Uint, 4, false), (MsgpackKind::Int, 8, true)];

/// As many as two messages at once may have, in a row of one register.
const PAIRED: [(MsgpackKind, usize, bool); 7] = [
    (MsgpackKind::Uint, 1, false),
    (MsgpackKind::Int, 4, false),
    (MsgpackKind::Uint, 2, true),
    (MsgpackKind::Float, 8, false),
    (MsgpackKind::Int, 8, true),
    (MsgpackKind::Int, 2, false),
    (MsgpackKind::Uint, 8, false),
];

/// As many as a message that goes a short way may have, in a row of three registers.
const MANY: [(MsgpackKind, usize, bool); 15] = {
    let mut columns = [(MsgpackKind::Uint, 8, false); 15];
    columns[1] = (MsgpackKind::Uint, 1, false);
    columns[5] = (MsgpackKind::Int, 1, true);
    columns[9] = (MsgpackKind::Float, 8, true);
    columns
};

fn message(code: Option<i64>, columns: &[(MsgpackKind, usize, bool)]) -> MsgpackMessageSpec {
    let field = |(index, (kind, width, nullable)): (usize, &(MsgpackKind, usize, bool))| MsgpackFieldSpec {
        name: format!("f{index}"),
        path: vec![StepSpec::Index(index)],
        kind: *kind,
        width: *width,
        optional: false,
        nullable: *nullable,
        null: -3,
    };
    MsgpackMessageSpec {
        name: format!("m{code:?}"),
        codes: code.iter().map(|code| CodeSpec { value: CodeValue::Int(*code), text: code.to_string() }).collect(),
        fields: columns.iter().enumerate().map(field).collect(),
    }
}

/// A plan for messages told apart by their first element, or for one message.
fn plan(has_code: bool) -> Plan {
    let (code, messages) = if has_code {
        let coded = [(1, &MIXED[..]), (2, &NUMBERS), (3, &PAIRED), (4, &MANY)]
            .map(|(code, columns)| message(Some(code), columns));
        (Some(vec![StepSpec::Index(0)]), coded.to_vec())
    } else {
        (None, vec![message(None, &MIXED)])
    };
    let framing = FramingSpec {
        name: "none".into(),
        header: HeaderSpec::None {},
        counts: SequenceUnit::Nothing,
        first_sequence: 1,
        delimiter: DelimiterSpec::Msgpack {},
    };
    let messages = MessagesSpec::Msgpack { code, messages };
    Plan::new(&ProtocolSpec { name: "test".into(), framing, file: None, messages, book: None, instruments: Vec::new() })
        .expect("the plan is sound")
}

/// The plan with the short way that every CPU has.
fn plain_plan(has_code: bool) -> Plan {
    let mut plan = plan(has_code);
    let MessagesPlan::Msgpack(MsgpackPlan { messages, .. }) = &mut plan.messages else { panic!("it is msgpack") };
    for flat in messages.iter_mut().filter_map(|message| message.flat.as_mut()) {
        flat.wide = None;
    }
    plan
}

/// The plan without a short way.
fn long_plan(has_code: bool) -> Plan {
    let mut plan = plan(has_code);
    let MessagesPlan::Msgpack(MsgpackPlan { heads, .. }) = &mut plan.messages else { panic!("it is msgpack") };
    assert!(heads.take().is_some(), "the messages have a short way");
    plan
}

/// All that decoding a packet leaves behind.
#[derive(Debug, PartialEq)]
struct Outcome {
    fates: Result<(u64, u64, u64, u64, u64, u64), Reason>,
    fault: Option<(u64, Reason)>,
    counts: Vec<u64>,
    unknown: Vec<crate::decode::UnknownCode>,
    order: Vec<u8>,
    tables: Vec<Option<Vec<u8>>>,
}

fn outcome(
    plan: &Plan,
    bytes: &[u8],
    slack: usize,
    delimiter: &Delimiter,
    messages: Option<u64>,
    skip: u64,
) -> Outcome {
    let slot = [bytes, &vec![0x01; slack]].concat();
    let (mut decoder, mut out) = (Decoder::new(plan), BatchBuilder::new(plan));
    let leading = Leading { seq: 7, ts_recv_ns: u64::MAX, channel: 0xabcd };
    let unit = SequenceUnit::Messages;
    let payload = Payload { bytes: Padded::new(&slot, bytes.len()), messages, skip, leading, unit };
    let fates = decoder.packet(plan, delimiter, &payload, &mut out);
    let fault = fates.as_ref().ok().and_then(|fates| fates.faults.first().map(|fault| (fault.place, fault.reason)));
    let batch = out.finish();
    Outcome {
        fates: fates.map(|Decoded { messages, rows, unknown, malformed, trailing_bytes, digest, .. }| {
            (messages, rows, unknown, malformed, trailing_bytes, digest.value())
        }),
        fault,
        counts: decoder.counts().to_vec(),
        unknown: decoder.unknown().to_vec(),
        order: batch.order.bytes().to_vec(),
        tables: batch.tables.iter().map(|table| table.as_ref().map(|rows| rows.bytes().to_vec())).collect(),
    }
}

/// A value in any form, most of them the usual ones.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let number = |first: u8, bytes: usize| {
        prop_oneof![
            prop::collection::vec(any::<u8>(), bytes),
            (0_u8..=0xff).prop_map(move |low| {
                let mut number = vec![0; bytes];
                number[bytes - 1] = low;
                number
            }),
        ]
        .prop_map(move |number| [&[first], number.as_slice()].concat())
    };
    prop_oneof![
        12 => (0_u8..=0x7f).prop_map(|first| vec![first]),
        4 => number(0xcc, 1),
        4 => number(0xcd, 2),
        4 => number(0xce, 4),
        4 => number(0xcf, 8),
        2 => (0xe0_u8..=0xff).prop_map(|first| vec![first]),
        1 => number(0xd0, 1),
        1 => number(0xd1, 2),
        1 => number(0xd2, 4),
        1 => number(0xd3, 8),
        2 => number(0xca, 4),
        3 => number(0xcb, 8),
        3 => prop::sample::select(vec![vec![0xc0], vec![0xc2], vec![0xc3]]),
        1 => prop::sample::select(vec![vec![0xa1, b'x'], vec![0xc1], vec![0x91, 0x01], vec![0xd4, 0xff, 0x00]]),
    ]
}

/// A value that fits a column.
fn fitting((kind, width, nullable): (MsgpackKind, usize, bool)) -> BoxedStrategy<Vec<u8>> {
    let most = if width == 8 { u64::MAX } else { (1 << (width * 8)) - 1 };
    let unsigned =
        move |most: u64| (any::<u64>(), 0_u32..64).prop_map(move |(number, shift)| packed((number >> shift).min(most)));
    let usual = match kind {
        MsgpackKind::Uint => unsigned(most).boxed(),
        MsgpackKind::Int => prop_oneof![unsigned(most >> 1), (0xe0_u8..=0xff).prop_map(|first| vec![first])].boxed(),
        MsgpackKind::Bool => prop::sample::select(vec![vec![0xc2], vec![0xc3]]).boxed(),
        _ => any::<f64>().prop_map(|number| [&[0xcb][..], &number.to_be_bytes()].concat()).boxed(),
    };
    if nullable { prop_oneof![9 => usual, 1 => Just(vec![0xc0])].boxed() } else { usual }
}

/// The shortest form of a number.
fn packed(number: u64) -> Vec<u8> {
    let bytes = number.to_be_bytes();
    match number {
        0..=0x7f => vec![bytes[7]],
        0x80..=0xff => vec![0xcc, bytes[7]],
        0x100..=0xffff => [&[0xcd], &bytes[6..]].concat(),
        0x1_0000..=0xffff_ffff => [&[0xce], &bytes[4..]].concat(),
        _ => [&[0xcf], &bytes[..]].concat(),
    }
}

fn array(elements: &[Vec<u8>]) -> Vec<u8> {
    let head = 0x90 | u8::try_from(elements.len()).expect("few elements");
    [vec![head], elements.concat()].concat()
}

/// A message that fits its declaration, or one that need not.
fn any_message(has_code: bool) -> impl Strategy<Value = Vec<u8>> {
    let fields = |columns: &[(MsgpackKind, usize, bool)]| columns.iter().map(|c| fitting(*c)).collect::<Vec<_>>();
    let with = |code: u8, mut fields: Vec<Vec<u8>>| {
        fields[0] = vec![code];
        array(&fields)
    };
    let mixed = fields(&MIXED).prop_map(move |fields| if has_code { with(1, fields) } else { array(&fields) });
    let numbers = fields(&NUMBERS).prop_map(move |fields| with(2, fields));
    let paired = fields(&PAIRED).prop_map(move |fields| with(3, fields));
    let many = fields(&MANY).prop_map(move |fields| with(4, fields));
    let coded = prop::collection::vec(value(), 13).prop_map(move |fields| with(1, fields));
    let almost = (fields(&PAIRED), fields(&MANY), any::<bool>(), 1_usize..15, value()).prop_map(
        move |(paired, many, is_many, index, value)| {
            let (code, mut fields) = if is_many { (4, many) } else { (3, paired) };
            let index = index % fields.len();
            fields[index] = value;
            with(code, fields)
        },
    );
    let odd = (0_u8..6, prop::collection::vec(value(), 1..16)).prop_map(move |(code, fields)| with(code, fields));
    prop_oneof![6 => mixed, 6 => numbers, 6 => paired, 3 => many, 6 => almost, 1 => coded, 1 => odd]
}

/// Packets of such messages; some have a wrong byte, and some end too early.
fn packet(has_code: bool) -> impl Strategy<Value = Vec<u8>> {
    let messages = prop::collection::vec(any_message(has_code), 0..20).prop_map(|messages| messages.concat());
    let at = any::<prop::sample::Index>;
    let (wrong, end) = (prop::option::weighted(0.2, (at(), any::<u8>())), prop::option::weighted(0.2, at()));
    (messages, wrong, end).prop_map(|(mut bytes, wrong, end)| {
        if let Some((at, byte)) = wrong.filter(|_| !bytes.is_empty()) {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes.truncate(end.map_or(bytes.len(), |end| end.index(bytes.len() + 1)));
        bytes
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn all_ways_agree(
        (has_code, bytes) in any::<bool>().prop_flat_map(|has_code| (Just(has_code), packet(has_code))),
        slack in prop::sample::select(vec![0_usize, 64, 100, 500]),
        is_whole in prop::bool::weighted(0.1),
        messages in prop::option::of(0_u64..25),
        skip in 0_u64..3,
    ) {
        let delimiter = if is_whole { Delimiter::Whole } else { Delimiter::Msgpack };
        let short = outcome(&plan(has_code), &bytes, slack, &delimiter, messages, skip);
        prop_assert_eq!(&short, &outcome(&plain_plan(has_code), &bytes, slack, &delimiter, messages, skip));
        prop_assert_eq!(&short, &outcome(&long_plan(has_code), &bytes, slack, &delimiter, messages, skip));
    }
}

/// Messages behind lengths of two bytes.
fn blocks(messages: &[Vec<u8>]) -> Vec<u8> {
    let block = |message: &Vec<u8>| [&u16::try_from(message.len()).expect("short").to_be_bytes()[..], message].concat();
    messages.iter().flat_map(block).collect()
}

fn behind_lengths() -> Delimiter {
    let field = IntSpec { offset: 0, width: 2, byte_order: ByteOrder::Big };
    Delimiter::new(&DelimiterSpec::Length { field, excludes: 2, data_offset: 2 }).expect("a sound delimiter")
}

proptest! {
    #[test]
    fn messages_in_blocks_are_what_they_are_without(
        messages in prop::collection::vec(any_message(true), 0..12),
        slack in prop::sample::select(vec![0_usize, 100]),
        skip in 0_u64..3,
        is_counted in any::<bool>(),
    ) {
        let count = is_counted.then_some(messages.len() as u64);
        let bare = outcome(&plan(true), &messages.concat(), slack, &Delimiter::Msgpack, count, skip);
        // Of objects that do not end, blocks tell more.
        prop_assume!(bare.fates.is_ok());
        let found = outcome(&plan(true), &blocks(&messages), slack, &behind_lengths(), count, skip);
        prop_assert_eq!(found, bare);
    }

    #[test]
    fn blocks_of_anything_are_followed_as_check_follows_them(
        mut bytes in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..8).prop_map(|all| blocks(&all)),
        cut in 0_usize..4,
        messages in prop::option::of(0_u64..9),
    ) {
        bytes.truncate(bytes.len().saturating_sub(cut));
        let (plan, delimiter) = (plan(true), behind_lengths());
        let found = outcome(&plan, &bytes, 64, &delimiter, messages, 0);
        let checked = Decoder::check(&plan, &delimiter, Padded::from(bytes.as_slice()), messages);
        prop_assert_eq!(checked.err(), found.fates.err());
    }
}

#[test]
fn an_object_that_does_not_fill_its_block_is_a_newer_message_and_one_that_does_not_end_in_it_is_malformed() {
    let good = array(&[vec![2], packed(1), packed(5)]);
    let bytes = blocks(&[good.clone(), good[..2].to_vec(), [good.as_slice(), &[7]].concat(), Vec::new(), good]);
    let found = outcome(&plan(true), &bytes, 64, &behind_lengths(), None, 0);
    assert_eq!(found.fates.map(|fates| (fates.0, fates.1, fates.2, fates.3)), Ok((5, 3, 0, 2)));
    assert_eq!(found.fault, Some((1, Reason::Incomplete)));
}

#[test]
fn tables_grow_on_every_way() {
    let message = |number: u64| array(&[vec![2], packed(number), packed(number << 20)]);
    let bytes = (0..5_000).flat_map(message).collect::<Vec<_>>();
    let [short, plain, long] = [plan(true), plain_plan(true), long_plan(true)]
        .map(|plan| outcome(&plan, &bytes, 64, &Delimiter::Msgpack, Some(5_000), 0));
    assert_eq!(long.counts.iter().sum::<u64>(), 5_000);
    assert_eq!((&short, &plain), (&long, &long));
}

#[test]
fn a_usual_message_goes_the_short_way() {
    let plan = plan(true);
    let MessagesPlan::Msgpack(plan) = &plan.messages else { panic!("it is msgpack") };
    let bytes = array(&[vec![2], packed(70_000), packed(5)]);
    let slot = [bytes.as_slice(), &[0; 64]].concat();
    assert!(plan.flat_at(&slot, 0).is_some());
    assert!(plan.flat_at(&bytes[..1], 0).is_none(), "one byte tells no type");
}
