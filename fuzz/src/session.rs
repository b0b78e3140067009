//! Datagrams on two lines, good and bad, through a pipeline whose sums are checked after each.

use feedhandler_core::arbitrate::ArbiterOptions;
use feedhandler_core::batch::Batch;
use feedhandler_core::event::Cause;
use feedhandler_core::layout::PARENT_END;
use feedhandler_core::padded::Padded;
use feedhandler_core::pipeline::{Channel, Datagram, Pipeline, PipelineOptions};
use feedhandler_core::plan::{Plan, TablePlan};
use feedhandler_core::report::Report;

use super::chance::Chance;
use super::encoder::{self, Header};
use super::mutate::mutate;
use super::protocols::Protocol;

/// Packets that wait beyond a hole at most.
const WINDOW_PACKETS: usize = 8;
/// Grace time: a few steps of the clock below.
const GRACE_NS: u64 = 1_000;

/// A pipeline with one channel of two lines, or one for each unit, checked after each step.
#[derive(Debug)]
pub struct Session {
    protocol: Protocol,
    pipeline: Pipeline,
    now_ns: u64,
    rows: u64,
}

/// Plays the datagrams that `bytes` tell, and says what became of them.
pub fn datagrams(protocol: &Protocol, bytes: &[u8]) -> Report {
    let (mut session, mut chance) = (Session::new(protocol), Chance::new(bytes));
    while !chance.is_over() {
        session.step(&mut chance);
    }
    session.finish();
    session.report()
}

impl Session {
    /// A channel of which nothing has been heard.
    #[must_use]
    pub fn new(protocol: &Protocol) -> Self {
        let arbiter =
            ArbiterOptions { grace_ns: GRACE_NS, window_packets: WINDOW_PACKETS, ..ArbiterOptions::default() };
        let options = PipelineOptions { arbiter, ..PipelineOptions::default() };
        let mut pipeline = Pipeline::new(protocol.plan.clone(), options);
        pipeline.add_channel("fuzzed", ["A".to_owned(), "B".to_owned()]);
        Self { protocol: protocol.clone(), pipeline, now_ns: 0, rows: 0 }
    }

    fn step(&mut self, chance: &mut Chance<'_>) {
        let (choice, line) = (chance.byte(), usize::from(chance.byte() & 1));
        self.now_ns += wait_ns(chance.byte());
        match choice % 8 {
            0 => {
                let length = chance.below(1500);
                self.on(line, chance.bytes(length));
            }
            1 => self.pipeline.on_drop(0, line, Cause::SocketBuffer, 1, self.now_ns),
            2..=4 => {
                let packet = self.packet(chance);
                self.on(line, &packet);
            }
            _ => {
                let mut packet = self.packet(chance);
                (0..=chance.below(3)).for_each(|_| mutate(&mut packet, chance));
                self.on(line, &packet);
            }
        }
        self.check();
    }

    /// A good packet, near to what comes next, or anywhere.
    fn packet(&mut self, chance: &mut Chance<'_>) -> Vec<u8> {
        let spec = &self.protocol.spec;
        let messages: Vec<_> =
            (0..chance.below(4)).map(|_| encoder::message(spec, chance.below(encoder::types(spec)), chance)).collect();
        let next = self.pipeline.channels().iter().map(|channel| channel.arbiter.expected()).max().unwrap_or(0);
        let sequence = match chance.byte() {
            0..=15 => chance.number(),
            // The head of the sequence, as of a line that starts again.
            head @ 16..=31 => u64::from(head % 4),
            near => next.wrapping_add(u64::from(near % 8)).wrapping_sub(2),
        };
        let header = Header { session: chance.byte() % 5 / 2, sequence, count: messages.len() as u64 };
        encoder::packet(spec, header, &messages)
    }

    /// A datagram comes, and every line has been looked at up to now.
    pub fn on(&mut self, line: usize, bytes: &[u8]) {
        self.pipeline.on_datagram(&Datagram {
            channel: 0,
            line,
            ts_recv_ns: self.now_ns,
            is_cut_off: false,
            payload: Padded::from(bytes),
        });
        self.pipeline.advance(self.now_ns);
        self.check();
    }

    /// Nothing more comes: nothing must be left.
    pub fn finish(&mut self) {
        self.pipeline.finish();
        self.check();
        for channel in self.pipeline.channels() {
            let waiting = channel.lines.iter().map(|line| line.counters.pending).sum::<u64>();
            assert_eq!((channel.arbiter.counters.pending, waiting), (0, 0), "nothing waits for ever");
        }
    }

    /// What the pipeline has to tell.
    #[must_use]
    pub fn report(&self) -> Report {
        Report::new(&self.pipeline)
    }

    fn check(&mut self) {
        let batch = self.pipeline.take_batch();
        check_batch(&batch, &self.protocol.plan);
        self.rows += batch.order.len() as u64;
        for channel in self.pipeline.channels() {
            self.check_channel(channel);
        }
        let rows = self.pipeline.channels().iter().map(|channel| channel.messages.rows).sum::<u64>();
        assert_eq!(rows, self.rows, "each row was handed over");
    }

    fn check_channel(&self, channel: &Channel) {
        let past = self.pipeline.history().expected.get(&channel.name).copied().unwrap_or(0);
        let present = channel.arbiter.session().map_or(0, |session| session.next - session.first);
        assert!(channel.arbiter.counters.is_balanced(past + present), "{:#?}", self.report().ledger);
        assert!(channel.messages.is_balanced(), "{:#?}", channel.messages);
        assert!(channel.lines.iter().all(|line| line.counters.is_balanced()), "{:#?}", channel.lines);
        assert_eq!(channel.mismatches_of_lines(past + present), 0, "{:#?}", channel.arbiter.line_units());
        assert_eq!(self.pipeline.mismatches(), 0);
        let waiting: u64 = channel.lines.iter().map(|line| line.counters.pending).sum();
        assert!(waiting <= WINDOW_PACKETS as u64, "{waiting} packets wait");
    }
}

/// Mostly a few grace times or less; sometimes longer than anything is waited for, listened to, or in doubt.
fn wait_ns(choice: u8) -> u64 {
    match choice {
        0..240 => u64::from(choice) * 10,
        _ => 1_000_000_000 << (choice % 8),
    }
}

/// Every entry of the arrival order names a row, and every row is named once; those of groups have a parent instead.
fn check_batch(batch: &Batch, plan: &Plan) {
    let mut rows = vec![0; batch.tables.len()];
    for entry in batch.order.bytes().chunks_exact(batch.order.row_bytes()) {
        let table = usize::from(u16::from_le_bytes([entry[0], entry[1]]));
        let row = u32::from_le_bytes([entry[4], entry[5], entry[6], entry[7]]);
        assert_eq!(row, rows[table], "rows of table {table} come in their own order");
        assert!(!plan.tables[table].is_group, "only messages are in the order of arrival");
        rows[table] += 1;
    }
    let tables = || plan.tables.iter().zip(&batch.tables);
    for ((table, found), expected) in tables().zip(rows) {
        if table.is_group {
            let parent = table.name.rsplit_once('.').map(|(parent, _)| parent);
            let above =
                tables().find(|(above, _)| Some(above.name.as_str()) == parent).and_then(|(_, rows)| rows.as_ref());
            check_parents(found.as_ref().map_or(&[], |rows| rows.bytes()), table, above.map_or(0, |rows| rows.len()));
        } else {
            assert_eq!(found.as_ref().map_or(0, |rows| rows.len()), expected as usize);
        }
    }
}

/// Entries stand in the order of what they belong to.
fn check_parents(rows: &[u8], table: &TablePlan, above: usize) {
    let parents = rows.chunks_exact(table.layout.row_bytes).map(|row| {
        let parent: [u8; 4] = row[PARENT_END - 4..PARENT_END].try_into().expect("four bytes");
        u32::from_le_bytes(parent) as usize
    });
    let parents: Vec<_> = parents.collect();
    assert!(parents.is_sorted() && parents.last().is_none_or(|last| *last < above), "{}: {parents:?}", table.name);
}
