//! The middle: framing, arbitrate, decode and ledger, driven by datagrams and by time.
//!
//! Live reception, capture files, tests and fuzzers drive this one object. It does no input or output and looks at no
//! clock: [`Pipeline::on_datagram`] takes bytes, [`Pipeline::advance`] takes the time until which every line has been
//! looked at, and batches come out.

use std::sync::Arc;

use crate::arbitrate::{Arbiter, ArbiterOptions, Held, Step, Verdict};
use crate::batch::{Batch, BatchBuilder};
use crate::decode::{Decoded, Decoder, Payload};
use crate::digest::Digest;
use crate::event::{Cause, Event, EventKind};
use crate::filter::Filter;
use crate::framing::{Delimiter, Packet, PacketKind, SessionId, Standing};
use crate::history::{History, Sample};
use crate::layout::Leading;
use crate::ledger::{LineCounters, MessageCounters};
use crate::malformed::Reason;
use crate::padded::Padded;
use crate::plan::Plan;
use crate::spec::SequenceUnit;

/// How a pipeline is set up.
#[derive(Clone, Copy, Debug)]
pub struct PipelineOptions {
    /// Disorder.
    pub arbiter: ArbiterOptions,
    /// Messages after which a batch is closed; a packet is never divided.
    pub batch_messages: usize,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        Self { arbiter: ArbiterOptions::default(), batch_messages: 8192 }
    }
}

/// Events after which a batch is closed.
const BATCH_EVENTS: usize = 8192;

/// Messages that were left out by a filter after which a batch is closed, empty or not: who reads on hears from time to time.
const BATCH_FILTERED: u64 = 1 << 20;

/// Rows of groups after which a batch is closed, however few messages they belong to.
const BATCH_ENTRIES: u64 = 1 << 20;
/// The sums of lines' units, which take longer, are checked with every so many-th batch: a prime, so that no channel is
/// always left out.
const LINES_CHECKED: u64 = 61;
/// Units that are told apart, over all channels: each has a sequence of its own.
const MOST_UNITS: usize = 4096;

/// A datagram as wire or capture hands it over.
#[derive(Clone, Copy, Debug)]
pub struct Datagram<'a> {
    /// Index of its channel.
    pub channel: usize,
    /// Index of its line within the channel.
    pub line: usize,
    /// When the kernel, or the capture, got it: ns since 1970.
    pub ts_recv_ns: u64,
    /// It was larger than the memory for it.
    pub is_cut_off: bool,
    /// Its payload.
    pub payload: Padded<'a>,
}

/// A channel and its lines.
#[derive(Debug)]
pub struct Channel {
    /// Name.
    pub name: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Sequencing.
    pub arbiter: Arbiter,
    /// Fates of its messages.
    pub messages: MessageCounters,
    /// Where a stream carries several sequences: the channel of each, by unit. What cannot be said of one of them alone,
    /// such as a drop, is this channel's.
    units: Vec<Option<usize>>,
}

impl Channel {
    /// Whether it stands for a stream of which each sequence is a channel of its own.
    #[must_use]
    pub fn has_units(&self) -> bool {
        !self.units.is_empty()
    }

    /// How many of its sums are wrong, where `expected` units were sent.
    #[must_use]
    pub fn mismatches(&self, expected: u64) -> u64 {
        let units = &self.arbiter.counters;
        let sums = [
            units.is_balanced(expected),
            self.messages.is_balanced(),
            self.arbiter.wins() == units.delivered + units.recovered,
        ];
        let lines = self.lines.iter().map(|line| line.counters.is_balanced());
        sums.into_iter().chain(lines).map(|is_right| u64::from(!is_right)).sum()
    }

    /// How many sums of its lines' units are wrong, where `expected` units were sent; without a sequence there are none.
    #[must_use]
    pub fn mismatches_of_lines(&self, expected: u64) -> u64 {
        let units = self.arbiter.line_units();
        units.iter().map(|line| u64::from(self.arbiter.has_sequence() && !line.is_balanced(expected))).sum()
    }
}

/// A line of a channel.
#[derive(Debug)]
pub struct Line {
    /// Name.
    pub name: String,
    /// Fates of its datagrams.
    pub counters: LineCounters,
}

/// Where something came from.
#[derive(Clone, Copy, Debug)]
struct Origin {
    channel: usize,
    line: usize,
    /// When, for sequencing.
    ts_ns: u64,
    /// When, for whoever reads the rows.
    ts_recv_ns: u64,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Pipeline {
    plan: Arc<Plan>,
    options: PipelineOptions,
    channels: Vec<Channel>,
    decoder: Decoder,
    batch: BatchBuilder,
    events: Vec<Event>,
    history: History,
    digest: Digest,
    /// Messages left out by the filter since the batch began.
    filtered: u64,
    /// Rows of groups in the batch.
    entries: u64,
    looked_at_ns: u64,
    is_disordered: bool,
    /// Units that were heard of.
    units: usize,
    /// The channel whose sums are checked with the next batch.
    checked: usize,
    mismatches: u64,
}

impl Pipeline {
    /// A pipeline without channels.
    #[must_use]
    pub fn new(plan: Arc<Plan>, options: PipelineOptions) -> Self {
        Self {
            decoder: Decoder::new(&plan),
            batch: BatchBuilder::new(&plan),
            plan,
            options,
            channels: Vec::new(),
            events: Vec::new(),
            history: History::default(),
            digest: Digest::default(),
            filtered: 0,
            entries: 0,
            looked_at_ns: 0,
            is_disordered: false,
            units: 0,
            checked: 0,
            mismatches: 0,
        }
    }

    /// From now on only messages about instruments that `filter` wants become rows, and those that are about none.
    pub fn filter_by(&mut self, filter: Filter) {
        self.decoder.filter_by(filter);
    }

    /// Adds a channel; its index is the number of channels before it.
    pub fn add_channel(&mut self, name: impl Into<String>, lines: impl IntoIterator<Item = String>) -> usize {
        let lines: Vec<_> = lines.into_iter().map(|name| Line { name, counters: LineCounters::default() }).collect();
        let arbiter = Arbiter::new(&self.plan.framing, lines.len(), self.options.arbiter);
        let messages = MessageCounters::default();
        self.channels.push(Channel { name: name.into(), lines, arbiter, messages, units: Vec::new() });
        self.channels.len() - 1
    }

    /// The channel of a packet's unit, which is added when the unit is first heard of.
    #[inline]
    fn unit(&mut self, from: Origin, packet: &Packet<'_>) -> Result<Origin, Reason> {
        let known = self.channels[from.channel].units.get(usize::from(packet.unit)).copied().flatten();
        let channel = known.or_else(|| self.add_unit(from.channel, packet.unit)).ok_or(Reason::TooManyUnits)?;
        Ok(Origin { channel, ..from })
    }

    #[cold]
    fn add_unit(&mut self, channel: usize, unit: u8) -> Option<usize> {
        if self.units == MOST_UNITS {
            return None;
        }
        self.units += 1;
        let of = &self.channels[channel];
        let (name, lines) = (format!("{}/{unit}", of.name), of.lines.iter().map(|line| line.name.clone()));
        let added = self.add_channel(name, lines.collect::<Vec<_>>());
        let units = &mut self.channels[channel].units;
        units.resize(usize::from(u8::MAX) + 1, None);
        units[usize::from(unit)] = Some(added);
        Some(added)
    }

    /// The channels.
    #[must_use]
    pub fn channels(&self) -> &[Channel] {
        &self.channels
    }

    /// The protocol.
    #[must_use]
    pub fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Counts by type, and of unknown types.
    #[must_use]
    pub fn decoder(&self) -> &Decoder {
        &self.decoder
    }

    /// Gaps, sessions and samples so far.
    #[must_use]
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Digest of all that was delivered.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Whether anything waits for something missing: then time has to be told although nothing comes.
    #[must_use]
    pub fn is_disordered(&self) -> bool {
        self.is_disordered
    }

    /// Whether the batch should be taken now.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.messages() >= self.options.batch_messages
            || self.batch.events() >= BATCH_EVENTS
            || self.filtered >= BATCH_FILTERED
            || self.entries >= BATCH_ENTRIES
    }

    /// Whether the batch holds anything, or should be taken although it does not.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.batch.messages() > 0 || self.batch.events() > 0 || self.filtered >= BATCH_FILTERED
    }

    /// Closes the batch and begins the next.
    pub fn take_batch(&mut self) -> Batch {
        self.check_next_channel();
        (self.filtered, self.entries) = (0, 0);
        self.batch.finish()
    }

    /// Checks the sums of one channel: with each batch, those of another.
    fn check_next_channel(&mut self) {
        let Some(channel) = self.channels.get(self.checked) else { return };
        let expected = self.expected(channel);
        let is_turn_of_lines = self.batch.number().is_multiple_of(LINES_CHECKED);
        let of_lines = if is_turn_of_lines { channel.mismatches_of_lines(expected) } else { 0 };
        self.mismatches += channel.mismatches(expected) + of_lines;
        self.checked = (self.checked + 1) % self.channels.len();
    }

    /// Sums that were found to be wrong, as often as they were.
    #[must_use]
    pub fn mismatches(&self) -> u64 {
        self.mismatches
    }

    /// Units of all sessions of a channel up to now.
    #[must_use]
    pub fn expected(&self, channel: &Channel) -> u64 {
        let past = self.history.expected.get(&channel.name).copied().unwrap_or(0);
        past + channel.arbiter.session().map_or(0, |session| session.next - session.first)
    }

    /// Takes a datagram in.
    #[inline]
    pub fn on_datagram(&mut self, datagram: &Datagram<'_>) {
        self.on_datagram_at(datagram, datagram.ts_recv_ns);
    }

    /// Takes a datagram in at a time other than its stamp's, which is not to be trusted; returns the send time of its header,
    /// 0 where it has none.
    #[inline]
    pub fn on_datagram_at(&mut self, datagram: &Datagram<'_>, ts_ns: u64) -> u64 {
        let Datagram { channel, line, ts_recv_ns, payload, .. } = *datagram;
        let mut from = Origin { channel, line, ts_ns, ts_recv_ns };
        let mut packet = Packet::without_header(payload);
        let framing = &self.plan.framing;
        let mut read =
            if datagram.is_cut_off { Err(Reason::DatagramCutOff) } else { framing.read(payload, &mut packet) };
        if framing.has_units && read.is_ok() {
            match self.unit(from, &packet) {
                Ok(origin) => from = origin,
                Err(reason) => read = Err(reason),
            }
        }
        let counters = self.line(from);
        counters.datagrams += 1;
        counters.bytes += payload.len() as u64;
        counters.last_heard_ns = ts_recv_ns;
        match read {
            Ok(()) => self.on_packet(from, &packet),
            Err(reason) => self.refuse(from, reason, payload.bytes()),
        }
        self.after(from.channel);
        read.map_or(0, |()| packet.send_time)
    }

    /// Counts datagrams of a line that came from none of its sources, and looks no further at them.
    pub fn on_other_source(&mut self, channel: usize, line: usize, datagrams: u64, bytes: u64) {
        let counters = self.line(Origin { channel, line, ts_ns: 0, ts_recv_ns: 0 });
        counters.datagrams += datagrams;
        counters.bytes += bytes;
        counters.other_source += datagrams;
    }

    /// Takes messages in that come from a file of bare messages, in order and without a packet around them.
    pub fn on_messages(&mut self, channel: usize, delimiter: &Delimiter, bytes: Padded<'_>) {
        let from = Origin { channel, line: 0, ts_ns: 0, ts_recv_ns: 0 };
        self.open_file_session(from);
        self.bring_events(channel);
        self.line(from).bytes += bytes.len() as u64;
        let first = self.channels[channel].arbiter.expected();
        let payload = Payload {
            bytes,
            messages: None,
            skip: 0,
            leading: Leading { seq: first, ts_recv_ns: 0, channel: channel_column(channel) },
            unit: SequenceUnit::Messages,
        };
        match self.decoder.packet(&self.plan, delimiter, &payload, &mut self.batch) {
            Ok(decoded) => {
                self.channels[channel].arbiter.delivered_bare(decoded.messages);
                self.count(from, &payload, &decoded);
            }
            Err(reason) => {
                self.line(from).datagrams += 1;
                self.refuse_for_good(from, reason, bytes.bytes());
            }
        }
        self.after(channel);
    }

    fn open_file_session(&mut self, from: Origin) {
        if self.channels[from.channel].arbiter.session().is_none() {
            let packet = file_header(self.plan.framing.first_sequence);
            self.open(from, &packet);
        }
    }

    /// Notes that datagrams of a line were dropped before they could be read.
    pub fn on_drop(&mut self, channel: usize, line: usize, cause: Cause, count: u64, ts_ns: u64) {
        let from = Origin { channel, line, ts_ns, ts_recv_ns: ts_ns };
        match cause {
            Cause::RingFull => self.line(from).dropped_ring_full += count,
            _ => self.line(from).dropped_socket_buffer += count,
        }
        self.suspect(channel, cause);
        self.events.push(Event::of_line(EventKind::Drop, cause, line_column(line), count, ts_ns));
        self.flush_events(channel);
    }

    /// Notes that something happened here to a channel which would explain a gap.
    pub fn suspect(&mut self, channel: usize, cause: Cause) {
        self.channels[channel].arbiter.suspect(cause);
        for at in 0..self.channels[channel].units.len() {
            if let Some(unit) = self.channels[channel].units[at] {
                self.channels[unit].arbiter.suspect(cause);
            }
        }
    }

    /// Whether a gap may be declared when the time is `now_ns`.
    #[must_use]
    pub fn may_declare(&self, now_ns: u64) -> bool {
        self.is_disordered && self.channels.iter().any(|channel| channel.arbiter.may_declare(now_ns))
    }

    /// Every line has been looked at up to `now_ns`: holes whose grace time has passed are declared lost.
    #[inline]
    pub fn advance(&mut self, now_ns: u64) {
        self.looked_at_ns = self.looked_at_ns.max(now_ns);
        if self.is_disordered {
            self.advance_channels();
        }
    }

    #[cold]
    fn advance_channels(&mut self) {
        self.is_disordered = false;
        for channel in 0..self.channels.len() {
            self.after(channel);
        }
    }

    /// Nothing more will come: what waits is delivered, and what it waited for is lost.
    pub fn finish(&mut self) {
        for channel in 0..self.channels.len() {
            while let Some(step) = self.channels[channel].arbiter.conclude(self.looked_at_ns) {
                self.take_step(channel, step);
            }
            self.settle(channel, self.looked_at_ns);
            self.channels[channel].arbiter.finish();
            self.flush_events(channel);
        }
    }

    /// Steps on where the order allows it, and brings events into the batch.
    #[inline]
    fn after(&mut self, channel: usize) {
        if self.channels[channel].arbiter.is_disordered() {
            self.step(channel);
        }
        self.bring_events(channel);
    }

    /// Brings events into the batch: what happened before a message stands in front of it.
    #[inline]
    fn bring_events(&mut self, channel: usize) {
        if !self.events.is_empty() {
            self.flush_events(channel);
        }
    }

    #[cold]
    fn step(&mut self, channel: usize) {
        while let Some(step) = self.channels[channel].arbiter.step(self.looked_at_ns, &mut self.events) {
            self.take_step(channel, step);
        }
        self.is_disordered |= self.channels[channel].arbiter.is_disordered();
    }

    fn settle(&mut self, channel: usize, now_ns: u64) {
        while let Some(step) = self.channels[channel].arbiter.settle(now_ns, &mut self.events) {
            self.take_step(channel, step);
        }
    }

    #[inline]
    fn on_packet(&mut self, from: Origin, packet: &Packet<'_>) {
        if packet.standing == Standing::Reset
            && let Err(reason) = self.check(packet)
        {
            // What cannot be read to its end must not end a session.
            return self.refuse(from, reason, packet.payload.bytes());
        }
        let verdict = match self.judge(from, packet) {
            Ok(verdict) => verdict,
            Err(reason) => return self.refuse(from, reason, packet.payload.bytes()),
        };
        match verdict {
            Verdict::Deliver { skip } => self.deliver(from, packet, skip),
            Verdict::Hold => self.hold(from, packet),
            Verdict::Doubt => self.doubt(from, packet),
            Verdict::Claim => self.claim(from, packet),
            Verdict::Unsequenced => self.deliver_unsequenced(from, packet),
            Verdict::Duplicate => self.count_copy(from, packet),
            Verdict::Stale => self.line(from).stale += 1,
            Verdict::Implausible => self.refuse(from, Reason::ImplausibleSequence, packet.payload.bytes()),
            Verdict::Quiet | Verdict::Opens => self.count_quiet(from, packet.kind),
        }
    }

    /// Follows a packet's framing to its end.
    fn check(&self, packet: &Packet<'_>) -> Result<(), Reason> {
        Decoder::check(&self.plan, &self.plan.framing.delimiter, packet.payload, packet.messages)
    }

    /// What is to be done with a packet.
    #[inline]
    fn judge(&mut self, from: Origin, packet: &Packet<'_>) -> Result<Verdict, Reason> {
        let arbiter = &mut self.channels[from.channel].arbiter;
        let mut verdict = arbiter.judge(from.line, packet, from.ts_ns, &mut self.events);
        if verdict == Verdict::Opens {
            self.check_opening(from, packet)?;
            self.settle(from.channel, from.ts_ns);
            self.open(from, packet);
            // What waited for this packet comes in front of it.
            self.step(from.channel);
            verdict = self.channels[from.channel].arbiter.judge(from.line, packet, from.ts_ns, &mut self.events);
        }
        if let Verdict::Deliver { .. } = verdict
            && self.channels[from.channel].arbiter.has_hole()
        {
            self.tell_recovered(from, packet);
        }
        Ok(verdict)
    }

    /// A packet whose framing lies may lie about its place as well, and opens no session; but where there is none to leave,
    /// and it claims the first place, that is believed, so that what it carried is told as lost.
    #[cold]
    fn check_opening(&mut self, from: Origin, packet: &Packet<'_>) -> Result<(), Reason> {
        let is_first = self.channels[from.channel].arbiter.session().is_none();
        if packet.kind != PacketKind::Data || is_first && packet.sequence == self.plan.framing.first_sequence {
            return Ok(());
        }
        self.check(packet).inspect_err(|_| self.channels[from.channel].arbiter.undoubt(from.line, 0))
    }

    /// Tells that a packet fills a hole, in front of its messages; one whose framing lies fills nothing.
    #[cold]
    fn tell_recovered(&mut self, from: Origin, packet: &Packet<'_>) {
        if self.check(packet).is_ok() {
            let event = self.channels[from.channel].arbiter.recovered_by(packet, from.ts_ns);
            self.events.push(event);
        }
    }

    #[cold]
    fn open(&mut self, from: Origin, packet: &Packet<'_>) {
        // What was lost of the session that ends is noted as that session's.
        self.bring_events(from.channel);
        let channel = &mut self.channels[from.channel];
        if let Some(session) = channel.arbiter.session() {
            self.history.note_session(&channel.name, session);
        }
        channel.arbiter.open(from.line, packet, from.ts_ns, &mut self.events);
        let session = channel.arbiter.session_number();
        self.decoder.enter_session(channel_column(from.channel), session);
    }

    #[inline]
    fn deliver(&mut self, from: Origin, packet: &Packet<'_>, skip: u64) {
        self.bring_events(from.channel);
        let arbiter = &self.channels[from.channel].arbiter;
        let payload = self.payload(from, packet.payload, packet.messages, arbiter.expected() - skip, skip);
        let mut decoded = Decoded::default();
        let delimiter = &self.plan.framing.delimiter;
        match self.decoder.packet_into(&self.plan, delimiter, &payload, &mut self.batch, &mut decoded) {
            Ok(()) => {
                let units = if payload.unit == SequenceUnit::Nothing { decoded.messages } else { packet.units };
                let arbiter = &mut self.channels[from.channel].arbiter;
                arbiter.delivered(from.line, skip, units);
                self.line(from).accepted += 1;
                self.count(from, &payload, &decoded);
            }
            Err(reason) => {
                self.channels[from.channel].arbiter.unusable(from.line, packet.sequence, packet.units, from.ts_ns);
                self.refuse(from, reason, packet.payload.bytes());
            }
        }
    }

    /// Counts a copy of what was delivered; one whose framing lies is none.
    #[inline]
    fn count_copy(&mut self, from: Origin, packet: &Packet<'_>) {
        let checked = self.check(packet);
        let arbiter = &mut self.channels[from.channel].arbiter;
        match checked {
            Ok(()) => {
                arbiter.duplicated(from.line, packet, from.ts_ns);
                self.line(from).duplicate += 1;
            }
            Err(reason) => {
                arbiter.unusable_copy(from.line, packet);
                self.refuse(from, reason, packet.payload.bytes());
            }
        }
    }

    #[cold]
    fn deliver_unsequenced(&mut self, from: Origin, packet: &Packet<'_>) {
        let payload = self.payload(from, packet.payload, packet.messages, packet.sequence, 0);
        let payload = Payload { unit: SequenceUnit::Packets, ..payload };
        match self.decoder.packet(&self.plan, &self.plan.framing.delimiter, &payload, &mut self.batch) {
            Ok(decoded) => {
                self.line(from).accepted += 1;
                self.count(from, &payload, &decoded);
            }
            Err(reason) => {
                self.channels[from.channel].arbiter.unusable_unsequenced(packet.units);
                self.refuse_for_good(from, reason, packet.payload.bytes());
            }
        }
    }

    fn payload<'a>(
        &self,
        from: Origin,
        bytes: Padded<'a>,
        messages: Option<u64>,
        first: u64,
        skip: u64,
    ) -> Payload<'a> {
        let unit = self.plan.framing.unit;
        let leading = Leading { seq: first, ts_recv_ns: from.ts_recv_ns, channel: channel_column(from.channel) };
        Payload { bytes, messages, skip: if unit == SequenceUnit::Messages { skip } else { 0 }, leading, unit }
    }

    #[cold]
    fn hold(&mut self, from: Origin, packet: &Packet<'_>) {
        let checked = self.check(packet);
        let arbiter = &mut self.channels[from.channel].arbiter;
        match checked {
            Ok(()) => {
                arbiter.hold(from.line, packet, from.ts_ns, from.ts_recv_ns);
                self.line(from).pending += 1;
            }
            Err(reason) => {
                arbiter.unusable(from.line, packet.sequence, packet.units, from.ts_ns);
                self.refuse(from, reason, packet.payload.bytes());
            }
        }
    }

    #[cold]
    fn doubt(&mut self, from: Origin, packet: &Packet<'_>) {
        let checked = self.check(packet);
        let arbiter = &mut self.channels[from.channel].arbiter;
        match checked {
            Ok(()) => {
                arbiter.doubt(from.line, packet, from.ts_ns, from.ts_recv_ns);
                self.line(from).pending += 1;
            }
            Err(reason) => {
                arbiter.undoubt(from.line, packet.units);
                self.refuse(from, reason, packet.payload.bytes());
            }
        }
    }

    #[cold]
    fn claim(&mut self, from: Origin, packet: &Packet<'_>) {
        let checked = self.check(packet);
        let arbiter = &mut self.channels[from.channel].arbiter;
        match checked {
            Ok(()) => {
                arbiter.claim(from.line, packet, from.ts_ns, from.ts_recv_ns);
                self.line(from).pending += 1;
            }
            Err(reason) => {
                arbiter.unusable_claim(packet);
                self.refuse(from, reason, packet.payload.bytes());
            }
        }
    }

    /// A packet of another session is believed although nothing else has come.
    #[cold]
    fn open_claimed(&mut self, channel: usize, line: usize, session: SessionId, sequence: u64) {
        let from = Origin { channel, line, ts_ns: self.looked_at_ns, ts_recv_ns: self.looked_at_ns };
        self.settle(channel, from.ts_ns);
        self.open(from, &Packet { session, ..file_header(sequence) });
    }

    /// A line has started again, and is quiet: the session begins anew with what it has brought.
    #[cold]
    fn restart(&mut self, channel: usize, line: usize) {
        let Some(session) = self.channels[channel].arbiter.session().map(|session| session.id) else { return };
        let from = Origin { channel, line, ts_ns: self.looked_at_ns, ts_recv_ns: self.looked_at_ns };
        self.settle(channel, from.ts_ns);
        self.open(from, &Packet { session, ..file_header(self.plan.framing.first_sequence) });
    }

    fn take_step(&mut self, channel: usize, step: Step) {
        let origin = |held: &Held| {
            let Held { line, ts_ns, ts_recv_ns, .. } = *held;
            Origin { channel, line: usize::from(line), ts_ns, ts_recv_ns }
        };
        match step {
            Step::Gap => {}
            Step::Restart { line } => self.restart(channel, line),
            Step::Open { line, session, sequence } => self.open_claimed(channel, line, session, sequence),
            Step::Release { held, skip } => {
                self.release(origin(&held), &held, skip);
                self.channels[channel].arbiter.recycle(held);
            }
            Step::Duplicate(held) => {
                let counters = self.line(origin(&held));
                counters.pending -= 1;
                counters.duplicate += 1;
                self.channels[channel].arbiter.recycle(held);
            }
            Step::Stray(held) => self.refuse_held(origin(&held), Reason::ImplausibleSequence, held),
            Step::StraySession(held) => self.refuse_held(origin(&held), Reason::ImplausibleSession, held),
        }
    }

    fn refuse_held(&mut self, from: Origin, reason: Reason, held: Held) {
        self.line(from).pending -= 1;
        self.refuse(from, reason, held.payload().bytes());
        self.channels[from.channel].arbiter.recycle(held);
    }

    fn release(&mut self, from: Origin, held: &Held, skip: u64) {
        self.line(from).pending -= 1;
        self.bring_events(from.channel);
        let payload = self.payload(from, held.payload(), held.messages, held.first, skip);
        match self.decoder.packet(&self.plan, &self.plan.framing.delimiter, &payload, &mut self.batch) {
            Ok(decoded) => {
                self.channels[from.channel].arbiter.released(skip, held);
                self.line(from).accepted += 1;
                self.count(from, &payload, &decoded);
            }
            Err(reason) => {
                self.channels[from.channel].arbiter.unusable(from.line, held.first, held.units(), from.ts_ns);
                self.refuse(from, reason, held.payload().bytes());
            }
        }
    }

    #[inline]
    fn count(&mut self, from: Origin, payload: &Payload<'_>, decoded: &Decoded) {
        let messages = &mut self.channels[from.channel].messages;
        messages.messages += decoded.messages - payload.skip;
        messages.rows += decoded.rows;
        messages.unknown += decoded.unknown;
        messages.longer += decoded.longer;
        messages.filtered += decoded.filtered;
        self.filtered += decoded.filtered;
        self.entries += decoded.entries;
        self.digest.merge(&decoded.digest);
        if decoded.malformed > 0 {
            self.count_malformed(from, payload, decoded);
        }
        if decoded.trailing_bytes > 0 {
            self.line(from).trailing_bytes += decoded.trailing_bytes;
        }
    }

    #[cold]
    fn count_malformed(&mut self, from: Origin, payload: &Payload<'_>, decoded: &Decoded) {
        self.channels[from.channel].messages.malformed += decoded.malformed;
        let before = self.batch.messages() as u64 - decoded.rows;
        for run in &decoded.runs {
            let [first, last] = run.places.map(|place| payload.leading_of(place).seq);
            let line = line_column(from.line);
            let lost = Event::of_line(EventKind::Malformed, Cause::Malformed, line, run.count, from.ts_ns);
            let position = usize::try_from(before + run.rows_before).unwrap_or(usize::MAX);
            self.batch.push_event_at(position, channel_column(from.channel), &Event { first, last, ..lost });
        }
        for fault in &decoded.faults {
            self.note_sample(from, fault.reason, Some(fault.place), fault.count, payload.bytes.bytes());
        }
    }

    fn count_quiet(&mut self, from: Origin, kind: PacketKind) {
        let counters = self.line(from);
        match kind {
            PacketKind::EndOfSession => counters.ends_of_session += 1,
            PacketKind::Heartbeat | PacketKind::Data => counters.heartbeats += 1,
        }
    }

    /// Counts a packet that could not be used. Where there is a sequence, another copy may still bring what it carried, or a
    /// gap tells that none has.
    #[cold]
    fn refuse(&mut self, from: Origin, reason: Reason, bytes: &[u8]) {
        match self.plan.framing.unit {
            SequenceUnit::Nothing => self.refuse_for_good(from, reason, bytes),
            SequenceUnit::Messages | SequenceUnit::Packets => self.count_refused(from, reason, Cause::None, bytes),
        }
    }

    /// Counts a packet that could not be used, and whose content is lost without a gap.
    #[cold]
    fn refuse_for_good(&mut self, from: Origin, reason: Reason, bytes: &[u8]) {
        self.count_refused(from, reason, Cause::Malformed, bytes);
    }

    fn count_refused(&mut self, from: Origin, reason: Reason, cause: Cause, bytes: &[u8]) {
        self.line(from).malformed += 1;
        self.channels[from.channel].arbiter.suspect(Cause::Malformed);
        self.events.push(Event::of_line(EventKind::Malformed, cause, line_column(from.line), 1, from.ts_ns));
        self.note_sample(from, reason, None, 1, bytes);
    }

    fn note_sample(&mut self, from: Origin, reason: Reason, place: Option<u64>, count: u64, bytes: &[u8]) {
        let channel = &self.channels[from.channel];
        self.history.note_malformed(reason, count, || {
            Sample::new(&channel.name, &channel.lines[from.line].name, from.ts_ns, reason, place, bytes)
        });
    }

    #[cold]
    fn flush_events(&mut self, channel: usize) {
        let name = &self.channels[channel].name;
        for event in self.events.drain(..) {
            self.history.note_event(name, &event);
            self.batch.push_event(channel_column(channel), &event);
        }
    }

    #[inline]
    fn line(&mut self, from: Origin) -> &mut LineCounters {
        &mut self.channels[from.channel].lines[from.line].counters
    }
}

fn channel_column(channel: usize) -> u16 {
    u16::try_from(channel).unwrap_or(u16::MAX)
}

fn line_column(line: usize) -> u16 {
    u16::try_from(line).unwrap_or(crate::event::NO_LINE)
}

/// What stands for a header where there is no packet.
fn file_header(first_sequence: u64) -> Packet<'static> {
    Packet {
        kind: PacketKind::Data,
        standing: Standing::Inside,
        unit: 0,
        session: SessionId::Nothing,
        sequence: first_sequence,
        units: 0,
        messages: None,
        send_time: 0,
        payload: Padded::from(&[][..]),
    }
}
