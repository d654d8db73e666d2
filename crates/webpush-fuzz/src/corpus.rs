//! The committed inputs of each target.

use std::path::PathBuf;
use std::{fs, io};

use crate::Target;

/// Returns the directory of the corpora, one directory for each target.
pub(crate) fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus")
}

/// Returns the directory with the inputs of a target.
#[must_use]
pub fn directory_of(target: &Target) -> PathBuf {
    root().join(target.name)
}

/// Reads the inputs of a target, in the order of their names.
///
/// # Errors
/// Fails if the directory does not exist, or cannot be read.
pub fn corpus_of(target: &Target) -> io::Result<Vec<Vec<u8>>> {
    let mut paths: Vec<_> = fs::read_dir(directory_of(target))?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()?;
    paths.sort();
    paths.into_iter().map(fs::read).collect()
}
