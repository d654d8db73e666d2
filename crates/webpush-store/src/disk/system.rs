//! The file system of this machine. Only this file of the store calls it.

#![allow(clippy::disallowed_methods, reason = "this is what everything else calls instead")]

use crate::open_mode::{LockError, OpenMode};
use crate::space::Space;
use rustix::fs::{FallocateFlags, fallocate, statvfs};
use rustix::io::Errno;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

pub(super) fn exists(path: &Path) -> bool {
    path.exists()
}

pub(super) fn is_missing(path: &Path) -> io::Result<bool> {
    path.try_exists().map(|exists| !exists)
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

pub(super) fn is_deleted(file: &File) -> io::Result<bool> {
    Ok(file.metadata()?.nlink() == 0)
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

pub(super) fn space(directory: &Path) -> Option<Space> {
    let volume = statvfs(directory).ok()?;
    let bytes = |blocks: u64| blocks.saturating_mul(volume.f_frsize);
    Some(Space { available: bytes(volume.f_bavail), total: bytes(volume.f_blocks) })
}

pub(super) fn allocate(path: &Path, bytes: u64) -> io::Result<()> {
    let mut file = open(path, OpenMode::Truncate)?;
    match fallocate(&file, FallocateFlags::empty(), 0, bytes) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {}
        allocated => return Ok(allocated?),
    }
    let zeros = [0; 64 * 1024];
    let mut left = usize::try_from(bytes).map_err(io::Error::other)?;
    while left > 0 {
        let length = left.min(zeros.len());
        file.write_all(&zeros[..length])?;
        left -= length;
    }
    Ok(())
}
