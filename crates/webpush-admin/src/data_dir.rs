//! The data directory of a server.

use anyhow::Context as _;
use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;

/// Name of the store's directory in the data directory.
pub const STORE_DIR: &str = "store";

/// Creates the data directory and its parents, and syncs them so that they survive a power failure.
///
/// # Errors
/// Fails if a directory cannot be created or synced.
pub fn create_data_dir(data_dir: &Path) -> anyhow::Result<()> {
    create_dirs(data_dir)
        .with_context(|| format!("cannot create the data directory {} (--data-dir)", data_dir.display()))
}

/// Creates a directory and its parents, and syncs them so that they survive a power failure.
///
/// # Errors
/// Fails if a directory cannot be created or synced.
pub fn create_dirs(directory: &Path) -> io::Result<()> {
    let created: Vec<_> = directory.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    for parent in created.iter().filter_map(|path| path.parent()) {
        sync(parent)?;
    }
    if created.is_empty() {
        // Its name may not have been synced when it was created. The parent may belong to another user.
        let _ = directory.parent().map(sync);
    }
    Ok(())
}

fn sync(directory: &Path) -> io::Result<()> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    fs::File::open(directory)?.sync_all()
}
