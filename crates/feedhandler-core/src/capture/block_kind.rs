//! The kinds of pcapng blocks and how many of each there were.

use std::collections::BTreeMap;

use serde::{Serialize, Serializer};

use super::kind::SECTION_HEADER;

/// Kinds of pcapng blocks, under the abbreviations of its specification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// Section header.
    SectionHeader,
    /// Interface description.
    InterfaceDescription,
    /// Packet block, which is obsolete.
    Packet,
    /// Simple packet.
    SimplePacket,
    /// Name resolution.
    NameResolution,
    /// Interface statistics.
    InterfaceStatistics,
    /// Enhanced packet.
    EnhancedPacket,
    /// Decryption secrets.
    DecryptionSecrets,
    /// Custom block that may be copied.
    Custom,
    /// Custom block that should not be copied.
    CustomNoCopy,
    /// Any other.
    Unknown,
}

impl BlockKind {
    /// Every kind, in the order of their variants.
    pub const ALL: [Self; 11] = [
        Self::SectionHeader,
        Self::InterfaceDescription,
        Self::Packet,
        Self::SimplePacket,
        Self::NameResolution,
        Self::InterfaceStatistics,
        Self::EnhancedPacket,
        Self::DecryptionSecrets,
        Self::Custom,
        Self::CustomNoCopy,
        Self::Unknown,
    ];

    #[inline]
    pub(super) fn of(block_type: u32) -> Self {
        match block_type {
            SECTION_HEADER => Self::SectionHeader,
            0x0000_0001 => Self::InterfaceDescription,
            0x0000_0002 => Self::Packet,
            0x0000_0003 => Self::SimplePacket,
            0x0000_0004 => Self::NameResolution,
            0x0000_0005 => Self::InterfaceStatistics,
            0x0000_0006 => Self::EnhancedPacket,
            0x0000_000a => Self::DecryptionSecrets,
            0x0000_0bad => Self::Custom,
            0x4000_0bad => Self::CustomNoCopy,
            _ => Self::Unknown,
        }
    }

    #[inline]
    pub(super) fn is_packet(self) -> bool {
        matches!(self, Self::EnhancedPacket | Self::SimplePacket | Self::Packet)
    }

    /// Whether nothing that follows can be understood without what is in it.
    pub(super) fn is_needed(self) -> bool {
        matches!(self, Self::SectionHeader | Self::InterfaceDescription) || self.is_packet()
    }

    /// Abbreviation, such as `EPB`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::SectionHeader => "SHB",
            Self::InterfaceDescription => "IDB",
            Self::Packet => "PB",
            Self::SimplePacket => "SPB",
            Self::NameResolution => "NRB",
            Self::InterfaceStatistics => "ISB",
            Self::EnhancedPacket => "EPB",
            Self::DecryptionSecrets => "DSB",
            Self::Custom => "CB",
            Self::CustomNoCopy => "DCB",
            Self::Unknown => "unknown",
        }
    }
}

/// Blocks by kind: an array, because one is counted for each packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BlockCounts([u64; BlockKind::ALL.len()]);

impl BlockCounts {
    /// Number of blocks of a kind.
    #[must_use]
    pub fn of(&self, kind: BlockKind) -> u64 {
        self.0[kind as usize]
    }

    /// The kinds that were met, by abbreviation.
    #[must_use]
    pub fn by_code(&self) -> BTreeMap<&'static str, u64> {
        let all = BlockKind::ALL.into_iter().map(|kind| (kind.code(), self.of(kind)));
        all.filter(|(_, count)| *count > 0).collect()
    }

    #[inline]
    pub(super) fn count(&mut self, kind: BlockKind) {
        self.0[kind as usize] += 1;
    }
}

impl Serialize for BlockCounts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.by_code().serialize(serializer)
    }
}
