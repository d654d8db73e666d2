//! The watermark file: a frame that is certainly on disk, at most about a second old.
//!
//! It is outside the log and the engine, so that the loss of their ends is noticed. It also says which segment of the log
//! must be there: the one that was being written, unless the store was closed.

use super::fields::{Fields, checksum};
use crate::disk::{Disk, DiskFile};
use crate::open_mode::OpenMode;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;
use webpush_core::env::MonotonicTime;
use webpush_core::id::Position;

pub(super) const FILE_NAME: &str = "watermark";
const REWRITE_INTERVAL: Duration = Duration::from_secs(1);
/// The frame, the position, the first frame of the active segment, and a checksum.
const BYTES: usize = 28;

/// The last synced frame and position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watermark {
    pub(super) frame: u64,
    pub(super) position: Position,
}

/// Reads the watermark of a store that is not open; `None` if there is none, or if it is damaged.
pub(super) fn read(disk: &Disk, directory: &Path) -> Option<LastKnown> {
    disk.read(&directory.join(FILE_NAME)).ok().as_deref().and_then(decode)
}

/// The content of the file.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct LastKnown {
    pub(super) watermark: Watermark,
    /// The first frame of the segment that was being written; `None` if the store was closed.
    pub(super) active: Option<u64>,
}

/// The open file.
pub(super) struct WatermarkFile {
    file: DiskFile,
    written: Option<MonotonicTime>,
    active: Option<u64>,
}

impl WatermarkFile {
    /// Opens or creates the file. It is read before it is written.
    ///
    /// A damaged watermark counts as none.
    pub(super) fn open(disk: &Disk, directory: &Path) -> io::Result<(Self, Option<LastKnown>)> {
        let path = directory.join(FILE_NAME);
        let mut file = disk.open(&path, OpenMode::Write)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let watermark = decode(&content);
        if watermark.is_none() && !content.is_empty() {
            tracing::warn!(directory = %directory.display(), "the watermark file is damaged and is not used");
        }
        Ok((Self { file, written: None, active: None }, watermark))
    }

    /// Sets the active segment, by its first frame. It is recorded with the next write.
    ///
    /// Set it when the segment exists, and write before it is removed.
    pub(super) const fn set_active(&mut self, first: Option<u64>) {
        self.active = first;
    }

    /// Returns the active segment.
    pub(super) const fn active(&self) -> Option<u64> {
        self.active
    }

    /// Writes the watermark, unless the last write is too recent.
    ///
    /// After a failure the file only lags more.
    pub(super) fn note(&mut self, synced: Watermark, now: MonotonicTime) {
        if self.written.is_none_or(|written| now.since(written) >= REWRITE_INTERVAL) {
            self.write(synced, now);
        }
    }

    /// Writes the watermark.
    pub(super) fn write(&mut self, synced: Watermark, now: MonotonicTime) {
        self.written = Some(now);
        let content = encode(LastKnown { watermark: synced, active: self.active });
        let result = self.file.rewind().and_then(|()| self.file.write_all(&content));
        if let Err(error) = result {
            tracing::warn!(%error, "cannot write the watermark file");
        }
    }

    /// Syncs the last write.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

fn encode(LastKnown { watermark: Watermark { frame, position }, active }: LastKnown) -> [u8; BYTES] {
    let mut content = [0; BYTES];
    content[..8].copy_from_slice(&frame.to_le_bytes());
    content[8..16].copy_from_slice(&position.get().to_le_bytes());
    content[16..24].copy_from_slice(&active.unwrap_or_default().to_le_bytes());
    let sum = checksum(&[], &content[..24]);
    content[24..].copy_from_slice(&sum);
    content
}

fn decode(content: &[u8]) -> Option<LastKnown> {
    let (numbers, sum) = content.split_last_chunk::<4>()?;
    if checksum(&[], numbers) != *sum {
        return None;
    }
    let mut fields = Fields(numbers);
    let watermark = Watermark { frame: fields.u64()?, position: Position::new(fields.u64()?) };
    // Format 3 and earlier have no segment.
    let active = if fields.0.is_empty() { None } else { fields.u64().filter(|first| *first > 0) };
    Some(LastKnown { watermark, active })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watermark_is_kept_and_damage_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let (mut file, none) = WatermarkFile::open(&Disk::System, directory.path()).unwrap();
        assert_eq!(none, None);
        let watermark = Watermark { frame: 3, position: Position::new(4) };
        let now = MonotonicTime::default();
        file.note(watermark, now);
        file.set_active(Some(5));
        file.write(watermark, now);
        let known = LastKnown { watermark, active: Some(5) };
        assert_eq!(WatermarkFile::open(&Disk::System, directory.path()).unwrap().1, Some(known));
        for index in 0..BYTES {
            let mut content = encode(known);
            content[index] ^= 1;
            assert_eq!(decode(&content), None);
            assert_eq!(decode(&encode(known)[..index]), None);
        }
    }
}
