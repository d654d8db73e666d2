//! How files are opened and locked, on each kind of disk.

use std::io;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OpenMode {
    /// To read it. Fails if it is not there.
    Read,
    /// To read and write it from its beginning; creates it if it is not there.
    Write,
    /// To write it; creates it, or empties it first.
    Truncate,
}

/// Why a file could not be locked.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another holder has it.
    Taken,
    /// The operating system refuses.
    Io(io::Error),
}
