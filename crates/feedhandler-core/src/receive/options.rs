//! How to receive: the options, and which of them go together.

use serde::{Deserialize, Serialize};

use crate::ring::{LayoutError, SlotLayout};
use crate::wait::Wait;
use crate::wire::{BackendKind, LineSpec, MAX_BATCH, WireError};

/// How to receive.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiveOptions {
    /// Who looks at the sockets.
    #[serde(default)]
    pub mode: Mode,
    /// How datagrams are taken from them.
    #[serde(default)]
    pub backend: BackendKind,
    /// What the receive thread does while all sockets are empty.
    pub wait: Wait,
    /// Datagrams to take with one look at a socket, at most.
    pub batch: usize,
    /// Longest datagram that is received whole.
    pub slot_bytes: usize,
    /// Slots of the ring, a power of two.
    pub slots: usize,
    /// What to do while the ring is full.
    pub full: FullPolicy,
    /// Processor that the receive thread is to run on; without it, any.
    pub cpu: Option<usize>,
    /// Whether the ring was meant to lie in huge pages that the system holds ready.
    #[serde(default)]
    pub huge_pages: bool,
    /// Whether each slot is to say who sent it; then the kernel is asked, also for lines that anybody may send to.
    #[serde(default)]
    pub senders: bool,
}

/// Who looks at the sockets.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// A thread of its own, so that a slow reader delays nothing but itself.
    #[default]
    Threaded,
    /// The reader, so that nothing is handed from one processor to another.
    Inline,
}

impl Default for ReceiveOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Threaded,
            backend: BackendKind::Recvmmsg,
            wait: Wait::Block,
            batch: 64,
            slot_bytes: 2048,
            slots: 8192,
            full: FullPolicy::LeaveInSocket,
            cpu: None,
            huge_pages: false,
            senders: false,
        }
    }
}

impl ReceiveOptions {
    /// The slots of the ring; its arena needs [`SlotLayout::arena_bytes`].
    ///
    /// # Errors
    /// See [`SlotLayout::new`].
    pub fn layout(&self) -> Result<SlotLayout, LayoutError> {
        SlotLayout::new(self.slots, self.slot_bytes)
    }

    /// The slots of the ring, where the options go together and with the lines.
    pub(super) fn checked(&self, lines: &[LineSpec]) -> Result<SlotLayout, WireError> {
        if lines.is_empty() || lines.len() > usize::from(u16::MAX) {
            return Err(impossible("lines", "1 to 65535 lines", &lines.len()));
        }
        if !(1..=MAX_BATCH).contains(&self.batch) {
            return Err(impossible("batch", &format!("1 to {MAX_BATCH}"), &self.batch));
        }
        if let Some(least) = self.backend.least_slot_bytes().filter(|&least| self.slot_bytes < least) {
            let expected = format!("{least} with the backend {}, for all that may be coalesced", self.backend);
            return Err(impossible("slot_bytes", &expected, &self.slot_bytes));
        }
        if self.mode == Mode::Inline && self.full == FullPolicy::DropNewest {
            let expected = "leave_in_socket with the mode inline, where nobody fills the ring while it is read";
            return Err(impossible("full", expected, "drop_newest"));
        }
        self.layout().map_err(|error| impossible(error.setting, &error.expected, &error.found))
    }
}

/// What the receive thread does while the ring is full.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum FullPolicy {
    /// Takes nothing: datagrams wait in the receive buffer, and the kernel drops those that find it full.
    LeaveInSocket,
    /// Takes datagrams, counts them and throws them away: those in the ring are the oldest.
    DropNewest,
}

fn impossible(setting: &str, expected: &str, found: &(impl std::fmt::Display + ?Sized)) -> WireError {
    WireError {
        subject: "receive options".into(),
        doing: format!("use {setting}"),
        expected: expected.into(),
        found: found.to_string(),
        remedy: format!("change {setting}"),
    }
}
