//! Files and directories of a store, on this machine or on a simulated disk.
//!
//! All file operations of a store go through a [`Disk`]. It is a closed enum, so that the real one costs only a branch
//! per system call.

mod system;

use crate::open_mode::{LockError, OpenMode};
use crate::simulation::{SimulatedDisk, SimulatedFile};
use crate::space::Space;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// The disk of a store.
#[derive(Clone, Debug, Default)]
pub enum Disk {
    /// The file system of this machine.
    #[default]
    System,
    /// Files in memory, for simulations and tests.
    Simulated(SimulatedDisk),
}

/// An open file. Reads and writes share one cursor.
#[derive(Debug)]
pub(crate) enum DiskFile {
    System(File),
    Simulated(SimulatedFile),
}

impl Disk {
    /// Returns true if a file or directory exists.
    pub(crate) fn exists(&self, path: &Path) -> bool {
        match self {
            Self::System => system::exists(path),
            Self::Simulated(disk) => disk.exists(path),
        }
    }

    /// Returns true if a file or directory certainly does not exist.
    ///
    /// # Errors
    /// Fails if the disk does, when it may exist.
    pub(crate) fn is_missing(&self, path: &Path) -> io::Result<bool> {
        match self {
            Self::System => system::is_missing(path),
            Self::Simulated(disk) => Ok(!disk.exists(path)),
        }
    }

    /// Returns the length of a file in bytes, if it is known.
    pub(crate) fn length(&self, path: &Path) -> Option<u64> {
        match self {
            Self::System => system::length(path),
            Self::Simulated(disk) => disk.length(path),
        }
    }

    /// Creates a directory and its missing parents.
    pub(crate) fn create_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => system::create_directory(path),
            Self::Simulated(disk) => disk.create_directory(path),
        }
    }

    /// Opens a file. A power cut loses a new one unless its directory is synced.
    pub(crate) fn open(&self, path: &Path, mode: OpenMode) -> io::Result<DiskFile> {
        Ok(match self {
            Self::System => DiskFile::System(system::open(path, mode)?),
            Self::Simulated(disk) => DiskFile::Simulated(disk.open(path, mode)?),
        })
    }

    /// Opens a file and locks it until the handle is dropped.
    pub(crate) fn lock(&self, path: &Path) -> Result<DiskFile, LockError> {
        match self {
            Self::System => system::lock(path).map(DiskFile::System),
            Self::Simulated(disk) => disk.lock(path).map(DiskFile::Simulated),
        }
    }

    /// Reads a whole file.
    pub(crate) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut content = Vec::new();
        self.open(path, OpenMode::Read)?.read_to_end(&mut content)?;
        Ok(content)
    }

    /// Lists the files and directories in a directory, in any order.
    pub(crate) fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        match self {
            Self::System => system::list(directory),
            Self::Simulated(disk) => disk.list(directory),
        }
    }

    /// Renames a file atomically, replacing an existing one.
    pub(crate) fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            Self::System => system::rename(from, to),
            Self::Simulated(disk) => disk.rename(from, to),
        }
    }

    /// Removes a file.
    pub(crate) fn remove(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => system::remove(path),
            Self::Simulated(disk) => disk.remove(path),
        }
    }

    /// Removes a directory with its content.
    pub(crate) fn remove_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => system::remove_directory(path),
            Self::Simulated(disk) => disk.remove_directory(path),
        }
    }

    /// Syncs the names in a directory.
    pub(crate) fn sync_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            Self::System => system::sync_directory(path),
            Self::Simulated(disk) => disk.sync_directory(path),
        }
    }

    /// Replaces the content of a file atomically, and syncs it. A failed attempt takes no room.
    pub(crate) fn replace(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let new = path.with_extension("new");
        self.write_synced(&new, content).and_then(|()| self.rename(&new, path)).inspect_err(|_| {
            // The first error matters more.
            drop(self.remove(&new));
        })?;
        path.parent().map_or(Ok(()), |directory| self.sync_directory(directory))
    }

    fn write_synced(&self, path: &Path, content: &[u8]) -> io::Result<()> {
        let mut file = self.open(path, OpenMode::Truncate)?;
        file.write_all(content)?;
        file.sync_all()
    }

    /// Returns the room on the volume of a directory, if it is known.
    pub(crate) fn space(&self, directory: &Path) -> Option<Space> {
        match self {
            Self::System => system::space(directory),
            Self::Simulated(disk) => disk.space(),
        }
    }

    /// Creates a file that takes this many bytes of the volume. A failed attempt takes none.
    pub(crate) fn allocate(&self, path: &Path, bytes: u64) -> io::Result<()> {
        let allocated = match self {
            Self::System => system::allocate(path, bytes),
            Self::Simulated(_) => {
                let content = vec![0; usize::try_from(bytes).map_err(io::Error::other)?];
                self.open(path, OpenMode::Truncate).and_then(|mut file| file.write_all(&content))
            }
        };
        allocated.inspect_err(|_| drop(self.remove(path)))
    }
}

impl DiskFile {
    /// Syncs the content, so that it survives a power cut.
    pub(crate) fn sync_data(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.sync_data(),
            Self::Simulated(file) => file.sync(),
        }
    }

    /// Returns true if the file has no name any more, so that nobody can open it after this process.
    pub(crate) fn is_deleted(&self) -> io::Result<bool> {
        match self {
            Self::System(file) => system::is_deleted(file),
            Self::Simulated(_) => Ok(false),
        }
    }

    /// Like [`DiskFile::sync_data`], but also syncs the metadata.
    pub(crate) fn sync_all(&self) -> io::Result<()> {
        match self {
            Self::System(file) => file.sync_all(),
            Self::Simulated(file) => file.sync(),
        }
    }
}

impl Read for DiskFile {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::System(file) => file.read(buffer),
            Self::Simulated(file) => file.read(buffer),
        }
    }
}

impl Write for DiskFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::System(file) => file.write(bytes),
            Self::Simulated(file) => file.write(bytes),
        }
    }

    /// Does nothing: see [`DiskFile::sync_data`].
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Seek for DiskFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        match self {
            Self::System(file) => file.seek(to),
            Self::Simulated(file) => file.seek(to),
        }
    }
}
