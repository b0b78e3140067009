//! The instruments of all channels: found by channel and name, or by symbol, and numbered in the order of appearance.

use std::ops::{Index, IndexMut};

use hashbrown::HashMap;

use super::failure::{Failure, Fault, Limit, Whose};
use super::ladder::{Bbo, Ladder, Quote};
use super::name::Name;
use super::state::BookState;

/// An instrument and its book.
#[derive(Debug)]
pub(super) struct Instrument {
    pub(super) channel: u16,
    pub(super) name: Name,
    pub(super) symbol: Option<Name>,
    pub(super) ladder: Ladder,
    pub(super) quote: Option<Quote>,
    /// Of the last message about it in this session; 0 where there was none.
    pub(super) seq: u64,
    pub(super) ts_recv_ns: u64,
    pub(super) is_changed: bool,
}

impl Instrument {
    fn new(channel: u16, name: Name) -> Self {
        let (symbol, quote) = (None, None);
        Self { channel, name, symbol, ladder: Ladder::new(), quote, seq: 0, ts_recv_ns: 0, is_changed: false }
    }

    /// Best bid and offer: the venue's own quote where it sends one, otherwise the best of the levels.
    pub(super) fn bbo(&self) -> (Bbo, BookState, u64) {
        match &self.quote {
            Some(quote) => (quote.bbo, quote.state(), quote.trust.since_seq),
            None => (self.ladder.bbo(), self.ladder.state(), self.ladder.trust.since_seq),
        }
    }
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Instruments {
    list: Vec<Instrument>,
    by_name: HashMap<(u16, Name), u32>,
    by_symbol: HashMap<(u16, Name), u32>,
    most: u32,
}

impl Instruments {
    pub(super) fn new(most: u32) -> Self {
        Self { list: Vec::new(), by_name: HashMap::new(), by_symbol: HashMap::new(), most }
    }

    /// The instrument of this name, which may be new.
    #[inline]
    pub(super) fn meet(&mut self, channel: u16, name: Name) -> Result<u32, Fault> {
        match self.by_name.get(&(channel, name)) {
            Some(index) => Ok(*index),
            None => self.add(channel, name),
        }
    }

    #[cold]
    fn add(&mut self, channel: u16, name: Name) -> Result<u32, Fault> {
        let full = Fault { whose: Whose::Nobody, failure: Failure::Full(Limit::Instruments) };
        let index = u32::try_from(self.list.len()).ok().filter(|index| *index < self.most).ok_or(full)?;
        self.by_name.insert((channel, name), index);
        self.list.push(Instrument::new(channel, name));
        Ok(index)
    }

    /// The instrument's symbol, from now on.
    pub(super) fn introduce(&mut self, index: u32, symbol: Name) {
        if self[index].symbol != Some(symbol) {
            self.forget_symbol(index);
            self[index].symbol = Some(symbol);
            self.by_symbol.insert((self[index].channel, symbol), index);
        }
    }

    /// The instrument has no symbol any more.
    pub(super) fn forget_symbol(&mut self, index: u32) {
        let instrument = &mut self[index];
        let Some(symbol) = instrument.symbol.take() else { return };
        let key = (instrument.channel, symbol);
        if self.by_symbol.get(&key) == Some(&index) {
            self.by_symbol.remove(&key);
        }
    }

    pub(super) fn find_name(&self, channel: u16, name: Name) -> Option<u32> {
        self.by_name.get(&(channel, name)).copied()
    }

    pub(super) fn find_symbol(&self, channel: u16, symbol: Name) -> Option<u32> {
        self.by_symbol.get(&(channel, symbol)).copied()
    }

    /// The numbers of a channel's instruments.
    pub(super) fn of_channel(&self, channel: u16) -> Vec<u32> {
        self.list
            .iter()
            .zip(0..)
            .filter(|(instrument, _)| instrument.channel == channel)
            .map(|(_, index)| index)
            .collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Instrument> {
        self.list.iter()
    }

    pub(super) fn get(&self, index: u32) -> Option<&Instrument> {
        self.list.get(index as usize)
    }
}

impl Index<u32> for Instruments {
    type Output = Instrument;

    #[inline]
    fn index(&self, index: u32) -> &Instrument {
        &self.list[index as usize]
    }
}

impl IndexMut<u32> for Instruments {
    #[inline]
    fn index_mut(&mut self, index: u32) -> &mut Instrument {
        &mut self.list[index as usize]
    }
}
