//! Messages of a market in the bytes of Nasdaq TotalView-ITCH 5.0, each behind its length as `MoldUDP64` has it.

use super::book::{Order, Side};
use super::instrument::{LOT, TICK, symbol};
use super::message::{About, Message};

/// Who an order is attributed to: a name that no market participant has.
const ATTRIBUTION: [u8; 4] = *b"TEST";

/// See the module's documentation. Sections are those of the specification.
#[derive(Debug)]
pub struct Itch {
    /// Midnight in the market's time zone, in Unix nanoseconds: what timestamps count from.
    midnight_ns: u64,
    stocks: Vec<[u8; 8]>,
}

/// A message block, being written.
struct Block<'a>(&'a mut Vec<u8>);

impl Block<'_> {
    #[inline]
    fn put<const BYTES: usize>(self, bytes: [u8; BYTES]) -> Self {
        self.0.extend_from_slice(&bytes);
        self
    }

    #[inline]
    fn price(self, ticks: u32) -> Self {
        self.put((ticks * TICK).to_be_bytes())
    }

    #[inline]
    fn id(self, number: u64) -> Self {
        self.put(number.to_be_bytes())
    }

    #[inline]
    fn size(self, shares: u32) -> Self {
        self.put(shares.to_be_bytes())
    }
}

impl Itch {
    /// Of so many instruments, on the day that began at `midnight_ns`.
    #[must_use]
    pub fn new(midnight_ns: u64, instruments: u32) -> Self {
        let stock = |number| {
            let mut stock = [b' '; 8];
            stock.iter_mut().zip(symbol(number).bytes()).for_each(|(byte, character)| *byte = character);
            stock
        };
        Self { midnight_ns, stocks: (1..=instruments).map(stock).collect() }
    }

    /// The day began at `midnight_ns`.
    pub fn set_midnight_ns(&mut self, midnight_ns: u64) {
        self.midnight_ns = midnight_ns;
    }

    /// Appends a message that happened at `time_ns`.
    #[inline]
    pub fn write(&self, about: About, time_ns: u64, out: &mut Vec<u8>) {
        match about.message {
            Message::SystemEvent(code) => {
                self.begin(b'S', 12, about, time_ns, out).put([code]); // §1.1
            }
            Message::Directory => self.directory(about, time_ns, out),
            Message::TradingAction => {
                let begun = self.begin(b'H', 25, about, time_ns, out).put(self.stock(about)); // §1.2.2
                begun.put(*b"T     ");
            }
            Message::Add { order, is_attributed } => self.add(about, order, is_attributed, time_ns, out),
            Message::Reduce { order, by } => {
                self.begin(b'X', 23, about, time_ns, out).id(order.id).size(by); // §1.4.3
            }
            Message::Delete(order) => {
                self.begin(b'D', 19, about, time_ns, out).id(order.id); // §1.4.4
            }
            Message::Replace { old_id, order } => {
                let begun = self.begin(b'U', 35, about, time_ns, out).id(old_id).id(order.id); // §1.4.5
                begun.size(order.size).price(order.price_ticks);
            }
            Message::Execute { order, size, at_ticks: None, trade_id } => {
                self.begin(b'E', 31, about, time_ns, out).id(order.id).size(size).id(trade_id); // §1.4.1
            }
            Message::Execute { order, size, at_ticks: Some((ticks, is_counted)), trade_id } => {
                let begun = self.begin(b'C', 36, about, time_ns, out).id(order.id).size(size).id(trade_id); // §1.4.2
                begun.put([if is_counted { b'Y' } else { b'N' }]).price(ticks);
            }
            Message::Trade { price_ticks, size, trade_id, .. } => {
                let begun = self.begin(b'P', 44, about, time_ns, out).id(0).put([b'B']).size(size); // §1.5.1
                begun.put(self.stock(about)).price(price_ticks).id(trade_id);
            }
            Message::Quote { .. } => unreachable!("ITCH tells no quotes, and its rules say so"),
        }
    }

    /// The length of the block, and what all messages have in common.
    #[inline]
    fn begin<'a>(&self, kind: u8, bytes: u16, about: About, time_ns: u64, out: &'a mut Vec<u8>) -> Block<'a> {
        let locate = u16::try_from(about.instrument).unwrap_or(0).to_be_bytes();
        let length = bytes.to_be_bytes();
        let timestamp = time_ns.saturating_sub(self.midnight_ns).to_be_bytes();
        let mut head = [length[0], length[1], kind, locate[0], locate[1], 0, 0, 0, 0, 0, 0, 0, 0];
        head[7..].copy_from_slice(&timestamp[2..]);
        out.extend_from_slice(&head);
        Block(out)
    }

    fn directory(&self, about: About, time_ns: u64, out: &mut Vec<u8>) {
        let begun = self.begin(b'R', 39, about, time_ns, out).put(self.stock(about)); // §1.2.1
        let category_and_status = *b"QN";
        let not_only_round_lots = *b"N";
        let common_stock = *b"CZ ";
        let test_without_restrictions = *b"TN 1N";
        let begun = begun.put(category_and_status).size(LOT).put(not_only_round_lots).put(common_stock);
        begun.put(test_without_restrictions).put(0_u32.to_be_bytes()).put(*b"N");
    }

    #[inline]
    fn add(&self, about: About, order: Order, is_attributed: bool, time_ns: u64, out: &mut Vec<u8>) {
        let (kind, bytes) = if is_attributed { (b'F', 40) } else { (b'A', 36) }; // §1.3.1, §1.3.2
        let side = if order.side == Side::Buy { b'B' } else { b'S' };
        let begun = self.begin(kind, bytes, about, time_ns, out).id(order.id).put([side]).size(order.size);
        let begun = begun.put(self.stock(about)).price(order.price_ticks);
        if is_attributed {
            begun.put(ATTRIBUTION);
        }
    }

    #[inline]
    fn stock(&self, about: About) -> [u8; 8] {
        let place = (about.instrument as usize).wrapping_sub(1);
        self.stocks.get(place).copied().unwrap_or([b' '; 8])
    }
}
