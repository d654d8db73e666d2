//! Modes of opening a file, and errors of locking one, on every kind of disk.

use std::io;

/// The mode in which a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// Read. Fails if the file does not exist.
    Read,
    /// Read and write from the beginning. Creates the file if it does not exist.
    Write,
    /// Write. Creates the file, or truncates it.
    Truncate,
}

/// The reason why a file could not be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process or handle has locked it.
    Taken,
    /// The operating system refused.
    Io(io::Error),
}
