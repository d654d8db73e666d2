//! The data folder around the engine: its lock, its format version, and what a failed engine left.
//!
//! | file | content |
//! |---|---|
//! | `format` | one line: whose folder it is and which version of the format it has |
//! | `lock` | locked while a process has the store open |
//! | `watermark` | see [`super::watermark`] |
//! | `sound`, `unsound` | one of them is there, empty: whether a write or a sync has failed since all was certainly on disk |
//! | `log/` | segments; see [`super::log`] |
//! | `engine/` | fjall's |

use super::{OpenError, watermark};
use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

const PREFIX: &str = "webpush-server store ";
const FORMAT_FILE: &str = "format";
const SOUND: &str = "sound";
const UNSOUND: &str = "unsound";
/// The file that fjall writes last when it makes a database.
const ENGINE_MARKER: &str = "version";

/// Changes the data in a folder from one version of the format to the next. Must do no harm when run again after it
/// was interrupted.
type Step = fn(&Path) -> io::Result<()>;

/// The steps from version 1 to 2, from 2 to 3, and so on to the present one.
const STEPS: &[Step] = &[
    // Version 2 has a log, and version 1 is like an empty one. But whoever knows only that would not read the log.
    |_| Ok(()),
];

/// Makes the folder if need be, locks it, and brings its format up to date. It is locked as long as the file is open.
pub(super) fn prepare(folder: &Path) -> Result<File, OpenError> {
    let failed = |error| OpenError::Io { folder: folder.to_owned(), error };
    make_folder(folder).map_err(failed)?;
    let lock = File::options().write(true).create(true).truncate(false).open(folder.join("lock"));
    let lock = lock.map_err(failed)?;
    match lock.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(OpenError::Locked { folder: folder.to_owned() }),
        Err(TryLockError::Error(error)) => return Err(failed(error)),
    }
    bring_up_to_date(folder, STEPS)?;
    clear_unfinished_engine(folder).map_err(failed)?;
    make_log_folder(folder).map_err(failed)?;
    Ok(lock)
}

/// Makes the folder if need be. What is in it can't be found after a power cut unless its own name is on disk.
fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    folder.parent().map_or(Ok(()), |parent| File::open(or_present(parent))?.sync_all())
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

fn bring_up_to_date(folder: &Path, steps: &[Step]) -> Result<(), OpenError> {
    let failed = |error| OpenError::Io { folder: folder.to_owned(), error };
    let supported = steps.len() + 1;
    let found = match fs::read_to_string(folder.join(FORMAT_FILE)) {
        Ok(text) => parse_format(&text).ok_or_else(|| OpenError::Foreign { folder: folder.to_owned() })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if engine_folder(folder).exists() {
                return Err(OpenError::Foreign { folder: folder.to_owned() });
            }
            write_format(folder, supported).map_err(failed)?;
            supported
        }
        Err(error) => return Err(failed(error)),
    };
    if found > supported {
        return Err(OpenError::Newer { folder: folder.to_owned(), found, supported });
    }
    for (version, step) in (2..).zip(steps).skip(found - 1) {
        step(folder).and_then(|()| write_format(folder, version)).map_err(failed)?;
        tracing::info!(folder = %folder.display(), version, "the format of the store was brought up to date");
    }
    Ok(())
}

fn parse_format(text: &str) -> Option<usize> {
    text.strip_prefix(PREFIX)?.trim_end().parse().ok().filter(|version| *version > 0)
}

fn write_format(folder: &Path, version: usize) -> io::Result<()> {
    replace_file(&folder.join(FORMAT_FILE), format!("{PREFIX}{version}\n").as_bytes())
}

/// Puts a file in the place of another one, whole or not at all.
fn replace_file(path: &Path, content: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// An engine whose making was interrupted can't be opened, and holds nothing.
fn clear_unfinished_engine(folder: &Path) -> io::Result<()> {
    let engine = engine_folder(folder);
    let ever_used = fs::metadata(folder.join(watermark::FILE_NAME)).is_ok_and(|file| file.len() > 0);
    if engine.exists() && !engine.join(ENGINE_MARKER).exists() && !ever_used {
        fs::remove_dir_all(engine)?;
    }
    Ok(())
}

fn make_log_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(log_folder(folder))?;
    File::open(folder)?.sync_all()
}

/// Notes that a write or a sync has failed: what is read from now on may be what the disk never got, also by the next
/// process. Needs no room, and no sync: with the power what is read wrongly is gone as well.
pub(super) fn distrust(folder: &Path) {
    if let Err(error) = fs::rename(folder.join(SOUND), folder.join(UNSOUND))
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::error!(folder = %folder.display(), %error, "that the store failed can't be noted for the next start");
    }
}

/// Notes that all is on disk.
pub(super) fn trust(folder: &Path) -> io::Result<()> {
    match fs::rename(folder.join(UNSOUND), folder.join(SOUND)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => File::create(folder.join(SOUND)).map(drop),
        noted => noted,
    }
}

/// Whether what is read is what the disk has.
pub(super) fn is_sound(folder: &Path) -> bool {
    !folder.join(UNSOUND).exists()
}

/// Writes the journals of a failed engine to new files, before the engine is opened again.
///
/// After a failed sync the system may count pages as written that never were: what is read back is then not what the
/// disk has, and no later sync of that file would say so. Bytes that are written anew are really synced.
pub(super) fn rewrite_journals(folder: &Path) -> io::Result<()> {
    for file in fs::read_dir(engine_folder(folder))? {
        let path = file?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let mut content = Vec::new();
            File::open(&path)?.read_to_end(&mut content)?;
            // A journal is longer than what is in it; its last entry never ends with a zero.
            let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
            replace_file(&path, &content[..used])?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let steps: [Step; 3] = [|at| note(at, "2 "), |at| note(at, "3 "), |at| note(at, "4 ")];
        for (found, notes) in [(1, "2 3 4 "), (2, "3 4 "), (3, "4 "), (4, "")] {
            let folder = tempfile::tempdir().unwrap();
            write_format(folder.path(), found).unwrap();
            bring_up_to_date(folder.path(), &steps).unwrap();
            assert_eq!(version(folder.path()), "webpush-server store 4\n");
            assert_eq!(fs::read_to_string(folder.path().join("notes")).unwrap_or_default(), notes);
        }
    }

    #[test]
    fn a_step_that_fails_is_taken_again_the_next_time() {
        let folder = tempfile::tempdir().unwrap();
        write_format(folder.path(), 1).unwrap();
        let broken: [Step; 2] = [|at| note(at, "2 "), |_| Err(io::Error::other("no"))];
        assert!(matches!(bring_up_to_date(folder.path(), &broken), Err(OpenError::Io { .. })));
        assert_eq!(version(folder.path()), "webpush-server store 2\n");
        let mended: [Step; 2] = [|at| note(at, "2 "), |at| note(at, "3 ")];
        bring_up_to_date(folder.path(), &mended).unwrap();
        assert_eq!(fs::read_to_string(folder.path().join("notes")).unwrap(), "2 3 ");
    }

    #[test]
    fn newer_and_foreign_folders_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        write_format(folder.path(), 3).unwrap();
        let error = prepare(folder.path()).unwrap_err();
        assert!(matches!(error, OpenError::Newer { found: 3, supported: 2, .. }));
        assert!(error.to_string().contains(&folder.path().display().to_string()));
        for text in ["", "webpush-server store", "webpush-server store 0\n", "webpush-server store x\n"] {
            fs::write(folder.path().join(FORMAT_FILE), text).unwrap();
            assert!(matches!(prepare(folder.path()), Err(OpenError::Foreign { .. })));
        }
        fs::remove_file(folder.path().join(FORMAT_FILE)).unwrap();
        fs::create_dir(engine_folder(folder.path())).unwrap();
        assert!(matches!(prepare(folder.path()), Err(OpenError::Foreign { .. })));
    }

    #[test]
    fn a_half_made_engine_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        drop(prepare(folder.path()).unwrap());
        fs::create_dir(engine_folder(folder.path())).unwrap();
        fs::write(engine_folder(folder.path()).join("0.jnl"), "").unwrap();
        drop(prepare(folder.path()).unwrap());
        assert!(!engine_folder(folder.path()).exists());
    }
}
