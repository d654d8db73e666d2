//! The data directory of a server.

use crate::sealing_keys;
use anyhow::Context as _;
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::Path;
use webpush_store::disk::Disk;
use webpush_store::embedded::{self, OpenError, Options, RepairReport};

/// Mode bits of the group and of all others.
const OTHERS: u32 = 0o077;

/// Name of the store's directory in the data directory.
pub const STORE_DIR: &str = "store";

/// Creates the data directory and its parents, and syncs them so that they survive a power failure.
///
/// Removes the permissions of other users from an existing one.
///
/// # Errors
/// Fails if a directory cannot be created or synced.
pub fn create_data_dir(data_dir: &Path) -> anyhow::Result<()> {
    create_dirs(data_dir)
        .with_context(|| format!("cannot create the data directory {} (--data-dir)", data_dir.display()))?;
    // A directory with other files, such as a home directory, may have to be readable.
    if is_of_a_server(data_dir) {
        close_to_others(data_dir);
    }
    Ok(())
}

/// Returns true if a directory is a data directory, or will be one and nothing else.
fn is_of_a_server(directory: &Path) -> bool {
    let is_empty = fs::read_dir(directory).is_ok_and(|mut files| files.next().is_none());
    is_empty || directory.join(sealing_keys::FILE_NAME).exists()
}

/// Creates the directory of the store, or closes an existing one to others: it holds the messages.
///
/// # Errors
/// Fails if it cannot be created or synced.
pub fn create_store_dir(data_dir: &Path) -> anyhow::Result<()> {
    let store_dir = data_dir.join(STORE_DIR);
    create_dirs(&store_dir).with_context(|| format!("cannot create {}", store_dir.display()))?;
    close_to_others(&store_dir);
    Ok(())
}

/// Returns true if there is something in the directory of the store, whatever its state.
#[must_use]
pub fn has_store(data_dir: &Path) -> bool {
    fs::read_dir(data_dir.join(STORE_DIR)).is_ok_and(|mut files| files.next().is_some())
}

/// Finishes a repair of the store that was interrupted at its end.
///
/// # Errors
/// Fails if the new store cannot be put in place.
pub fn finish_repair(data_dir: &Path) -> Result<(), OpenError> {
    if embedded::finish_repair(&data_dir.join(STORE_DIR), &Disk::System)? {
        tracing::warn!("finished a repair of the store that was interrupted");
    }
    Ok(())
}

/// Repairs the store in a data directory.
///
/// # Errors
/// Fails if the store is in use or missing, or if the new one cannot be written.
pub fn repair_store(data_dir: &Path, options: Options) -> Result<RepairReport, OpenError> {
    let store_dir = data_dir.join(STORE_DIR);
    let report = embedded::repair(&store_dir, options)?;
    let closed = fs::set_permissions(&store_dir, Permissions::from_mode(0o700));
    closed.map_err(|error| OpenError::Io { directory: store_dir, error })?;
    Ok(report)
}

fn close_to_others(directory: &Path) {
    let mode = fs::metadata(directory).map_or(0, |found| found.permissions().mode() & 0o777);
    if mode & OTHERS == 0 {
        return;
    }
    let (shown, before) = (directory.display(), format_args!("{mode:o}").to_string());
    match fs::set_permissions(directory, Permissions::from_mode(mode & !OTHERS)) {
        Ok(()) => tracing::warn!(
            directory = %shown,
            before,
            "other users could read the data directory: its mode has been changed to 700"
        ),
        Err(error) => tracing::warn!(
            directory = %shown,
            before,
            %error,
            "other users can read the data directory, and its mode cannot be changed: chmod 700 it"
        ),
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    /// B5: others could read the messages and the keys of agents.
    #[test]
    fn a_data_directory_is_closed_to_others() {
        let parent = tempfile::tempdir().unwrap();
        let data_dir = parent.path().join("data");
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let store_dir = data_dir.join(STORE_DIR);
        create_data_dir(&data_dir).unwrap();
        create_store_dir(&data_dir).unwrap();
        assert_eq!((mode(&data_dir), mode(&store_dir)), (0o700, 0o700));
        // Not yet a data directory, and perhaps never only that.
        set(&data_dir, 0o755);
        set(&store_dir, 0o755);
        create_data_dir(&data_dir).unwrap();
        create_store_dir(&data_dir).unwrap();
        assert_eq!((mode(&data_dir), mode(&store_dir)), (0o755, 0o700));
        fs::write(data_dir.join(sealing_keys::FILE_NAME), "").unwrap();
        create_data_dir(&data_dir).unwrap();
        assert_eq!(mode(&data_dir), 0o700);
        let empty = parent.path().join("empty");
        fs::create_dir(&empty).unwrap();
        set(&empty, 0o755);
        create_data_dir(&empty).unwrap();
        assert_eq!(mode(&empty), 0o700);
    }
}
