//! The data directory around the engine: lock, format version, and the state after a failure.
//!
//! | file | content |
//! |---|---|
//! | `format` | one line: whose folder it is and which version of the format it has |
//! | `lock` | locked while a process has the store open |
//! | `watermark` | see [`super::watermark`] |
//! | `sound`, `unsound` | one of them is there, empty: whether a write or a sync has failed since all was certainly on disk |
//! | `log/` | segments; see [`super::log`] |
//! | `engine/` | fjall's |

use super::open_error::OpenError;
use super::watermark;
use crate::disk::{Disk, DiskFile};
use crate::open_mode::{LockError, OpenMode};
use std::io;
use std::path::{Path, PathBuf};

const PREFIX: &str = "webpush-server store ";
const FORMAT_FILE: &str = "format";
const SOUND: &str = "sound";
const UNSOUND: &str = "unsound";
/// The file that fjall writes last when it makes a database.
const ENGINE_MARKER: &str = "version";

/// Changes the data in a folder from one version of the format to the next. Must do no harm when run again after it
/// was interrupted.
type Step = fn(&Disk, &Path) -> io::Result<()>;

/// The steps from version 1 to 2, from 2 to 3, and so on to the present one.
const STEPS: &[Step] = &[
    // Version 2 has a log. Version 1 is like an empty one, but a program that knows only version 1 would not read it.
    |_, _| Ok(()),
    // Version 3 assigns positions per inbox. Usage rows of version 2 hold none, and whenever a store is opened, positions
    // begin above all that were assigned before. A program that knows only version 2 would lose the last position.
    |_, _| Ok(()),
];

/// Creates the directory if it is not there, locks it, and brings its format up to date.
///
/// It is locked until the returned file is dropped.
pub(super) fn prepare(disk: &Disk, folder: &Path) -> Result<DiskFile, OpenError> {
    let failed = |error| OpenError::Io { folder: folder.to_owned(), error };
    make_folder(disk, folder).map_err(failed)?;
    let lock = disk.lock(&folder.join("lock")).map_err(|error| match error {
        LockError::Taken => OpenError::Locked { folder: folder.to_owned() },
        LockError::Io(error) => failed(error),
    })?;
    bring_up_to_date(disk, folder, STEPS)?;
    clear_unfinished_engine(disk, folder).map_err(failed)?;
    make_log_folder(disk, folder).map_err(failed)?;
    Ok(lock)
}

/// Creates the directory if it is not there.
///
/// Its content can't be found after a power cut unless its own name is on disk.
fn make_folder(disk: &Disk, folder: &Path) -> io::Result<()> {
    if disk.exists(folder) {
        return Ok(());
    }
    disk.create_directory(folder)?;
    folder.parent().map_or(Ok(()), |parent| disk.sync_directory(or_present(parent)))
}

/// The folder that a relative path begins in has no name there.
fn or_present(folder: &Path) -> &Path {
    if folder.as_os_str().is_empty() { Path::new(".") } else { folder }
}

pub(super) fn log_folder(folder: &Path) -> PathBuf {
    folder.join("log")
}

pub(super) fn engine_folder(folder: &Path) -> PathBuf {
    folder.join("engine")
}

fn bring_up_to_date(disk: &Disk, folder: &Path, steps: &[Step]) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io { folder: folder.to_owned(), error };
    let supported = steps.len() + 1;
    let found = match disk.read(&folder.join(FORMAT_FILE)) {
        Ok(text) => parse_format(&String::from_utf8_lossy(&text))
            .ok_or_else(|| OpenError::Foreign { folder: folder.to_owned() })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if disk.exists(&engine_folder(folder)) {
                return Err(OpenError::Foreign { folder: folder.to_owned() });
            }
            write_format(disk, folder, supported).map_err(failed)?;
            supported
        }
        Err(error) => return Err(failed(error)),
    };
    if found > supported {
        return Err(OpenError::Newer { folder: folder.to_owned(), found, supported });
    }
    for (version, step) in (2..).zip(steps).skip(found - 1) {
        step(disk, folder).and_then(|()| write_format(disk, folder, version)).map_err(failed)?;
        tracing::info!(folder = %folder.display(), version, "the format of the store was brought up to date");
    }
    Ok(())
}

fn parse_format(text: &str) -> Option<usize> {
    text.strip_prefix(PREFIX)?.trim_end().parse().ok().filter(|version| *version > 0)
}

fn write_format(disk: &Disk, folder: &Path, version: usize) -> io::Result<()> {
    disk.replace(&folder.join(FORMAT_FILE), format!("{PREFIX}{version}\n").as_bytes())
}

/// Removes an engine whose creation was interrupted: it can't be opened, and holds nothing.
fn clear_unfinished_engine(disk: &Disk, folder: &Path) -> io::Result<()> {
    let engine = engine_folder(folder);
    let ever_used = disk.length(&folder.join(watermark::FILE_NAME)).is_some_and(|length| length > 0);
    if disk.exists(&engine) && !disk.exists(&engine.join(ENGINE_MARKER)) && !ever_used {
        disk.remove_directory(&engine)?;
    }
    Ok(())
}

fn make_log_folder(disk: &Disk, folder: &Path) -> io::Result<()> {
    disk.create_directory(&log_folder(folder))?;
    disk.sync_directory(folder)
}

/// Records that a write or a sync has failed.
///
/// From then on reads may return what the disk never got, also in the next process. Needs no room, and no sync: what is read wrongly is lost with the power as well.
pub(super) fn distrust(disk: &Disk, folder: &Path) {
    if let Err(error) = disk.rename(&folder.join(SOUND), &folder.join(UNSOUND))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(folder = %folder.display(), %error, "can't record the storage failure for the next start");
    }
}

/// Records that everything is on disk.
pub(super) fn trust(disk: &Disk, folder: &Path) -> io::Result<()> {
    match disk.rename(&folder.join(UNSOUND), &folder.join(SOUND)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            disk.open(&folder.join(SOUND), OpenMode::Truncate).map(drop)
        }
        recorded => recorded,
    }
}

/// Returns true if reads return what the disk has.
pub(super) fn is_sound(disk: &Disk, folder: &Path) -> bool {
    !disk.exists(&folder.join(UNSOUND))
}

/// Writes the journals of a failed engine to new files, before the engine is opened again.
///
/// After a failed sync the system may count pages as written that never were: what is read back is then not what the
/// disk has, and no later sync of that file would say so. Bytes that are written anew are really synced.
pub(super) fn rewrite_journals(disk: &Disk, folder: &Path) -> io::Result<()> {
    for path in disk.list(&engine_folder(folder))? {
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let content = disk.read(&path)?;
            // A journal is longer than what is in it; its last entry never ends with a zero.
            let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            disk.replace(&path, &content[..used])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn version(folder: &Path) -> String {
        fs::read_to_string(folder.join(FORMAT_FILE)).unwrap()
    }

    fn note(folder: &Path, word: &str) -> io::Result<()> {
        let path = folder.join("notes");
        let notes = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, notes + word)
    }

    #[test]
    fn an_older_format_goes_through_the_steps_that_it_lacks() {
        let steps: [Step; 3] = [|_, at| note(at, "2 "), |_, at| note(at, "3 "), |_, at| note(at, "4 ")];
        for (found, notes) in [(1, "2 3 4 "), (2, "3 4 "), (3, "4 "), (4, "")] {
            let folder = tempfile::tempdir().unwrap();
            write_format(&Disk::System, folder.path(), found).unwrap();
            bring_up_to_date(&Disk::System, folder.path(), &steps).unwrap();
            assert_eq!(version(folder.path()), "webpush-server store 4\n");
            assert_eq!(fs::read_to_string(folder.path().join("notes")).unwrap_or_default(), notes);
        }
    }

    #[test]
    fn a_step_that_fails_is_taken_again_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        write_format(&Disk::System, folder.path(), 1).unwrap();
        let broken: [Step; 2] = [|_, at| note(at, "2 "), |_, _| Err(io::Error::other("no"))];
        assert!(matches!(bring_up_to_date(&Disk::System, folder.path(), &broken), Err(OpenError::Io { .. })));
        assert_eq!(version(folder.path()), "webpush-server store 2\n");
        let mended: [Step; 2] = [|_, at| note(at, "2 "), |_, at| note(at, "3 ")];
        bring_up_to_date(&Disk::System, folder.path(), &mended).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("notes")).unwrap(), "2 3 ");
    }

    #[test]
    fn newer_and_foreign_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_format(&Disk::System, folder.path(), 4).unwrap();
        let error = prepare(&Disk::System, folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 4, supported: 3, .. }));
        assert!(error.to_string().contains(&folder.path().display().to_string()));
        for text in ["", "webpush-server store", "webpush-server store 0\n", "webpush-server store x\n"] {
            fs::write(folder.path().join(FORMAT_FILE), text).unwrap();
            assert!(matches!(prepare(&Disk::System, folder.path()), Err(OpenError::Foreign { .. })));
        }
        fs::remove_file(folder.path().join(FORMAT_FILE)).unwrap();
        fs::create_dir(engine_folder(folder.path())).unwrap();
        assert!(matches!(prepare(&Disk::System, folder.path()), Err(OpenError::Foreign { .. })));
    }

    #[test]
    fn a_half_made_engine_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(prepare(&Disk::System, folder.path()).unwrap());
        fs::create_dir(engine_folder(folder.path())).unwrap();
        fs::write(engine_folder(folder.path()).join("0.jnl"), "").unwrap();
        drop(prepare(&Disk::System, folder.path()).unwrap());
        assert!(!engine_folder(folder.path()).exists());
    }
}
