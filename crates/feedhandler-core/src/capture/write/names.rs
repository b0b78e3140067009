//! What the files of a capture are called: `OUT.pcapng`, or `OUT.0001.pcapng`, `OUT.0002.pcapng`, ….

use std::io;
use std::path::{Path, PathBuf};

use super::output::Compression;

/// The names of a capture's files, in order. None of them is of a file that is there.
#[derive(Clone, Debug)]
pub struct Names {
    folder: PathBuf,
    stem: String,
    suffix: &'static str,
    /// Whether the first file has a number as well.
    is_numbered: bool,
    next: u32,
}

const SUFFIXES: [(&str, Compression); 2] = [(".pcapng.zst", Compression::Zstd), (".pcapng", Compression::None)];

impl Names {
    /// Names after `path`, beginning behind the highest number that is taken already.
    ///
    /// # Errors
    /// The name does not end in `.pcapng` or `.pcapng.zst`, or the folder cannot be read.
    pub fn new(path: &Path, is_numbered: bool) -> io::Result<Self> {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let suffix = SUFFIXES.iter().find(|(suffix, _)| name.len() > suffix.len() && name.ends_with(suffix));
        let Some((suffix, _)) = suffix else {
            let expected = "expected the name of a file that ends in .pcapng or .pcapng.zst";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, expected));
        };
        let stem = name[..name.len() - suffix.len()].to_owned();
        let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
        let mut names = Self { folder, stem, suffix, is_numbered, next: 1 };
        names.next = names.highest()?.map_or(1, |highest| highest + 1);
        Ok(names)
    }

    /// How the files are compressed.
    #[must_use]
    pub fn compression(&self) -> Compression {
        SUFFIXES.iter().find(|(suffix, _)| *suffix == self.suffix).map_or(Compression::None, |(_, known)| *known)
    }

    /// The last file that was there before, where there is one.
    #[must_use]
    pub fn previous(&self) -> Option<PathBuf> {
        let number = self.next.checked_sub(1)?;
        let plain = (number <= 1).then(|| self.folder.join(format!("{}{}", self.stem, self.suffix)));
        [Some(self.numbered(number)), plain].into_iter().flatten().find(|path| path.exists())
    }

    /// The number of the next file, from 1.
    #[must_use]
    pub fn number(&self) -> u32 {
        self.next
    }

    /// The name of the next file.
    #[must_use]
    pub fn next_path(&self) -> PathBuf {
        if self.next == 1 && !self.is_numbered {
            return self.folder.join(format!("{}{}", self.stem, self.suffix));
        }
        self.numbered(self.next)
    }

    /// Goes on to the file after.
    pub fn advance(&mut self) {
        self.next += 1;
    }

    fn numbered(&self, number: u32) -> PathBuf {
        self.folder.join(format!("{}.{number:04}{}", self.stem, self.suffix))
    }

    /// The highest number of a file that is there; the one without a number counts as 1.
    fn highest(&self) -> io::Result<Option<u32>> {
        let here = self.folder.as_os_str().is_empty().then_some(Path::new("."));
        let mut highest = None;
        for entry in std::fs::read_dir(here.unwrap_or(&self.folder))? {
            let name = entry?.file_name();
            highest = highest.max(name.to_str().and_then(|name| self.number_of(name)));
        }
        Ok(highest)
    }

    fn number_of(&self, name: &str) -> Option<u32> {
        let middle = name.strip_prefix(self.stem.as_str())?.strip_suffix(self.suffix)?;
        match middle.strip_prefix('.') {
            None => middle.is_empty().then_some(1),
            Some(digits) if digits.len() >= 4 && digits.bytes().all(|digit| digit.is_ascii_digit()) => {
                digits.parse().ok().filter(|number| (1..u32::MAX).contains(number))
            }
            Some(_) => None,
        }
    }
}
