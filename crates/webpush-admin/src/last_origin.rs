//! The origin that a data directory was last served under. Every URL that it issued begins with that.

use std::fs;
use std::path::Path;
use webpush_client::private_file::{self, FileError};

/// Name of the file in the data directory.
pub const FILE_NAME: &str = "origin";

/// Returns the origin; `None` if the directory is new, or the file cannot be read.
#[must_use]
pub fn read(data_dir: &Path) -> Option<String> {
    let text = fs::read_to_string(data_dir.join(FILE_NAME)).ok()?;
    Some(text.trim().to_owned()).filter(|origin| !origin.is_empty())
}

/// Returns the former origin if it differs from `origin`.
#[must_use]
pub fn changed(data_dir: &Path, origin: &str) -> Option<String> {
    read(data_dir).filter(|last| last != origin)
}

/// Keeps the origin for the next start.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn record(data_dir: &Path, origin: &str) -> Result<(), FileError> {
    if read(data_dir).as_deref() == Some(origin) {
        return Ok(());
    }
    private_file::replace(&data_dir.join(FILE_NAME), format!("{origin}\n").as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_origin_is_kept() {
        let data_dir = tempfile::tempdir().unwrap();
        assert_eq!(changed(data_dir.path(), "https://a"), None);
        record(data_dir.path(), "https://a").unwrap();
        record(data_dir.path(), "https://a").unwrap();
        assert_eq!(changed(data_dir.path(), "https://a"), None);
        assert_eq!(changed(data_dir.path(), "https://b").as_deref(), Some("https://a"));
    }
}
