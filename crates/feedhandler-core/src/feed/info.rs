//! The streams of a capture: how much came when, and which protocols explain it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use serde::Serialize;

use crate::capture::{Capture, CaptureError, CaptureStats, Datagram};
use crate::feed::peak::Peak;
use crate::feed::recognise::{Fit, Samples};
use crate::feed::timeline::{Bins, Timeline};
use crate::plan::Plan;

/// What is asked about a capture.
#[derive(Clone, Debug, Default)]
pub struct InfoOptions {
    /// Protocols that are tried on each stream.
    pub plans: Vec<Arc<Plan>>,
    /// Datagrams that are looked at; without it, all.
    pub most_datagrams: Option<u64>,
    /// Count by time as well.
    pub has_timelines: bool,
}

/// Datagrams to one destination.
#[derive(Clone, Debug, Serialize)]
pub struct Stream {
    /// Address they are sent to.
    pub address: IpAddr,
    /// Port they are sent to.
    pub port: u16,
    /// How many.
    pub datagrams: u64,
    /// Their payload bytes.
    pub bytes: u64,
    /// Time of the first, Unix ns.
    pub first_ts_ns: u64,
    /// Time of the last, Unix ns.
    pub last_ts_ns: u64,
    /// Datagrams of the busiest millisecond.
    pub peak_per_ms: u64,
    /// When that began, Unix ns.
    pub peak_ts_ns: u64,
    /// How well each protocol that was tried explains them, best first.
    pub fits: Vec<Fit>,
    /// Datagrams by time, in the bins of [`CaptureInfo`].
    pub timeline: Vec<u64>,
}

/// Facts of a capture.
#[derive(Clone, Debug, Serialize)]
pub struct CaptureInfo {
    /// The file.
    pub capture: CaptureStats,
    /// What it holds, by destination.
    pub streams: Vec<Stream>,
    /// Datagrams to destinations beyond those listed.
    pub other_datagrams: u64,
    /// When the first bin of every timeline begins, Unix ns.
    pub timeline_start_ns: u64,
    /// How much time each bin is.
    pub timeline_bin_ns: u64,
}

/// Streams that are told apart.
const MOST_STREAMS: usize = 65_536;
/// Streams that have a timeline.
const MOST_TIMELINES: usize = 1024;
/// Bytes of samples that are kept, of all streams together.
const MOST_SAMPLE_BYTES: usize = 32 << 20;

/// What is kept of a stream while the capture is read.
struct Seen {
    stream: Stream,
    peak: Peak,
    samples: Samples,
    timeline: Option<Timeline>,
}

/// All of them.
struct Survey<'a> {
    options: &'a InfoOptions,
    streams: BTreeMap<SocketAddr, Seen>,
    other_datagrams: u64,
    bins: Bins,
    sample_bytes: usize,
}

impl CaptureInfo {
    /// Reads a capture, to its end or as far as is asked for.
    ///
    /// # Errors
    /// [`CaptureError`] where it cannot be read or is no capture.
    pub fn read(path: &Path, options: &InfoOptions) -> Result<Self, CaptureError> {
        let mut capture = Capture::open(path)?;
        let mut survey =
            Survey { options, streams: BTreeMap::new(), other_datagrams: 0, bins: Bins::default(), sample_bytes: 0 };
        let most = options.most_datagrams.unwrap_or(u64::MAX);
        while capture.stats().datagrams < most
            && let Some(datagram) = capture.next_datagram()?
        {
            survey.take(&datagram);
        }
        let (timeline_start_ns, timeline_bin_ns) = survey.bins.scale();
        let other_datagrams = survey.other_datagrams;
        let streams = survey.streams.into_values().map(|seen| seen.finish(&options.plans)).collect();
        let capture = capture.stats().clone();
        Ok(Self { capture, streams, other_datagrams, timeline_start_ns, timeline_bin_ns })
    }
}

impl Survey<'_> {
    fn take(&mut self, datagram: &Datagram<'_>) {
        let (known, has_timelines) = (self.streams.len(), self.options.has_timelines);
        if known == MOST_STREAMS && !self.streams.contains_key(datagram.destination) {
            self.other_datagrams += 1;
            return;
        }
        let bin = if has_timelines { self.bin(datagram.ts_ns) } else { 0 };
        let seen = self.streams.entry(*datagram.destination).or_insert_with(|| {
            Seen::new(*datagram.destination, datagram.ts_ns, has_timelines && known < MOST_TIMELINES)
        });
        seen.note(datagram, bin);
        if !self.options.plans.is_empty() {
            let room_bytes = MOST_SAMPLE_BYTES.saturating_sub(self.sample_bytes);
            let grown = seen.samples.offer(datagram.payload.bytes(), room_bytes);
            self.sample_bytes = self.sample_bytes.saturating_add_signed(grown);
        }
    }

    fn bin(&mut self, ts_ns: u64) -> usize {
        let (bin, doublings) = self.bins.find(ts_ns);
        for _ in 0..doublings {
            self.streams.values_mut().filter_map(|seen| seen.timeline.as_mut()).for_each(Timeline::fold);
        }
        bin
    }
}

impl Seen {
    fn new(destination: SocketAddr, ts_ns: u64, has_timeline: bool) -> Self {
        let stream = Stream {
            address: destination.ip(),
            port: destination.port(),
            datagrams: 0,
            bytes: 0,
            first_ts_ns: ts_ns,
            last_ts_ns: ts_ns,
            peak_per_ms: 0,
            peak_ts_ns: 0,
            fits: Vec::new(),
            timeline: Vec::new(),
        };
        let timeline = has_timeline.then(Timeline::default);
        Self { stream, peak: Peak::default(), samples: Samples::default(), timeline }
    }

    fn note(&mut self, datagram: &Datagram<'_>, bin: usize) {
        self.stream.datagrams += 1;
        self.stream.bytes += datagram.payload.len() as u64;
        self.stream.last_ts_ns = datagram.ts_ns;
        self.peak.note(datagram.ts_ns);
        if let Some(timeline) = &mut self.timeline {
            timeline.note(bin);
        }
    }

    fn finish(self, plans: &[Arc<Plan>]) -> Stream {
        let mut fits: Vec<_> = plans.iter().map(|plan| Fit::of(plan, self.samples.kept())).collect();
        fits.sort_by(|a, b| b.confidence.total_cmp(&a.confidence));
        let (peak_per_ms, peak_ts_ns) = self.peak.most();
        let timeline = self.timeline.map(Timeline::counts).unwrap_or_default();
        Stream { peak_per_ms, peak_ts_ns, fits, timeline, ..self.stream }
    }
}
