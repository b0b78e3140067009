//! What the ring's memory is made of: ordinary pages, or huge ones, which spare the processor most of its address lookups.

use serde::Serialize;

use super::SlotLayout;
use crate::wire::Warning;

/// The pages of a ring's memory, as the kernel tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Pages {
    /// Ordinary ones.
    Ordinary,
    /// Huge ones, at least for half of the ring, that the kernel made of ordinary ones.
    Transparent,
    /// Huge ones that the system holds ready (`vm.nr_hugepages`).
    Reserved,
}

impl Pages {
    /// What `/proc/self/smaps` says of the mappings that the `bytes` bytes from `address` on lie in.
    pub(super) fn of(address: usize, bytes: usize) -> Self {
        std::fs::read_to_string("/proc/self/smaps").map_or(Self::Ordinary, |smaps| Self::read(&smaps, address, bytes))
    }

    fn read(smaps: &str, address: usize, bytes: usize) -> Self {
        let (mut is_ours, mut page_kb, mut transparent_kb) = (false, 0, 0);
        for line in smaps.lines() {
            if let Some(mapped) = range_of(line) {
                is_ours = mapped.start < address + bytes && address < mapped.end;
            } else if is_ours {
                page_kb = page_kb.max(kilobytes(line, "KernelPageSize:").unwrap_or(0));
                transparent_kb += kilobytes(line, "AnonHugePages:").unwrap_or(0);
            }
        }
        match (page_kb, transparent_kb * 2 * 1024 >= bytes) {
            (1024.., _) => Self::Reserved,
            (_, true) if transparent_kb > 0 => Self::Transparent,
            _ => Self::Ordinary,
        }
    }

    /// What is to be said where the system was asked for huge pages that it holds ready.
    #[must_use]
    pub fn warning(self, asked: bool, layout: SlotLayout) -> Option<Warning> {
        const HUGE_PAGE_BYTES: usize = 2 << 20;
        if !asked || self == Self::Reserved {
            return None;
        }
        let pages = layout.arena_bytes().div_ceil(HUGE_PAGE_BYTES);
        let granted = if self == Self::Transparent { "transparent huge pages" } else { "ordinary pages" };
        Some(Warning {
            subject: "ring".into(),
            setting: "MAP_HUGETLB",
            asked: format!("{pages} huge pages"),
            granted: granted.into(),
            why: "the system holds too few ready".into(),
            command: Some(format!("sysctl -w vm.nr_hugepages={pages}")),
        })
    }
}

/// The addresses of the mapping that a line opens, if it opens one.
fn range_of(line: &str) -> Option<std::ops::Range<usize>> {
    let (first, last) = line.split_whitespace().next()?.split_once('-')?;
    let address = |digits| usize::from_str_radix(digits, 16).ok();
    Some(address(first)?..address(last)?)
}

fn kilobytes(line: &str, name: &str) -> Option<usize> {
    line.strip_prefix(name)?.trim().strip_suffix(" kB")?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMAPS: &str = "\
1000-3000 rw-p 00000000 00:00 0
Size:                  8 kB
KernelPageSize:        4 kB
AnonHugePages:         0 kB
7effffffe000-7f0000000000 rw-p 00000000 00:00 0
KernelPageSize:        4 kB
AnonHugePages:         0 kB
7f0000000000-7f0000800000 rw-p 00000000 00:00 0          [heap]
KernelPageSize:        4 kB
AnonHugePages:      4096 kB
7f0000a00000-7f0000c00000 rw-p 00000000 00:0f 1          /anon_hugepage (deleted)
KernelPageSize:     2048 kB
AnonHugePages:         0 kB
";

    #[test]
    fn pages_are_those_of_the_mappings_that_hold_the_ring() {
        let cases = [
            (0x1000, 0x2000, Pages::Ordinary),
            (0x7f00_0000_1000, 8 << 20, Pages::Transparent),
            (0x7eff_ffff_f000, 8 << 20, Pages::Transparent),
            (0x7eff_ffff_e000, 4096, Pages::Ordinary),
            (0x7f00_00a0_0000, 2 << 20, Pages::Reserved),
            (0x5000, 0x1000, Pages::Ordinary),
        ];
        for (address, bytes, pages) in cases {
            assert_eq!(Pages::read(SMAPS, address, bytes), pages, "{address:#x}");
        }
    }

    #[test]
    fn what_was_not_granted_is_told_with_the_command_that_would_grant_it() {
        let layout = SlotLayout::new(1024, 2048).unwrap();
        assert_eq!(Pages::Reserved.warning(true, layout), None);
        assert_eq!(Pages::Ordinary.warning(false, layout), None);
        let warning = Pages::Transparent.warning(true, layout).unwrap();
        assert_eq!(warning.granted, "transparent huge pages");
        assert_eq!(warning.command.as_deref(), Some("sysctl -w vm.nr_hugepages=2"));
    }
}
