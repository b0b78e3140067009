//! From a capture's datagrams to the pipeline: which destination is which line, and what time it is.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use crate::feed::stamps::StampClock;
use crate::padded::Padded;
use crate::pipeline::{Datagram, Pipeline};

/// A channel and the destinations that are its lines.
#[derive(Clone, Debug)]
pub struct ChannelSpec {
    /// Name.
    pub name: String,
    /// Address and port that each line's datagrams are sent to.
    pub lines: Vec<(IpAddr, u16)>,
}

/// Destinations that are told apart; datagrams to further ones are counted only.
const MOST_DESTINATIONS: usize = 4096;
/// Destinations that are found without a look at all of them.
const RECENT: usize = 64;

/// What stands between a capture's datagrams and the pipeline. Whoever reads a capture, and whoever writes one and says
/// what will be read of it, drives the same.
pub(super) struct Intake {
    routes: Routes,
    other_datagrams: u64,
    clock: StampClock,
    doubtful: Option<Doubtful>,
}

/// A datagram whose stamp leaps: it waits for the one behind it, which says whether the stamp can be believed.
struct Doubtful {
    channel: usize,
    line: usize,
    ts_ns: u64,
    payload: Vec<u8>,
}

/// Which destination is which line.
struct Routes {
    known: HashMap<SocketAddr, Option<(usize, usize)>>,
    /// Most datagrams go where one did shortly before: places of the latter, by some bits of the address.
    recent: [Option<(SocketAddr, (usize, usize))>; RECENT],
    is_open: bool,
}

impl Intake {
    /// For the channels of a capture, which are added to the pipeline; if it `is_open`, so is one for each destination that
    /// none of them names.
    pub(super) fn new(pipeline: &mut Pipeline, channels: &[ChannelSpec], is_open: bool) -> Self {
        let routes = Routes::new(pipeline, channels, is_open);
        Self { routes, other_datagrams: 0, clock: StampClock::default(), doubtful: None }
    }

    /// Datagrams to destinations that are no line of a channel.
    pub(super) fn other_datagrams(&self) -> u64 {
        self.other_datagrams
    }

    /// Takes the next datagram of a capture in.
    #[inline]
    pub(super) fn take(&mut self, pipeline: &mut Pipeline, destination: &SocketAddr, ts_ns: u64, payload: Padded<'_>) {
        if let Some(place) = self.place(pipeline, destination) {
            self.accept(pipeline, place, ts_ns, payload);
        }
    }

    /// Channel and line of a destination; one that is none is counted.
    #[inline]
    pub(super) fn place(&mut self, pipeline: &mut Pipeline, destination: &SocketAddr) -> Option<(usize, usize)> {
        let place = self.routes.find(destination, pipeline);
        self.other_datagrams += u64::from(place.is_none());
        place
    }

    /// Takes a datagram of a line in, or lets it wait where nobody knows yet what its stamp is worth.
    #[inline]
    pub(super) fn accept(
        &mut self,
        pipeline: &mut Pipeline,
        (channel, line): (usize, usize),
        ts_ns: u64,
        payload: Padded<'_>,
    ) {
        if let Some(doubtful) = self.doubtful.take() {
            doubtful.settle(Some(ts_ns), &mut self.clock, pipeline);
        }
        if self.clock.leaps(ts_ns) {
            self.doubtful = Some(Doubtful { channel, line, ts_ns, payload: payload.bytes().to_vec() });
            return;
        }
        let now_ns = self.clock.follow(ts_ns);
        take_in(pipeline, channel, line, ts_ns, now_ns, payload);
    }

    /// Takes in what waits for another datagram, at the end of a capture.
    pub(super) fn settle(&mut self, pipeline: &mut Pipeline) {
        if let Some(doubtful) = self.doubtful.take() {
            doubtful.settle(None, &mut self.clock, pipeline);
        }
    }
}

impl Doubtful {
    #[cold]
    fn settle(self, next_ns: Option<u64>, clock: &mut StampClock, pipeline: &mut Pipeline) {
        let now_ns = clock.leap(self.ts_ns, next_ns);
        take_in(pipeline, self.channel, self.line, self.ts_ns, now_ns, Padded::from(self.payload.as_slice()));
    }
}

#[inline]
fn take_in(pipeline: &mut Pipeline, channel: usize, line: usize, ts_recv_ns: u64, now_ns: u64, payload: Padded<'_>) {
    pipeline.advance(now_ns);
    pipeline.on_datagram_at(&Datagram { channel, line, ts_recv_ns, is_cut_off: false, payload }, now_ns);
}

impl Routes {
    fn new(pipeline: &mut Pipeline, channels: &[ChannelSpec], is_open: bool) -> Self {
        let mut known = HashMap::new();
        for spec in channels {
            let lines: Vec<_> = spec.lines.iter().map(|(ip, port)| SocketAddr::new(*ip, *port)).collect();
            let channel = pipeline.add_channel(&spec.name, lines.iter().map(ToString::to_string));
            known.extend(lines.iter().enumerate().map(|(line, place)| (*place, Some((channel, line)))));
        }
        Self { known, recent: [None; RECENT], is_open }
    }

    #[inline]
    fn find(&mut self, destination: &SocketAddr, pipeline: &mut Pipeline) -> Option<(usize, usize)> {
        match &self.recent[recent_place(destination)] {
            Some((known, route)) if known == destination => Some(*route),
            _ => self.look_up(destination, pipeline),
        }
    }

    fn look_up(&mut self, destination: &SocketAddr, pipeline: &mut Pipeline) -> Option<(usize, usize)> {
        if !self.known.contains_key(destination) && self.known.len() < MOST_DESTINATIONS {
            let name = destination.to_string();
            let route = self.is_open.then(|| (pipeline.add_channel(name.clone(), [name]), 0));
            self.known.insert(*destination, route);
        }
        let route = self.known.get(destination).copied().flatten()?;
        self.recent[recent_place(destination)] = Some((*destination, route));
        Some(route)
    }
}

/// Groups of a feed mostly differ in their last bits, or their ports do.
#[inline]
fn recent_place(destination: &SocketAddr) -> usize {
    let host = match destination {
        SocketAddr::V4(v4) => v4.ip().octets()[3],
        SocketAddr::V6(v6) => v6.ip().octets()[15],
    };
    (usize::from(host) + usize::from(destination.port())) % RECENT
}
