//! The log: frames that the engine may not contain yet, in segments.
//!
//! A segment has the frames of one memtable, and is removed when the engine contains them. Frames are numbered without
//! gaps, even across segments.
//!
//! The file of a removed segment is recycled, because overwriting a file costs a sync less than extending it. A frame may
//! then be followed by bytes of an older segment. Checksums tell them apart: they include a random salt of the segment, so
//! that no sender can make a body that passes for a frame later.

use super::frame;
use super::memtable::{Memtable, Tables};
use crate::disk::{Disk, DiskFile};
use crate::open_mode::OpenMode;
use std::io::{self, BufReader, Read as _, Write};
use std::path::{Path, PathBuf};
use webpush_core::env::Env;
use webpush_core::id::Position;

const EXTENSION: &str = "frames";
const SPARE: &str = "spare";
const SALT_BYTES: usize = 8;
/// Memory that is retained for the next frame.
const BUFFER_BYTES: usize = 1 << 20;

/// The active segment.
pub(super) struct CommitLog {
    disk: Disk,
    env: Env,
    directory: PathBuf,
    file: DiskFile,
    path: PathBuf,
    salt: u64,
    /// The number of the last frame.
    frame: u64,
    bytes: u64,
    is_synced: bool,
    /// The buffer for frames, which is reused.
    buffer: Vec<u8>,
}

impl CommitLog {
    /// Starts a segment after a frame.
    pub(super) fn begin(disk: &Disk, env: &Env, directory: &Path, frame: u64) -> io::Result<Self> {
        let salt = env.random().map_err(io::Error::other)?;
        let first = frame + 1;
        let path = directory.join(format!("{first:020}.{EXTENSION}"));
        // A new file is created unless one can be recycled. A file with this name from an earlier process must not be used.
        let is_spare = disk.rename(&directory.join(SPARE), &path).is_ok();
        let file = disk.open(&path, if is_spare { OpenMode::Write } else { OpenMode::Truncate })?;
        // A file that is not in its directory cannot be synced.
        disk.sync_directory(directory)?;
        Ok(Self {
            disk: disk.clone(),
            env: env.clone(),
            directory: directory.to_owned(),
            file,
            path,
            salt: u64::from_le_bytes(salt),
            frame,
            bytes: 0,
            is_synced: true,
            buffer: Vec::new(),
        })
    }

    /// Appends a frame. After an error it is unknown how much of it the segment contains.
    pub(super) fn append(&mut self, position: Position, tables: &Tables) -> io::Result<()> {
        frame::encode(&mut self.buffer, self.salt, self.frame + 1, position, tables);
        self.is_synced = false;
        if self.bytes == 0 {
            self.file.write_all(&self.salt.to_le_bytes())?;
            self.bytes = SALT_BYTES as u64;
        }
        self.file.write_all(&self.buffer)?;
        self.frame += 1;
        self.bytes += self.buffer.len() as u64;
        self.buffer.shrink_to(BUFFER_BYTES);
        Ok(())
    }

    /// Syncs all frames.
    pub(super) fn sync(&mut self) -> io::Result<()> {
        if !self.is_synced {
            self.file.sync_data()?;
            self.is_synced = true;
        }
        Ok(())
    }

    /// Syncs this segment and starts the next; returns the file of this one.
    pub(super) fn rotate(&mut self) -> io::Result<PathBuf> {
        self.sync()?;
        let mut next = Self::begin(&self.disk, &self.env, &self.directory, self.frame)?;
        next.buffer = std::mem::take(&mut self.buffer);
        Ok(std::mem::replace(self, next).path)
    }

    pub(super) const fn frame(&self) -> u64 {
        self.frame
    }

    /// Returns true if the segment has no frames.
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Deletes a flushed segment, or recycles its file.
pub(super) fn recycle_segment(disk: &Disk, segment: &Path) -> io::Result<()> {
    let spare = segment.with_file_name(SPARE);
    if disk.exists(&spare) { disk.remove(segment) } else { disk.rename(segment, &spare) }
}

/// The content of the segments.
pub(super) struct Replay {
    /// Rows that the engine does not contain.
    pub(super) memtable: Memtable,
    /// The segments of these rows.
    pub(super) segments: Vec<PathBuf>,
    /// The number of the last frame.
    pub(super) frame: u64,
    /// The last assigned position.
    pub(super) position: Position,
    /// The number of missing frames before the last.
    pub(super) missing: u64,
}

/// Reads the frames after those that the engine contains, and removes segments without such frames.
///
/// A segment is read up to its first incomplete frame. At the end of the log that is the one that was being written;
/// otherwise numbers are missing, or the watermark is not reached.
pub(super) fn replay(disk: &Disk, directory: &Path, frame: u64, position: Position) -> io::Result<Replay> {
    let memtable = Memtable::default();
    let mut replay = Replay { memtable, segments: Vec::new(), frame, position, missing: 0 };
    for (first, path) in segments(disk, directory)? {
        if replay.read(disk, first, &path)? {
            replay.segments.push(path);
        } else {
            // Not reused, because frames after an incomplete one may have this very number.
            disk.remove(&path)?;
        }
    }
    Ok(replay)
}

impl Replay {
    /// Reads a segment; returns true if it has frames that the engine does not contain.
    fn read(&mut self, disk: &Disk, first: u64, path: &Path) -> io::Result<bool> {
        let file = disk.open(path, OpenMode::Read)?;
        // Frames that are read must survive, and no later sync covers this file.
        file.sync_data()?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut salt = [0; SALT_BYTES];
        match file.read_exact(&mut salt) {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(false),
            read => read?,
        }
        let salt = u64::from_le_bytes(salt);
        let (mut buffer, mut number, mut is_needed) = (Vec::new(), first, false);
        while let Some(frame) = frame::read(&mut file, salt, number, &mut buffer)? {
            if number > self.frame {
                self.missing += number - self.frame - 1;
                self.frame = number;
                self.position = self.position.max(frame.position);
                is_needed = true;
                for (table, key, value) in frame.rows {
                    self.memtable.replay(table, key, value);
                }
            }
            number += 1;
        }
        Ok(is_needed)
    }
}

/// Returns all segments with the numbers of their first frames, in order.
fn segments(disk: &Disk, directory: &Path) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut segments = Vec::new();
    for path in disk.list(directory)? {
        let name = path.file_stem().and_then(|name| name.to_str()).and_then(|name| name.parse().ok());
        if let Some(first) = name
            && path.extension().is_some_and(|extension| extension == EXTENSION)
        {
            segments.push((first, path));
        }
    }
    segments.sort_unstable();
    Ok(segments)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::key::Key;
    use crate::embedded::rows::Table;
    use crate::embedded::value::Value;
    use crate::system;
    use std::fs;

    const SEGMENT_FRAMES: u64 = 5;

    fn begin(directory: &Path, frame: u64) -> io::Result<CommitLog> {
        CommitLog::begin(&Disk::System, &system::env(), directory, frame)
    }

    /// Two segments of frames after the 100th, each of which has a row of its own.
    fn written() -> (tempfile::TempDir, [PathBuf; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path(), 100).unwrap();
        let mut segments = Vec::new();
        for _ in 0..2 {
            for _ in 0..SEGMENT_FRAMES {
                let number = log.frame() + 1;
                let mut tables = Tables::default();
                let value = Some(Value::from(b"some value"));
                tables[Table::Entries as usize].insert(Key::from(number.to_be_bytes()), value);
                log.append(Position::new(number * 10), &tables).unwrap();
            }
            segments.push(log.rotate().unwrap());
        }
        (directory, segments.try_into().unwrap())
    }

    /// The numbers of the frames that are read, and how many are missing.
    fn read(directory: &Path, frame: u64) -> (Vec<u64>, u64) {
        let replay = replay(&Disk::System, directory, frame, Position::START).unwrap();
        let rows = replay.memtable.rows(Table::Entries).keys();
        let numbers: Vec<u64> = rows.map(|key| u64::from_be_bytes(key[..].try_into().unwrap())).collect();
        let last = numbers.last().copied().unwrap_or(frame);
        assert_eq!(replay.frame, last);
        assert_eq!(replay.position.get(), if numbers.is_empty() { 0 } else { last * 10 });
        assert_eq!(
            segments(&Disk::System, directory).unwrap().len(),
            replay.segments.len(),
            "others are gone"
        );
        (numbers, replay.missing)
    }

    #[test]
    fn what_the_engine_has_is_not_read_again() {
        for frame in 100..=110 {
            let (directory, _) = written();
            assert_eq!(read(directory.path(), frame), ((frame + 1..=110).collect(), 0));
        }
    }

    #[test]
    fn a_torn_end_is_the_end() {
        let (directory, [_, last]) = written();
        let whole = fs::read(&last).unwrap();
        let frame_bytes = (whole.len() - SALT_BYTES) / 5;
        for length in (0..whole.len()).rev() {
            fs::write(&last, &whole[..length]).unwrap();
            let end = 105 + (length.saturating_sub(SALT_BYTES) / frame_bytes) as u64;
            assert_eq!(read(directory.path(), 100), ((101..=end).collect(), 0));
        }
    }

    #[test]
    fn damage_ends_a_segment_and_the_next_one_shows_it() {
        let (directory, segments) = written();
        let whole = segments.each_ref().map(|segment| fs::read(segment).unwrap());
        let frame_bytes = (whole[0].len() - SALT_BYTES) / 5;
        for index in 0..whole[0].len() {
            let mut damaged = whole[0].clone();
            damaged[index] ^= 1 << (index % 8);
            fs::write(&segments[0], &damaged).unwrap();
            let end = 100 + (index.saturating_sub(SALT_BYTES) / frame_bytes) as u64;
            assert_eq!(read(directory.path(), 100), ((101..=end).chain(106..=110).collect(), 105 - end));
        }
        fs::write(&segments[0], &whole[0]).unwrap();
        for index in 0..whole[1].len() {
            let mut damaged = whole[1].clone();
            damaged[index] ^= 1 << (index % 8);
            fs::write(&segments[1], &damaged).unwrap();
            let end = 105 + (index.saturating_sub(SALT_BYTES) / frame_bytes) as u64;
            assert_eq!(read(directory.path(), 100), ((101..=end).collect(), 0), "only the watermark tells");
        }
    }

    #[test]
    fn a_spare_file_is_written_over() {
        let (directory, [first, _]) = written();
        // The engine has the first segment, the second is being written.
        recycle_segment(&Disk::System, &first).unwrap();
        assert_eq!(read(directory.path(), 105), ((106..=110).collect(), 0));
        let log = begin(directory.path(), 110).unwrap();
        assert!(!directory.path().join(SPARE).exists());
        assert!(fs::metadata(log.path()).unwrap().len() > 0);
        assert_eq!(
            read(directory.path(), 105),
            ((106..=110).collect(), 0),
            "what is old in it does not count"
        );
        let mut log = begin(directory.path(), 110).unwrap();
        for number in 111..=113 {
            let mut tables = Tables::default();
            tables[Table::Entries as usize].insert(Key::from(u64::to_be_bytes(number)), None);
            log.append(Position::new(number * 10), &tables).unwrap();
        }
        assert_eq!(read(directory.path(), 105), ((106..=113).collect(), 0));
    }

    #[test]
    fn a_segment_that_is_missing_or_has_another_name_is_missed() {
        let (directory, [first, last]) = written();
        fs::remove_file(&first).unwrap();
        assert_eq!(read(directory.path(), 100), ((106..=110).collect(), 5));
        fs::rename(last, first).unwrap();
        assert_eq!(read(directory.path(), 100), (Vec::new(), 0));
    }
}
