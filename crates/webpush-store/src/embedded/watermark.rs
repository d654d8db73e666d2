//! The watermark file: a frame that is certainly on disk, at most about a second old.
//!
//! It is outside the log and the engine, so that the loss of their ends is noticed.

use super::fields::checksum;
use crate::disk::{Disk, DiskFile};
use crate::open_mode::OpenMode;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::time::Duration;
use webpush_core::env::MonotonicTime;
use webpush_core::id::Position;

pub(super) const FILE_NAME: &str = "watermark";
const REWRITE_INTERVAL: Duration = Duration::from_secs(1);
const BYTES: usize = 20;

/// The last synced frame and position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Watermark {
    pub(super) frame: u64,
    pub(super) position: Position,
}

/// The open file.
pub(super) struct WatermarkFile {
    file: DiskFile,
    written: Option<MonotonicTime>,
}

impl WatermarkFile {
    /// Opens or creates the file. It is read before it is written.
    ///
    /// A damaged watermark counts as none.
    pub(super) fn open(disk: &Disk, directory: &Path) -> io::Result<(Self, Option<Watermark>)> {
        let path = directory.join(FILE_NAME);
        let mut file = disk.open(&path, OpenMode::Write)?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let watermark = decode(&content);
        if watermark.is_none() && !content.is_empty() {
            tracing::warn!(directory = %directory.display(), "the watermark file is damaged and is not used");
        }
        Ok((Self { file, written: None }, watermark))
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
        let content = encode(synced);
        let result = self.file.rewind().and_then(|()| self.file.write_all(&content));
        if let Err(error) = result {
            tracing::warn!(%error, "cannot write the watermark file");
        }
    }
}

fn encode(Watermark { frame, position }: Watermark) -> [u8; BYTES] {
    let mut content = [0; BYTES];
    content[..8].copy_from_slice(&frame.to_le_bytes());
    content[8..16].copy_from_slice(&position.get().to_le_bytes());
    let sum = checksum(&[], &content[..16]);
    content[16..].copy_from_slice(&sum);
    content
}

fn decode(content: &[u8]) -> Option<Watermark> {
    let (numbers, sum) = content.split_last_chunk::<4>()?;
    let (frame, position) = numbers.split_first_chunk::<8>()?;
    let position = u64::from_le_bytes(position.try_into().ok()?);
    let watermark = Watermark { frame: u64::from_le_bytes(*frame), position: Position::new(position) };
    (checksum(&[], numbers) == *sum).then_some(watermark)
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
        file.write(watermark, now);
        assert_eq!(WatermarkFile::open(&Disk::System, directory.path()).unwrap().1, Some(watermark));
        for index in 0..BYTES {
            let mut content = encode(watermark);
            content[index] ^= 1;
            assert_eq!(decode(&content), None);
            assert_eq!(decode(&encode(watermark)[..index]), None);
        }
    }
}
