//! The store directory around the engine: lock, format and its migrations, state after a failure.
//!
//! | file | content |
//! |---|---|
//! | `format` | one line: the name of the program, and the version of the format |
//! | `lock` | locked while a process has the store open |
//! | `watermark` | see [`super::watermark`] |
//! | `sound`, `unsound` | an empty file with one of the names: unsound after a write or sync has failed, until everything is on disk |
//! | `reserve` | see [`super::reserve`] |
//! | `holes` | see [`super::holes`] |
//! | `damaged/` | damaged files that were fixed; see [`super::fix`] |
//! | `log/` | segments; see [`super::log`] |
//! | `engine/` | files of fjall |

use super::open_error::OpenError;
use super::salvage;
use super::watermark;
use crate::disk::{Disk, DiskFile};
use crate::open_mode::{LockError, OpenMode};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

const PREFIX: &str = "webpush-server store ";
const FORMAT_FILE: &str = "format";
/// Stores of version 1 have no log.
const FORMAT_WITH_LOG: usize = 2;
const SOUND: &str = "sound";
const UNSOUND: &str = "unsound";
/// The file that fjall writes last when it creates a database, and what it begins with.
const ENGINE_MARKER: &str = "version";
const ENGINE_MARKER_START: &[u8] = b"FJL";

/// Migrates the data in a directory to the next version of the format.
///
/// It may be interrupted, and is then run again.
type Migration = fn(&Disk, &Path) -> io::Result<()>;

/// The migrations from version 1 to 2, from 2 to 3, and so on to the current one.
const MIGRATIONS: &[Migration] = &[
    // Version 2 has a log. Version 1 equals one with an empty log, but a program that only knows version 1 would not read it.
    // Created here, because a store of version 2 that lacks it is incomplete.
    make_log_directory,
    // Version 3 assigns positions per inbox. Usage rows of version 2 have none (`POSITION` in `usage_row.rs`), and opening a
    // store always moves the floor of positions above all assigned ones. A program that only knows version 2 would lose the
    // last position.
    |_, _| Ok(()),
    // Frames of version 4 say whether those before them were synced (`FOLLOWS_SYNC` in `frame.rs`). A program that only knows
    // version 3 would take such a frame for the end of the log.
    |_, _| Ok(()),
];

/// Creates the directory if it does not exist, locks it, and migrates its format.
///
/// The lock is held until the returned file is dropped.
pub(super) fn prepare(disk: &Disk, directory: &Path) -> Result<DiskFile, OpenError> {
    let failed = |error| OpenError::Io { directory: directory.to_owned(), error };
    make_directory(disk, directory).map_err(failed)?;
    let lock = disk.lock(&directory.join("lock")).map_err(|error| match error {
        LockError::Taken => OpenError::Locked { directory: directory.to_owned() },
        LockError::Io(error) => failed(error),
    })?;
    let found = migrate(disk, directory, MIGRATIONS)?;
    check_parts(disk, directory, found)?;
    clear_unfinished_engine(disk, directory).map_err(failed)?;
    make_log_directory(disk, directory).map_err(failed)?;
    Ok(lock)
}

/// Creates the directory if it does not exist.
///
/// Its name is synced, without which its content could not be found after a power cut. A process that created it may
/// have been killed before it could do that.
fn make_directory(disk: &Disk, directory: &Path) -> io::Result<()> {
    let is_new = !disk.exists(directory);
    if is_new {
        disk.create_directory(directory)?;
    }
    let synced = directory.parent().map_or(Ok(()), |parent| disk.sync_directory(or_present(parent)));
    // The parent of an existing directory may belong to another user.
    synced.or_else(|error| match error.kind() {
        io::ErrorKind::PermissionDenied if !is_new => Ok(()),
        _ => Err(error),
    })
}

/// Makes the names of everything in the directory durable, among them that of a new engine.
///
/// fjall syncs the content of its directory only. Call it before a segment of the log is removed.
pub(super) fn sync_names(disk: &Disk, directory: &Path) -> io::Result<()> {
    disk.sync_directory(directory)
}

/// The directory at which a relative path starts has no name in the path.
fn or_present(directory: &Path) -> &Path {
    if directory.as_os_str().is_empty() { Path::new(".") } else { directory }
}

pub(super) fn log_directory(directory: &Path) -> PathBuf {
    directory.join("log")
}

pub(super) fn engine_directory(directory: &Path) -> PathBuf {
    directory.join("engine")
}

/// Returns the version of the format before the migrations.
fn migrate(disk: &Disk, directory: &Path, migrations: &[Migration]) -> Result<usize, OpenError> {
    let failed = |error| OpenError::Io { directory: directory.to_owned(), error };
    let supported = migrations.len() + 1;
    let found = match disk.read(&directory.join(FORMAT_FILE)) {
        Ok(text) => parse_format(&String::from_utf8_lossy(&text))
            .ok_or_else(|| OpenError::Foreign { directory: directory.to_owned() })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if disk.exists(&engine_directory(directory)) {
                return Err(OpenError::Foreign { directory: directory.to_owned() });
            }
            write_format(disk, directory, supported).map_err(failed)?;
            supported
        }
        Err(error) => return Err(failed(error)),
    };
    if found > supported {
        return Err(OpenError::Newer { directory: directory.to_owned(), found, supported });
    }
    for (version, migration) in (2..).zip(migrations).skip(found - 1) {
        migration(disk, directory).and_then(|()| write_format(disk, directory, version)).map_err(failed)?;
        tracing::info!(directory = %directory.display(), version, "the store was migrated to a newer format");
    }
    Ok(found)
}

/// Checks that the parts of a store that was used are there, rather than to begin anew.
fn check_parts(disk: &Disk, directory: &Path, format: usize) -> Result<(), OpenError> {
    if !was_used(disk, directory) {
        return Ok(());
    }
    let log = (format >= FORMAT_WITH_LOG).then(|| log_directory(directory));
    match [Some(engine_directory(directory)), log].into_iter().flatten().find(|part| !disk.exists(part)) {
        Some(missing) => Err(OpenError::Incomplete { missing }),
        None => Ok(()),
    }
}

/// Returns true if the store has been opened, as far as is known after a power cut.
pub(super) fn was_used(disk: &Disk, directory: &Path) -> bool {
    disk.length(&directory.join(watermark::FILE_NAME)).is_some_and(|length| length > 0)
}

fn parse_format(text: &str) -> Option<usize> {
    text.strip_prefix(PREFIX)?.trim_end().parse().ok().filter(|version| *version > 0)
}

fn write_format(disk: &Disk, directory: &Path, version: usize) -> io::Result<()> {
    disk.replace(&directory.join(FORMAT_FILE), format!("{PREFIX}{version}\n").as_bytes())
}

/// Removes an engine whose creation was interrupted. It cannot be opened, and is empty.
///
/// A store that was ever used has a watermark, or a segment of the log, whatever became of its engine.
fn clear_unfinished_engine(disk: &Disk, directory: &Path) -> io::Result<()> {
    let engine = engine_directory(directory);
    let has_log = disk.list(&log_directory(directory)).is_ok_and(|files| !files.is_empty());
    if disk.exists(&engine) && !is_finished(disk, &engine)? && !was_used(disk, directory) && !has_log {
        disk.remove_directory(&engine)?;
    }
    Ok(())
}

/// Returns the file that fjall writes last when it creates an engine.
pub(super) fn engine_marker(directory: &Path) -> PathBuf {
    engine_directory(directory).join(ENGINE_MARKER)
}

/// Returns true if the creation of an engine has got to its end.
pub(super) fn is_finished(disk: &Disk, engine: &Path) -> io::Result<bool> {
    let is_written = |marker: Vec<u8>| match disk {
        // A kill or a power cut can leave it empty, or a part of it.
        Disk::System => marker.starts_with(ENGINE_MARKER_START) && marker.len() > ENGINE_MARKER_START.len(),
        Disk::Simulated(_) => true,
    };
    match disk.read(&engine.join(ENGINE_MARKER)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        marker => marker.map(is_written),
    }
}

fn make_log_directory(disk: &Disk, directory: &Path) -> io::Result<()> {
    disk.create_directory(&log_directory(directory))?;
    disk.sync_directory(directory)
}

/// Records that a write or a sync has failed.
///
/// From then on reads may return data that the disk never got, even in the next process.
///
/// This needs neither space nor a sync: a power cut loses the record together with the wrong data.
pub(super) fn distrust(disk: &Disk, directory: &Path) {
    if let Err(error) = disk.rename(&directory.join(SOUND), &directory.join(UNSOUND))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(directory = %directory.display(), %error, "cannot record the storage failure for the next start");
    }
}

/// Records that everything is on disk.
pub(super) fn trust(disk: &Disk, directory: &Path) -> io::Result<()> {
    match disk.rename(&directory.join(UNSOUND), &directory.join(SOUND)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            disk.open(&directory.join(SOUND), OpenMode::Truncate).map(drop)
        }
        recorded => recorded,
    }
}

/// Returns true if reads return the data that is on disk.
pub(super) fn is_sound(disk: &Disk, directory: &Path) -> bool {
    !disk.exists(&directory.join(UNSOUND))
}

/// Writes the journals of a failed engine to new files, before the engine is opened again.
///
/// After a failed sync the system may mark pages as written that never were. Reads then return data that is not on disk,
/// and no later sync of the file reports it. Bytes that are written to a new file are really synced; so are those that
/// are written over themselves, which a full volume requires.
pub(super) fn rewrite_journals(disk: &Disk, directory: &Path) -> io::Result<()> {
    for path in disk.list(&engine_directory(directory))? {
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let content = disk.read(&path)?;
            let content = salvage::used(&content);
            match disk.replace(&path, content) {
                Err(error) if error.kind() == io::ErrorKind::StorageFull => rewrite(disk, &path, content)?,
                replaced => replaced?,
            }
        }
    }
    Ok(())
}

fn rewrite(disk: &Disk, path: &Path, content: &[u8]) -> io::Result<()> {
    let mut file = disk.open(path, OpenMode::Write)?;
    file.write_all(content)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::{EmbeddedStore, Options};
    use std::fs;

    fn version(directory: &Path) -> String {
        fs::read_to_string(directory.join(FORMAT_FILE)).unwrap()
    }

    fn note(directory: &Path, word: &str) -> io::Result<()> {
        let path = directory.join("notes");
        let notes = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, notes + word)
    }

    #[test]
    fn an_older_format_goes_through_the_migrations_that_it_lacks() {
        let migrations: [Migration; 3] =
            [|_, at| note(at, "2 "), |_, at| note(at, "3 "), |_, at| note(at, "4 ")];
        for (found, notes) in [(1, "2 3 4 "), (2, "3 4 "), (3, "4 "), (4, "")] {
            let directory = tempfile::tempdir().unwrap();
            write_format(&Disk::System, directory.path(), found).unwrap();
            migrate(&Disk::System, directory.path(), &migrations).unwrap();
            assert_eq!(version(directory.path()), "webpush-server store 4\n");
            assert_eq!(fs::read_to_string(directory.path().join("notes")).unwrap_or_default(), notes);
        }
    }

    #[test]
    fn a_start_that_ends_after_the_migration_leaves_a_complete_store() {
        let directory = tempfile::tempdir().unwrap();
        let used = |part: &str| fs::write(directory.path().join(part), "used").unwrap();
        write_format(&Disk::System, directory.path(), 1).unwrap();
        used("watermark");
        fs::create_dir(engine_directory(directory.path())).unwrap();
        fs::write(engine_directory(directory.path()).join(ENGINE_MARKER), ENGINE_MARKER_START).unwrap();
        migrate(&Disk::System, directory.path(), MIGRATIONS).unwrap();
        assert!(prepare(&Disk::System, directory.path()).is_ok());
    }

    #[test]
    fn a_migration_that_fails_runs_again_the_next_time() {
        let directory = tempfile::tempdir().unwrap();
        write_format(&Disk::System, directory.path(), 1).unwrap();
        let broken: [Migration; 2] = [|_, at| note(at, "2 "), |_, _| Err(io::Error::other("no"))];
        assert!(matches!(migrate(&Disk::System, directory.path(), &broken), Err(OpenError::Io { .. })));
        assert_eq!(version(directory.path()), "webpush-server store 2\n");
        let fixed: [Migration; 2] = [|_, at| note(at, "2 "), |_, at| note(at, "3 ")];
        migrate(&Disk::System, directory.path(), &fixed).unwrap();
        assert_eq!(fs::read_to_string(directory.path().join("notes")).unwrap(), "2 3 ");
    }

    #[test]
    fn newer_and_foreign_directories_are_refused() {
        let directory = tempfile::tempdir().unwrap();
        write_format(&Disk::System, directory.path(), 5).unwrap();
        let error = prepare(&Disk::System, directory.path()).unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 5, supported: 4, .. }));
        assert!(error.to_string().contains(&directory.path().display().to_string()));
        for text in ["", "webpush-server store", "webpush-server store 0\n", "webpush-server store x\n"] {
            fs::write(directory.path().join(FORMAT_FILE), text).unwrap();
            assert!(matches!(prepare(&Disk::System, directory.path()), Err(OpenError::Foreign { .. })));
        }
        fs::remove_file(directory.path().join(FORMAT_FILE)).unwrap();
        fs::create_dir(engine_directory(directory.path())).unwrap();
        assert!(matches!(prepare(&Disk::System, directory.path()), Err(OpenError::Foreign { .. })));
    }

    /// B6a: a kill in the very first start, at any moment between creating the engine and finishing it.
    #[test]
    fn a_half_made_engine_is_made_again() {
        for marker in [None, Some(""), Some("FJL"), Some("\0\0\0\0")] {
            let directory = tempfile::tempdir().unwrap();
            let engine = engine_directory(directory.path());
            drop(prepare(&Disk::System, directory.path()).unwrap());
            fs::create_dir(&engine).unwrap();
            fs::write(engine.join("0.jnl"), "").unwrap();
            if let Some(marker) = marker {
                fs::write(engine.join(ENGINE_MARKER), marker).unwrap();
            }
            EmbeddedStore::open(directory.path(), Options::default()).unwrap();
            // Its content is not thrown away when the marker is damaged later.
            fs::write(engine.join(ENGINE_MARKER), "").unwrap();
            assert!(EmbeddedStore::open(directory.path(), Options::default()).is_err(), "{marker:?}");
            fs::remove_file(directory.path().join(watermark::FILE_NAME)).unwrap();
            assert!(EmbeddedStore::open(directory.path(), Options::default()).is_err(), "{marker:?}");
        }
    }

    /// B7f: nothing begins anew in place of what is missing.
    #[test]
    fn a_store_that_lacks_a_part_is_refused() {
        for part in ["engine", "log"] {
            let directory = tempfile::tempdir().unwrap();
            drop(EmbeddedStore::open(directory.path(), Options::default()).unwrap());
            fs::rename(directory.path().join(part), directory.path().join("elsewhere")).unwrap();
            let error = EmbeddedStore::open(directory.path(), Options::default()).err().unwrap();
            assert!(matches!(error, OpenError::Incomplete { .. }), "{error:?}");
            assert!(error.to_string().contains(&format!("/{part} is missing")), "{error}");
            fs::rename(directory.path().join("elsewhere"), directory.path().join(part)).unwrap();
            drop(EmbeddedStore::open(directory.path(), Options::default()).unwrap());
        }
    }

    /// A part of an engine, as after a kill while fjall was creating it.
    #[test]
    fn an_engine_without_its_first_keyspace_is_finished() {
        let directory = tempfile::tempdir().unwrap();
        drop(EmbeddedStore::open(directory.path(), Options::default()).unwrap());
        let fresh = |name: &str| engine_directory(directory.path()).join(name);
        for missing in ["keyspaces/0/current", "keyspaces/0"] {
            // It has no tables yet.
            for keyspace in fs::read_dir(fresh("keyspaces")).unwrap() {
                let keyspace = keyspace.unwrap();
                if keyspace.file_name() != "0" {
                    fs::remove_dir_all(keyspace.path()).unwrap();
                }
            }
            fs::remove_file(directory.path().join(watermark::FILE_NAME)).unwrap();
            fs::remove_dir_all(directory.path().join("log")).unwrap();
            let path = fresh(missing);
            if path.is_dir() {
                fs::remove_dir_all(path).unwrap()
            } else {
                fs::remove_file(path).unwrap()
            }
            drop(EmbeddedStore::open(directory.path(), Options::default()).unwrap());
        }
    }
}
