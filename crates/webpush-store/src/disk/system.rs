//! The file system of this machine. Only this file of the store calls it.

#![allow(clippy::disallowed_methods, reason = "this is what everything else calls instead")]

use crate::open_mode::{LockError, OpenMode};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

pub(super) fn exists(path: &Path) -> bool {
    path.exists()
}

pub(super) fn length(path: &Path) -> Option<u64> {
    fs::metadata(path).ok().map(|file| file.len())
}

pub(super) fn create_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

pub(super) fn open(path: &Path, mode: OpenMode) -> io::Result<File> {
    match mode {
        OpenMode::Read => File::open(path),
        OpenMode::Write => File::options().read(true).write(true).create(true).truncate(false).open(path),
        OpenMode::Truncate => File::create(path),
    }
}

pub(super) fn lock(path: &Path) -> Result<File, LockError> {
    let file = open(path, OpenMode::Write).map_err(LockError::Io)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(LockError::Taken),
        Err(TryLockError::Error(error)) => Err(LockError::Io(error)),
    }
}

pub(super) fn list(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|file| file.map(|file| file.path())).collect()
}

pub(super) fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)
}

pub(super) fn remove(path: &Path) -> io::Result<()> {
    fs::remove_file(path)
}

pub(super) fn remove_directory(path: &Path) -> io::Result<()> {
    fs::remove_dir_all(path)
}

pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
