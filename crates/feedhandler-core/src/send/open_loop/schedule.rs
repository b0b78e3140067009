//! When the packets of a load are due: at a rate, in bursts, at listed times, or whenever they can go.

use std::path::{Path, PathBuf};
use std::{fmt, fs, io};

use serde::Deserialize;

/// When packets are due, as asked for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ScheduleSpec {
    /// As fast as the kernel takes them.
    Unpaced {
        /// For how long.
        for_ns: u64,
    },
    /// At a rate, several at once where a burst is more than one.
    Rate {
        /// Packets a second, over all channels.
        packets_per_s: f64,
        /// Packets that are due together.
        burst: u64,
        /// For how long.
        for_ns: u64,
    },
    /// At listed times.
    Listed {
        /// A file of offsets from the start in nanoseconds, in order: eight bytes each, little-endian.
        offsets: PathBuf,
        /// A file of which template each packet is: four bytes each, little-endian. Without it, all are the first.
        picks: Option<PathBuf>,
    },
}

/// Why a load cannot be sent.
#[derive(Debug)]
pub enum LoadError {
    /// The rate is none.
    Rate(f64),
    /// Packets come in bursts of none.
    Burst,
    /// There is no packet to send.
    NoTemplate,
    /// A channel has no destination.
    Channels,
    /// A file cannot be read.
    Unreadable(PathBuf, io::Error),
    /// A file is not whole, out of order, or picks what is not there.
    Listed(PathBuf, String),
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rate(rate) => write!(f, "expected a rate above 0, found {rate}"),
            Self::Burst => f.write_str("expected bursts of at least one packet, found 0"),
            Self::NoTemplate => f.write_str("expected a packet to send, found none"),
            Self::Channels => f.write_str("expected a destination for each channel from 0 on, found a channel without"),
            Self::Unreadable(path, error) => write!(f, "cannot read {}: {error}", path.display()),
            Self::Listed(path, found) => write!(f, "{}: {found}", path.display()),
        }
    }
}

impl std::error::Error for LoadError {}

/// When a packet is due, and which it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// After the start.
    pub offset_ns: u64,
    /// Number of its template.
    pub template: usize,
}

/// When packets are due.
#[derive(Debug)]
pub enum LoadSchedule {
    /// As fast as the kernel takes them.
    Unpaced {
        /// For how long.
        for_ns: u64,
    },
    /// Bursts, of one packet or more.
    Rate {
        /// From one packet to the next, were they apart.
        ns_per_packet: f64,
        /// Packets that are due together.
        burst: u64,
        /// Number of them.
        packets: u64,
    },
    /// At listed times.
    Listed(Vec<Due>),
}

impl LoadSchedule {
    /// What is asked for, where there are so many templates.
    ///
    /// # Errors
    /// [`LoadError`].
    pub fn open(spec: &ScheduleSpec, templates: usize) -> Result<Self, LoadError> {
        if templates == 0 {
            return Err(LoadError::NoTemplate);
        }
        match spec {
            ScheduleSpec::Unpaced { for_ns } => Ok(Self::Unpaced { for_ns: *for_ns }),
            ScheduleSpec::Rate { packets_per_s, .. } if !(packets_per_s.is_finite() && *packets_per_s > 0.0) => {
                Err(LoadError::Rate(*packets_per_s))
            }
            ScheduleSpec::Rate { burst: 0, .. } => Err(LoadError::Burst),
            ScheduleSpec::Rate { packets_per_s, burst, for_ns } => Ok(Self::rate(*packets_per_s, *burst, *for_ns)),
            ScheduleSpec::Listed { offsets, picks } => listed(offsets, picks.as_deref(), templates).map(Self::Listed),
        }
    }

    #[expect(clippy::cast_precision_loss, reason = "less than a nanosecond in a hundred days")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to be above 0; saturates")]
    fn rate(packets_per_s: f64, burst: u64, for_ns: u64) -> Self {
        let ns_per_packet = 1e9 / packets_per_s;
        let bursts = (for_ns as f64 / (ns_per_packet * burst as f64)).ceil() as u64;
        Self::Rate { ns_per_packet, burst, packets: bursts.saturating_mul(burst) }
    }

    /// Whether packets go as fast as the kernel takes them.
    #[must_use]
    pub fn is_unpaced(&self) -> bool {
        matches!(self, Self::Unpaced { .. })
    }

    /// How long packets go without a schedule.
    #[must_use]
    pub fn duration_ns(&self) -> u64 {
        match self {
            Self::Unpaced { for_ns } => *for_ns,
            Self::Rate { .. } | Self::Listed(_) => 0,
        }
    }

    /// Number of packets.
    #[must_use]
    pub fn packets(&self) -> u64 {
        match self {
            Self::Unpaced { .. } => 0,
            Self::Rate { packets, .. } => *packets,
            Self::Listed(listed) => listed.len() as u64,
        }
    }

    /// When a packet is due.
    #[inline]
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "less than a nanosecond in a hundred days")]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a time after the start")]
    pub fn at(&self, number: u64) -> Option<Due> {
        match self {
            Self::Unpaced { .. } => None,
            Self::Rate { ns_per_packet, burst, .. } => {
                let offset_ns = ((number - number % burst) as f64 * ns_per_packet) as u64;
                Some(Due { offset_ns, template: 0 })
            }
            Self::Listed(listed) => listed.get(usize::try_from(number).ok()?).copied(),
        }
    }

    /// When a packet of a warm-up is due, for which a list that is too short begins again.
    #[must_use]
    pub fn at_cycled(&self, number: u64) -> Option<Due> {
        let Self::Listed(listed) = self else { return self.at(number) };
        let length = listed.len() as u64;
        let last_ns = listed.last()?.offset_ns;
        let due = self.at(number % length)?;
        Some(Due { offset_ns: due.offset_ns + number / length * last_ns, ..due })
    }
}

fn listed(offsets: &Path, picks: Option<&Path>, templates: usize) -> Result<Vec<Due>, LoadError> {
    let times: Vec<u64> = numbers(offsets, u64::from_le_bytes)?;
    if !times.is_sorted() {
        return Err(LoadError::Listed(offsets.into(), "expected offsets in order, found one before another".into()));
    }
    let picked = picks.map(|path| numbers(path, u32::from_le_bytes)).transpose()?;
    let picked = picked.unwrap_or_else(|| vec![0; times.len()]);
    let is_there = |&pick: &u32| (pick as usize) < templates;
    if picked.len() != times.len() || !picked.iter().all(is_there) {
        let expected = format!("expected {} picks of {templates} packets, found others", times.len());
        return Err(LoadError::Listed(picks.unwrap_or(offsets).into(), expected));
    }
    let due = |(offset_ns, pick): (u64, u32)| Due { offset_ns, template: pick as usize };
    Ok(times.into_iter().zip(picked).map(due).collect())
}

fn numbers<const N: usize, T>(path: &Path, number: fn([u8; N]) -> T) -> Result<Vec<T>, LoadError> {
    let bytes = fs::read(path).map_err(|error| LoadError::Unreadable(path.into(), error))?;
    let (numbers, rest) = bytes.as_chunks::<N>();
    if !rest.is_empty() {
        let found = format!("expected numbers of {N} bytes, found {} bytes", bytes.len());
        return Err(LoadError::Listed(path.into(), found));
    }
    Ok(numbers.iter().copied().map(number).collect())
}
