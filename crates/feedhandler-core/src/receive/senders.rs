//! Who has sent what is in the ring: each sender has a number, because a slot's header has no room for addresses.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

/// Senders that are told apart; further ones have the number 0, as those that nobody asked for.
const MOST_SENDERS: usize = 256;

/// The senders' addresses by number. Whoever receives writes each of them once, before it publishes a slot with its number.
#[derive(Debug)]
pub struct Senders(Box<[OnceLock<SocketAddr>]>);

impl Default for Senders {
    fn default() -> Self {
        Self((0..MOST_SENDERS).map(|_| OnceLock::new()).collect())
    }
}

impl Senders {
    /// The sender of that number.
    #[must_use]
    pub fn get(&self, number: u32) -> Option<SocketAddr> {
        let index = usize::try_from(number.checked_sub(1)?).ok()?;
        self.0.get(index)?.get().copied()
    }
}

/// Gives senders their numbers: whoever receives has the only one.
pub(super) struct Directory {
    senders: Arc<Senders>,
    known: usize,
    /// Index of the last one, which most datagrams are from.
    last: usize,
}

impl Directory {
    pub(super) fn new(senders: Arc<Senders>) -> Self {
        Self { senders, known: 0, last: 0 }
    }

    /// The number of a sender.
    pub(super) fn number(&mut self, sender: SocketAddr) -> u32 {
        if !self.is_at(self.last, sender) {
            match (0..self.known).find(|&index| self.is_at(index, sender)) {
                Some(index) => self.last = index,
                None if !self.add(sender) => return 0,
                None => {}
            }
        }
        u32::try_from(self.last + 1).unwrap_or(0)
    }

    fn is_at(&self, index: usize, sender: SocketAddr) -> bool {
        self.senders.0[index].get() == Some(&sender)
    }

    /// Gives the next number; false where all have been given.
    fn add(&mut self, sender: SocketAddr) -> bool {
        let is_new = self.senders.0.get(self.known).is_some_and(|place| place.set(sender).is_ok());
        if is_new {
            self.last = self.known;
            self.known += 1;
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sender(port: usize) -> SocketAddr {
        SocketAddr::from(([192, 0, 2, 1], u16::try_from(port).unwrap()))
    }

    #[test]
    fn a_sender_keeps_its_number() {
        let senders = Arc::new(Senders::default());
        let mut directory = Directory::new(Arc::clone(&senders));
        let numbers = [1, 2, 1, 1, 3, 2].map(|port| directory.number(sender(port)));
        assert_eq!(numbers, [1, 2, 1, 1, 3, 2]);
        assert_eq!([0, 1, 2, 3, 4].map(|number| senders.get(number)), {
            [None, Some(sender(1)), Some(sender(2)), Some(sender(3)), None]
        });
    }

    #[test]
    fn those_that_there_is_no_room_for_have_none() {
        let senders = Arc::new(Senders::default());
        let mut directory = Directory::new(Arc::clone(&senders));
        let numbers: Vec<_> = (0..MOST_SENDERS + 2).map(|port| directory.number(sender(port))).collect();
        assert_eq!(numbers[MOST_SENDERS - 1..], [256, 0, 0]);
        assert_eq!(directory.number(sender(7)), 8);
        assert_eq!(senders.get(u32::MAX), None);
    }
}
