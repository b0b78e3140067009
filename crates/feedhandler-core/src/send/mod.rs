//! Sending datagrams again, paced: the instrument that feeds the other stages in replays, tests and benchmarks.
//!
//! In the order of the data's way: a [`DatagramSource`] gives datagrams with time stamps, [`Routes`] say where each goes,
//! a [`Schedule`] when, and a [`Sender`] waits and gives them to the kernel through a [`Transmit`]. [`replay()`] joins them.
//! Only [`Monotonic`] and [`UdpTransmit`] touch the operating system; tests set time and failures of their own.

mod batch;
mod clock;
mod destination;
mod file;
mod merge;
mod message_packets;
mod open_loop;
mod pacing;
mod pack;
mod prepared;
mod replay;
mod report;
mod route;
mod segments;
mod sender;
mod source;
mod transmit;
mod window;
mod worker;

pub use batch::{BATCH_PACKETS, Batch, MAX_PAYLOAD_BYTES, Packet};
pub use clock::{
    Clock, DeadlineWait, Monotonic, SPIN_NS, STOP_CHECK_NS, sharpen_sleeps_of_this_thread, unix_offset_ns, wait_until,
};
pub use destination::{DestinationError, Interface, Reach, check_destination};
pub use file::{FileError, FileReplayed, FileSource, FilesSpec, MessagePacking, replay_files};
pub use merge::Merged;
pub use message_packets::{MessageFile, MessagePackets, Together, common_field};
pub use open_loop::{
    LoadError, LoadReport, LoadSchedule, OpenLoop, OpenLoopSpec, ScheduleSpec, Stall, Template, TemplateError,
    TemplateSpec, WarmUp,
};
pub use pacing::{Pacing, PacingError, Schedule};
pub use pack::{DEFAULT_PAYLOAD_BYTES, PackError, Packer};
pub use prepared::{Prepared, PreparedError};
pub use replay::{LEAD_NS, Replay, ReplayError, Replayed, replay};
pub use report::{DestinationReport, SendReport};
pub use route::Routes;
pub use sender::{Control, Halt, Sender};
pub use source::{DatagramSource, Outgoing, SourceError};
pub use transmit::{OpenError, Transmit, UdpTransmit};
pub use window::{Bound, Window};
pub use worker::{Pending, Worker, WorkerGone};
