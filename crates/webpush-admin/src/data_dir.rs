//! The data directory of a service.

use anyhow::Context as _;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// The directory of the store, in the data directory.
pub const STORE_FOLDER: &str = "store";

/// Creates the data directory, with its parents. Their names are on disk when this returns: a power cut must not take what
/// is in them.
///
/// # Errors
/// Fails if a directory cannot be created or synced.
pub fn make_data_folder(folder: &Path) -> anyhow::Result<()> {
    make_folders(folder)
        .with_context(|| format!("the data folder {} can't be made (--data-dir)", folder.display()))
}

/// Creates a directory with its parents, as [`make_data_folder`] does.
///
/// # Errors
/// Fails if a directory cannot be created or synced.
pub fn make_folders(folder: &Path) -> io::Result<()> {
    let made: Vec<_> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    for parent in made.into_iter().filter_map(Path::parent) {
        let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
        fs::File::open(parent)?.sync_all()?;
    }
    Ok(())
}
