//! A disk in memory that loses, tears and refuses writes, depending on a seed.

use super::content::FileBytes;
use super::random::Random;
use super::world::SimulatedClock;
use crate::open_mode::{LockError, OpenMode};
use crate::space::Space;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Faults to inject. Operations that change something are counted from 0; reads are not counted.
#[derive(Clone, Debug, Default)]
pub struct DiskFaults {
    /// The power is cut during this operation.
    pub power_cut_at: Option<u64>,
    /// These operations fail.
    pub failing: Range<u64>,
    /// Bytes that all files may have together.
    pub capacity: Option<u64>,
    /// Each operation takes a random time up to this.
    pub longest_delay: Duration,
    /// Reads return fewer bytes than requested, as the system may do.
    pub short_reads: bool,
    /// Syncs succeed without making anything durable.
    ///
    /// So do disks with a volatile cache that ignore flushes.
    pub lying_syncs: bool,
}

/// A disk in memory. Clones are the same disk.
#[derive(Clone, Debug)]
pub struct SimulatedDisk(Arc<Mutex<State>>);

/// An open file of a [`SimulatedDisk`].
#[derive(Debug)]
pub struct SimulatedFile {
    disk: SimulatedDisk,
    file: u64,
    cursor: usize,
    /// The number of power cuts before it was opened, which handles do not survive.
    lives: u64,
    is_lock: bool,
}

#[derive(Debug)]
struct State {
    random: Random,
    clock: SimulatedClock,
    faults: DiskFaults,
    operations: u64,
    lives: u64,
    is_off: bool,
    files: BTreeMap<u64, FileBytes>,
    names: Names,
    durable_names: Names,
    /// Changes of names that may not be on disk yet, in order.
    unsynced: Vec<Naming>,
    locked: BTreeSet<u64>,
}

/// The files and directories that can be found.
#[derive(Clone, Debug, Default)]
struct Names {
    files: BTreeMap<PathBuf, u64>,
    directories: BTreeSet<PathBuf>,
}

#[derive(Clone, Debug)]
enum Naming {
    CreateDirectory(PathBuf),
    RemoveDirectory(PathBuf),
    Create(PathBuf, u64),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl SimulatedDisk {
    /// Creates an empty disk. A seed determines its faults; operations advance `clock` by their duration.
    #[must_use]
    pub fn new(seed: u64, clock: &SimulatedClock) -> Self {
        Self(Arc::new(Mutex::new(State {
            random: Random::new(seed),
            clock: clock.clone(),
            faults: DiskFaults::default(),
            operations: 0,
            lives: 0,
            is_off: false,
            files: BTreeMap::new(),
            names: Names::default(),
            durable_names: Names::default(),
            unsynced: Vec::new(),
            locked: BTreeSet::new(),
        })))
    }

    /// Sets the faults to inject from now on.
    pub fn set_faults(&self, faults: DiskFaults) {
        self.state().faults = faults;
    }

    /// Returns the number of operations that have changed something, or failed to.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Returns true if the power was cut.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.state().is_off
    }

    /// Cuts the power and restores it, without faults from then on.
    ///
    /// Changes since the last sync are lost or torn, depending on the seed.
    pub fn restart(&self) {
        let mut state = self.state();
        state.cut();
        (state.is_off, state.faults) = (false, DiskFaults::default());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The operations of a disk.
impl SimulatedDisk {
    pub(crate) fn exists(&self, path: &Path) -> bool {
        let state = self.state();
        !state.is_off && (state.names.files.contains_key(path) || state.names.directories.contains(path))
    }

    pub(crate) fn length(&self, path: &Path) -> Option<u64> {
        let state = self.state();
        state.names.files.get(path).map(|file| state.files[file].visible().len() as u64)
    }

    /// Returns the room on the disk, if its capacity is limited.
    pub(crate) fn space(&self) -> Option<Space> {
        let state = self.state();
        let total = state.faults.capacity?;
        Some(Space { available: total.saturating_sub(state.used(None)), total })
    }

    pub(crate) fn create_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        let missing: Vec<_> =
            path.ancestors().take_while(|path| !state.names.directories.contains(*path)).collect();
        for directory in missing.into_iter().rev() {
            state.name(Naming::CreateDirectory(directory.to_owned()));
        }
        Ok(())
    }

    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> io::Result<SimulatedFile> {
        let mut state = self.state();
        state.check_power()?;
        let found = state.names.files.get(path).copied();
        let file = match (found, mode) {
            (Some(file), OpenMode::Read | OpenMode::Write) => file,
            (Some(file), OpenMode::Truncate) => {
                state.begin()?;
                state.file(file).truncate();
                file
            }
            (None, OpenMode::Read) => return Err(ErrorKind::NotFound.into()),
            (None, OpenMode::Write | OpenMode::Truncate) => {
                state.begin()?;
                let file = state.files.len() as u64;
                state.files.insert(file, FileBytes::default());
                state.name(Naming::Create(path.to_owned(), file));
                file
            }
        };
        Ok(SimulatedFile { disk: self.clone(), file, cursor: 0, lives: state.lives, is_lock: false })
    }

    pub(crate) fn lock(&self, path: &Path) -> Result<SimulatedFile, LockError> {
        let mut file = self.open(path, OpenMode::Write).map_err(LockError::Io)?;
        file.is_lock = self.state().locked.insert(file.file);
        if file.is_lock { Ok(file) } else { Err(LockError::Taken) }
    }

    pub(crate) fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let state = self.state();
        state.check_power()?;
        if !state.names.directories.contains(directory) {
            return Err(ErrorKind::NotFound.into());
        }
        let paths = state.names.files.keys().chain(&state.names.directories);
        Ok(paths.filter(|path| path.parent() == Some(directory)).cloned().collect())
    }

    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        if !state.names.files.contains_key(from) {
            return Err(ErrorKind::NotFound.into());
        }
        state.name(Naming::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        if !state.names.files.contains_key(path) {
            return Err(ErrorKind::NotFound.into());
        }
        state.name(Naming::Remove(path.to_owned()));
        Ok(())
    }

    pub(crate) fn remove_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        let files: Vec<_> = state.names.files.keys().filter(|name| name.starts_with(path)).cloned().collect();
        for file in files {
            state.name(Naming::Remove(file));
        }
        let directories = state.names.directories.iter().rev();
        let directories: Vec<_> = directories.filter(|name| name.starts_with(path)).cloned().collect();
        for directory in directories {
            state.name(Naming::RemoveDirectory(directory));
        }
        Ok(())
    }

    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.begin()?;
        if state.faults.lying_syncs {
            return Ok(());
        }
        let is_in = |naming: &Naming| naming.path().parent() == Some(path);
        let (synced, unsynced) = std::mem::take(&mut state.unsynced).into_iter().partition(is_in);
        let _: &Vec<_> = &synced;
        state.unsynced = unsynced;
        for naming in &synced {
            naming.apply(&mut state.durable_names);
        }
        Ok(())
    }
}

impl SimulatedFile {
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        let wanted = if state.faults.short_reads && buffer.len() > 1 {
            1 + state.random.index(buffer.len())
        } else {
            buffer.len()
        };
        let content = state.files[&self.file].visible();
        let rest = content.get(self.cursor..).unwrap_or_default();
        let length = rest.len().min(wanted);
        buffer[..length].copy_from_slice(&rest[..length]);
        drop(state);
        self.cursor += length;
        Ok(length)
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut state = self.state()?;
        let begun = state.begin().and_then(|()| state.check_room(self.file, self.cursor + bytes.len()));
        let written = match begun {
            Ok(()) => bytes.len(),
            // A part of a failed write may have been written.
            Err(_) => state.random.index(bytes.len()),
        };
        state.file(self.file).write(self.cursor, &bytes[..written]);
        drop(state);
        self.cursor += written;
        begun.map(|()| written)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        if let Err(error) = state.begin() {
            // After a power cut the content is determined when the power is restored.
            if !state.is_off {
                let State { files, random, .. } = &mut *state;
                files.entry(self.file).or_default().fail_to_sync(random);
            }
            return Err(error);
        }
        if !state.faults.lying_syncs {
            state.file(self.file).sync();
        }
        Ok(())
    }

    pub(crate) fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let end = self.state()?.files[&self.file].visible().len();
        let add = |from: usize, by: i64| (from as u64).checked_add_signed(by);
        let at = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => add(end, by),
            SeekFrom::Current(by) => add(self.cursor, by),
        };
        let at = at.ok_or(ErrorKind::InvalidInput)?;
        self.cursor = usize::try_from(at).map_err(|_| ErrorKind::InvalidInput)?;
        Ok(at)
    }

    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.state();
        state.check_power()?;
        if state.lives == self.lives { Ok(state) } else { Err(power_is_off()) }
    }
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        if self.is_lock {
            let mut state = self.disk.state();
            if state.lives == self.lives {
                state.locked.remove(&self.file);
            }
        }
    }
}

impl State {
    /// Starts an operation that changes something, which may fail instead.
    fn begin(&mut self) -> io::Result<()> {
        self.check_power()?;
        let operation = self.operations;
        self.operations += 1;
        let longest = u64::try_from(self.faults.longest_delay.as_nanos()).unwrap_or(u64::MAX);
        if longest > 0 {
            self.clock.advance(Duration::from_nanos(self.random.below(longest)));
        }
        if self.faults.power_cut_at == Some(operation) {
            self.is_off = true;
            return Err(power_is_off());
        }
        if self.faults.failing.contains(&operation) {
            return Err(io::Error::other("simulated failure of the disk"));
        }
        Ok(())
    }

    fn check_power(&self) -> io::Result<()> {
        if self.is_off { Err(power_is_off()) } else { Ok(()) }
    }

    /// Fails if the disk has no room for a file of that length.
    fn check_room(&self, file: u64, length: usize) -> io::Result<()> {
        let Some(capacity) = self.faults.capacity else { return Ok(()) };
        // Writing over what is there takes no room, on a full disk either.
        let length = length as u64;
        let grows = length > self.files[&file].visible().len() as u64;
        let is_full = grows && self.used(Some(file)) + length > capacity;
        if is_full { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    /// Returns the bytes that all files have together, without one of them.
    fn used(&self, without: Option<u64>) -> u64 {
        let named: BTreeSet<_> = self.names.files.values().filter(|named| Some(**named) != without).collect();
        named.into_iter().map(|named| self.files[named].visible().len() as u64).sum()
    }

    fn file(&mut self, file: u64) -> &mut FileBytes {
        self.files.entry(file).or_default()
    }

    fn name(&mut self, naming: Naming) {
        naming.apply(&mut self.names);
        self.unsynced.push(naming);
    }

    fn cut(&mut self) {
        let Self { random, files, unsynced, durable_names, .. } = self;
        for content in files.values_mut() {
            content.cut(random);
        }
        // File systems write names in order.
        let written = random.index(unsynced.len() + 1);
        for naming in unsynced.drain(..).take(written) {
            naming.apply(durable_names);
        }
        unsynced.clear();
        durable_names.drop_unreachable();
        self.names.clone_from(durable_names);
        self.locked.clear();
        self.lives += 1;
    }
}

impl Names {
    /// Drops what is in a directory that has no name itself. The root always has one.
    fn drop_unreachable(&mut self) {
        let Self { files, directories } = self;
        let is_there = |path: &Path| path.parent().is_none() || directories.contains(path);
        let is_reachable = |path: &Path| path.ancestors().skip(1).all(is_there);
        files.retain(|path, _| is_reachable(path));
        let lost: Vec<_> = directories.iter().filter(|path| !is_reachable(path)).cloned().collect();
        directories.retain(|path| !lost.contains(path));
    }
}

impl Naming {
    fn path(&self) -> &Path {
        match self {
            Self::CreateDirectory(path)
            | Self::RemoveDirectory(path)
            | Self::Create(path, _)
            | Self::Rename(path, _)
            | Self::Remove(path) => path,
        }
    }

    fn apply(&self, Names { files: names, directories }: &mut Names) {
        match self {
            Self::CreateDirectory(path) => drop(directories.insert(path.clone())),
            Self::RemoveDirectory(path) => drop(directories.remove(path)),
            Self::Create(path, file) => drop(names.insert(path.clone(), *file)),
            Self::Rename(from, to) => {
                if let Some(file) = names.remove(from) {
                    names.insert(to.clone(), file);
                }
            }
            Self::Remove(path) => drop(names.remove(path)),
        }
    }
}

fn power_is_off() -> io::Error {
    io::Error::other("simulated power cut")
}
