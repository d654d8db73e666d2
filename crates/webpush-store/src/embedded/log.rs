//! The log: frames that the engine may not contain yet, in segments.
//!
//! A segment has the frames of one memtable, and is removed when the engine contains them. Frames are numbered without
//! gaps, even across segments.
//!
//! The file of a removed segment is recycled, because overwriting a file costs a sync less than extending it. A frame may
//! then be followed by bytes of an older segment. Checksums tell them apart: they include a random salt of the segment, so
//! that no sender can make a body that passes for a frame later.

use super::frame;
use super::memtable::Tables;
use super::segment::{self, ExpectedFrames, SALT_BYTES, SegmentFrames};
use super::value::Value;
use crate::disk::{Disk, DiskFile};
use crate::open_mode::OpenMode;
use std::io::{self, Read as _, Write};
use std::path::{Path, PathBuf};
use webpush_core::env::Env;
use webpush_core::id::Position;

const EXTENSION: &str = "frames";
const SPARE: &str = "spare";
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
    /// The number that the first frame of the segment has or will have.
    first: u64,
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
        let path = segment_path(directory, first);
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
            first,
            frame,
            bytes: 0,
            is_synced: true,
            buffer: Vec::new(),
        })
    }

    /// Appends a frame. After an error it is unknown how much of it the segment contains.
    pub(super) fn append(&mut self, position: Position, tables: &Tables) -> io::Result<()> {
        frame::encode(&mut self.buffer, self.salt, (self.frame + 1, position), self.is_synced, tables);
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

    /// Returns true if somebody has deleted the segment, so that the next start would not find it.
    pub(super) fn is_deleted(&self) -> io::Result<bool> {
        self.file.is_deleted()
    }

    /// Syncs this segment and starts the next; returns the file of this one.
    pub(super) fn rotate(&mut self) -> io::Result<PathBuf> {
        self.sync()?;
        let mut next = Self::begin(&self.disk, &self.env, &self.directory, self.frame)?;
        next.buffer = std::mem::take(&mut self.buffer);
        Ok(std::mem::replace(self, next).path)
    }

    pub(super) const fn first(&self) -> u64 {
        self.first
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
    pub(super) rows: Tables,
    /// The segments of these rows.
    pub(super) segments: Vec<PathBuf>,
    /// Segments without such rows.
    ///
    /// They can be removed, but not reused: frames after an incomplete one may have the numbers of the next.
    pub(super) not_needed: Vec<PathBuf>,
    /// The number of the last frame.
    pub(super) frame: u64,
    /// The last assigned position.
    pub(super) position: Position,
    /// The number of missing frames before the last.
    pub(super) missing: u64,
}

/// Reads the frames after the last one that the engine contains.
///
/// `synced` is a frame that was certainly on disk. See [`segment`] for what is read behind damage.
pub(super) fn replay(
    disk: &Disk,
    directory: &Path,
    (frame, position): (u64, Position),
    synced: u64,
) -> io::Result<Replay> {
    let (rows, segments_needed, not_needed) = (Tables::default(), Vec::new(), Vec::new());
    let mut replay = Replay { rows, segments: segments_needed, not_needed, frame, position, missing: 0 };
    let mut segments = segments(disk, directory)?.into_iter().peekable();
    while let Some((first, path)) = segments.next() {
        // A segment is synced before the next one is created.
        let synced = segments.peek().map_or(synced, |(next, _)| synced.max(next - 1));
        if replay.read(disk, ExpectedFrames { first, synced }, &path)? {
            replay.segments.push(path);
        } else {
            replay.not_needed.push(path);
        }
    }
    Ok(replay)
}

/// Returns the path of a segment.
pub(super) fn segment_path(directory: &Path, first: u64) -> PathBuf {
    directory.join(format!("{first:020}.{EXTENSION}"))
}

impl Replay {
    /// Reads a segment; returns true if it has frames that the engine does not contain.
    fn read(&mut self, disk: &Disk, expected: ExpectedFrames, path: &Path) -> io::Result<bool> {
        let mut file = disk.open(path, OpenMode::Read)?;
        // Frames that are read must survive, and no later sync covers this file.
        file.sync_data()?;
        let mut content = Vec::new();
        file.read_to_end(&mut content)?;
        let SegmentFrames { frames, is_damaged } = segment::read(&content, expected);
        if is_damaged {
            tracing::error!(segment = %path.display(), "a segment of the log is damaged; reading resumed behind the damage");
        }
        let mut is_needed = false;
        for frame in frames {
            if frame.number > self.frame {
                self.missing += frame.number - self.frame - 1;
                self.frame = frame.number;
                self.position = self.position.max(frame.position);
                is_needed = true;
                for (table, key, value) in frame.rows {
                    // The engine may have a removed row already, so that it leaves a tombstone.
                    self.rows[table as usize].insert(key, value.map(Value::from));
                }
            }
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

    fn row(number: u64) -> Tables {
        let mut tables = Tables::default();
        let value = Some(Value::from(b"some value"));
        tables[Table::Entries as usize].insert(Key::from(number.to_be_bytes()), value);
        tables
    }

    /// Two segments of frames after the 100th, each of which has a row of its own.
    fn written() -> (tempfile::TempDir, [PathBuf; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path(), 100).unwrap();
        let mut segments = Vec::new();
        for _ in 0..2 {
            for _ in 0..SEGMENT_FRAMES {
                let number = log.frame() + 1;
                log.append(Position::new(number * 10), &row(number)).unwrap();
                log.sync().unwrap();
            }
            segments.push(log.rotate().unwrap());
        }
        (directory, segments.try_into().unwrap())
    }

    /// The numbers of the frames that are read, and how many are missing.
    fn read(directory: &Path, frame: u64) -> (Vec<u64>, u64) {
        let replay = replay(&Disk::System, directory, (frame, Position::START), 0).unwrap();
        replay.not_needed.iter().for_each(|path| fs::remove_file(path).unwrap());
        let rows = replay.rows[Table::Entries as usize].keys();
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

    /// B7d: only the damaged frame is lost.
    #[test]
    fn reading_resumes_behind_damage() {
        let (directory, segments) = written();
        for (segment, first) in segments.iter().zip([101, 106]) {
            let whole = fs::read(segment).unwrap();
            let frame_bytes = (whole.len() - SALT_BYTES) / 5;
            for index in 0..whole.len() {
                let mut damaged = whole.clone();
                damaged[index] ^= 1 << (index % 8);
                fs::write(segment, &damaged).unwrap();
                // One bit of the salt is fixed.
                let lost = index.checked_sub(SALT_BYTES).map(|index| first + (index / frame_bytes) as u64);
                let (numbers, missing) = read(directory.path(), 100);
                assert!(numbers.iter().copied().eq((101..=110).filter(|number| Some(*number) != lost)));
                // Only the watermark tells that the last frame of all is lost.
                assert_eq!(missing, u64::from(lost.is_some_and(|lost| lost < 110)));
            }
            fs::write(segment, &whole).unwrap();
        }
    }

    /// Two frames that were never synced, the first of which a power cut has torn.
    #[test]
    fn a_frame_behind_one_that_was_not_synced_is_not_taken() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path(), 100).unwrap();
        let append =
            |log: &mut CommitLog| log.append(Position::new((log.frame() + 1) * 10), &row(log.frame() + 1));
        append(&mut log).unwrap();
        log.sync().unwrap();
        for _ in 0..2 {
            append(&mut log).unwrap();
        }
        let mut torn = fs::read(log.path()).unwrap();
        let frame_bytes = (torn.len() - SALT_BYTES) / 3;
        torn[SALT_BYTES + frame_bytes] ^= 1;
        fs::write(log.path(), &torn).unwrap();
        assert_eq!(read(directory.path(), 100), (vec![101], 0));
        let synced = replay(&Disk::System, directory.path(), (100, Position::START), 102).unwrap();
        assert_eq!((synced.frame, synced.missing), (103, 1), "the watermark proves that it was synced");
    }

    #[test]
    fn a_search_among_what_looks_like_frames_ends() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path(), 100).unwrap();
        let mut tables = Tables::default();
        let mut head = [0; 32];
        head[8..16].copy_from_slice(&1_000_000_u64.to_le_bytes());
        head[16..24].copy_from_slice(&102_u64.to_le_bytes());
        let value = Value::from(head.repeat(1 << 16));
        tables[Table::Entries as usize].insert(Key::from(*b"key"), Some(value));
        log.append(Position::new(1), &tables).unwrap();
        log.sync().unwrap();
        let mut content = fs::read(log.path()).unwrap();
        content[SALT_BYTES] ^= 1;
        fs::write(log.path(), content).unwrap();
        assert_eq!(read(directory.path(), 100), (Vec::new(), 0));
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

    /// The sender knows the salt of the segment that its body is in, and the numbers of frames to come.
    #[test]
    fn a_body_in_a_recycled_file_does_not_pass_for_a_frame() {
        let directory = tempfile::tempdir().unwrap();
        let mut log = begin(directory.path(), 100).unwrap();
        let mut forged = Vec::new();
        // Frames of which one is missing are searched for.
        frame::encode(&mut forged, log.salt, (104, Position::new(9999)), true, &row(104));
        let mut tables = Tables::default();
        // A frame that is written over it later is shorter than its beginning.
        let body = [vec![0; 1000], forged].concat();
        tables[Table::Entries as usize].insert(Key::from(101_u64.to_be_bytes()), Some(Value::from(body)));
        log.append(Position::new(1010), &tables).unwrap();
        let segment = log.rotate().unwrap();
        recycle_segment(&Disk::System, &segment).unwrap();
        let mut log = begin(directory.path(), 101).unwrap();
        log.append(Position::new(1020), &row(102)).unwrap();
        log.sync().unwrap();
        assert!(fs::metadata(log.path()).unwrap().len() > 1000, "the file was recycled");
        assert_eq!(read(directory.path(), 101), (vec![102], 0));
    }

    #[test]
    fn a_segment_that_is_missing_or_has_another_name_is_missed() {
        let (directory, [first, last]) = written();
        fs::remove_file(&first).unwrap();
        assert_eq!(read(directory.path(), 100), ((106..=110).collect(), 5));
        fs::rename(last, first).unwrap();
        assert_eq!(read(directory.path(), 100), ((106..=110).collect(), 5));
    }
}
