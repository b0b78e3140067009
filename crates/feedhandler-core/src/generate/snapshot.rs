//! A snapshot of all books, as a session of its own in the feed's protocol: what whoever joins late begins with.

use super::book::Side;
use super::generator::Generator;
use super::message::{About, Message};
use super::packet::{Kind, MOST_HEADER_BYTES, MOST_MESSAGE_BYTES};

impl Generator {
    /// Packets of a session called `session` that make the books which all messages so far made: what opened the
    /// session, an order for each that rests, those of a price in their turn, and the number that the feed goes on
    /// with.
    ///
    /// The end of that session is the last of them.
    #[must_use]
    pub fn snapshot(&self, session: &str, send_time_ns: u64) -> Vec<Vec<u8>> {
        let mut session = Session {
            generator: self,
            name: session,
            send_time_ns,
            sequence: 1,
            count: 0,
            body: Vec::new(),
            packets: Vec::new(),
        };
        for about in self.opened().chain(self.resting()) {
            session.tell(about);
        }
        session.end()
    }

    fn resting(&self) -> impl Iterator<Item = About> {
        self.instruments().iter().zip(1..).flat_map(|(held, instrument)| {
            let of = |side| held.book.levels(side).flat_map(|level| held.book.orders(level));
            let orders = of(Side::Buy).chain(of(Side::Sell));
            let adds = orders.map(|&order| Message::Add { order, is_attributed: false });
            let [bid, ask] = held.quoted.best;
            let quote = (held.quoted.time_ns > 0).then_some(Message::Quote { bid, ask });
            adds.chain(quote).map(move |message| About { instrument, message })
        })
    }
}

struct Session<'a> {
    generator: &'a Generator,
    name: &'a str,
    send_time_ns: u64,
    sequence: u64,
    count: u16,
    body: Vec<u8>,
    packets: Vec<Vec<u8>>,
}

impl Session<'_> {
    fn tell(&mut self, about: About) {
        self.generator.wire().message(about, self.generator.next_ns(), &mut self.body);
        self.count += 1;
        if MOST_HEADER_BYTES + self.body.len() + MOST_MESSAGE_BYTES > self.generator.options().packet_bytes {
            self.close(Kind::Data);
        }
    }

    fn end(mut self) -> Vec<Vec<u8>> {
        let Self { generator, send_time_ns, .. } = self;
        let of = &generator.options().session;
        generator.wire().snapshot_end(of, generator.next_sequence(), send_time_ns, &mut self.body);
        self.count += 1;
        self.close(Kind::Data);
        self.close(Kind::EndOfSession);
        self.packets
    }

    fn close(&mut self, kind: Kind) {
        let mut packet = Vec::new();
        let Self { name, sequence, count, send_time_ns, .. } = *self;
        self.generator.wire().header(kind, name, sequence, count, send_time_ns, &mut packet);
        packet.append(&mut self.body);
        self.packets.push(packet);
        self.sequence += u64::from(count);
        self.count = 0;
    }
}
