//! Files with secrets, readable only by their owner.
//!
//! They are written atomically, and synced before the call returns.
//!
//! ```
//! use webpush_client::private_file;
//!
//! let directory = tempfile::tempdir()?;
//! let path = directory.path().join("token");
//! private_file::replace(&path, b"one")?;
//! private_file::replace(&path, b"two")?;
//! assert_eq!(private_file::read(&path)?, "two");
//! assert!(private_file::create(&path, b"three").is_err(), "never overwrites");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::error::Error;
use std::fmt;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, BufWriter, ErrorKind, Write};
use std::path::{Path, PathBuf};
use webpush_core::byte_order_mark;

/// A file could not be read or written.
#[derive(Debug)]
pub struct FileError {
    /// The failed operation.
    pub operation: FileOperation,
    /// The file.
    pub path: PathBuf,
    /// The cause.
    pub source: io::Error,
}

/// An operation on a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileOperation {
    /// Read.
    Read,
    /// Write, replacing an existing file.
    Write,
    /// Create, without replacing an existing file.
    Create,
}

/// Creates a file. Never replaces an existing one, even with concurrent callers.
///
/// # Errors
/// [`FileError`], of kind [`ErrorKind::AlreadyExists`] if the file exists.
pub fn create(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let failed = |source| FileError { operation: FileOperation::Create, path: path.to_owned(), source };
    let mut file = Replacement::new(path).map_err(failed)?;
    file.write_all(content).and_then(|()| file.create()).map_err(failed)
}

/// Writes a file, replacing an existing one atomically.
///
/// # Errors
/// [`FileError`]. The existing file is unchanged.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), FileError> {
    let mut file = Replacement::begin(path)?;
    file.write_all(content).map_err(|source| file.failed(source))?;
    file.commit()
}

/// Reads a text file, without a byte order mark.
///
/// # Errors
/// [`FileError`].
pub fn read(path: &Path) -> Result<String, FileError> {
    let text = fs::read_to_string(path).map_err(|source| FileError {
        operation: FileOperation::Read,
        path: path.to_owned(),
        source,
    })?;
    Ok(byte_order_mark::strip(&text).to_owned())
}

/// Names to try for a temporary file.
const NAMES: usize = 100;

/// A temporary file that will replace another one.
///
/// It is deleted if it is dropped before [`Replacement::commit`].
#[derive(Debug)]
pub struct Replacement {
    path: PathBuf,
    /// In the same directory, since a rename is atomic only within one file system.
    temporary: PathBuf,
    file: BufWriter<File>,
}

impl Replacement {
    /// Creates the temporary file.
    ///
    /// # Errors
    /// [`FileError`].
    pub fn begin(path: &Path) -> Result<Self, FileError> {
        Self::new(path).map_err(|source| FileError {
            operation: FileOperation::Write,
            path: path.to_owned(),
            source,
        })
    }

    fn new(path: &Path) -> io::Result<Self> {
        let Some(name) = path.file_name() else {
            return Err(io::Error::new(ErrorKind::InvalidInput, "not a file name"));
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        for number in 0..NAMES {
            let mut hidden = std::ffi::OsString::from(".");
            hidden.push(name);
            hidden.push(format!(".{}-{number}.new", std::process::id()));
            let temporary = directory(path).join(hidden);
            remove_abandoned(&temporary);
            match options.open(&temporary) {
                // The lock shows others that it is in use. Where locks are not supported, they leave it alone.
                Ok(file)
                    if !matches!(file.try_lock(), Err(TryLockError::WouldBlock)) && temporary.exists() =>
                {
                    return Ok(Self { path: path.to_owned(), temporary, file: BufWriter::new(file) });
                }
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(io::Error::new(
            ErrorKind::AlreadyExists,
            "too many temporary files beside it: remove those whose names end in .new",
        ))
    }

    /// Syncs the temporary file and renames it over the file.
    ///
    /// # Errors
    /// [`FileError`]. The existing file is unchanged, unless only syncing the directory failed.
    pub fn commit(mut self) -> Result<(), FileError> {
        let committed = self
            .sync()
            .and_then(|()| fs::rename(&self.temporary, &self.path))
            .and_then(|()| sync_directory(&self.path));
        committed.map_err(|source| self.failed(source))
    }

    /// Links the temporary file to the name of the file. Fails if that exists.
    fn create(&mut self) -> io::Result<()> {
        self.sync()?;
        fs::hard_link(&self.temporary, &self.path)?;
        sync_directory(&self.path)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }

    /// Returns the error of a write to this file.
    pub fn failed(&self, source: io::Error) -> FileError {
        FileError { operation: FileOperation::Write, path: self.path.clone(), source }
    }
}

impl Write for Replacement {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        // Fails after a rename, when there is nothing to remove.
        let _ = fs::remove_file(&self.temporary);
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match self.operation {
            FileOperation::Read => write!(f, "cannot read {path}"),
            FileOperation::Create if self.source.kind() == ErrorKind::AlreadyExists => {
                write!(f, "{path} already exists: choose another name, or move it away")
            }
            FileOperation::Write | FileOperation::Create => write!(f, "cannot write {path}"),
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let explained =
            self.operation == FileOperation::Create && self.source.kind() == ErrorKind::AlreadyExists;
        (!explained).then_some(&self.source)
    }
}

/// Removes the temporary file of a process that was killed.
///
/// Its ID can be the same, as in containers. The file of another thread or container is locked.
fn remove_abandoned(temporary: &Path) {
    let Ok(file) = File::open(temporary) else { return };
    if file.try_lock().is_ok() {
        // If this fails, another name is used.
        let _ = fs::remove_file(temporary);
    }
}

/// Syncs the directory of a file, which makes its name durable. Only Unix supports that.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory(path))?.sync_all() } else { Ok(()) }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    }

    fn files(directory: &Path) -> usize {
        fs::read_dir(directory).unwrap().count()
    }

    #[test]
    fn keys_are_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        create(&path, b"one").unwrap();
        let error = create(&path, b"two").unwrap_err();
        assert_eq!(error.source.kind(), ErrorKind::AlreadyExists);
        assert!(error.to_string().contains("already exists"), "{error}");
        assert_eq!(read(&path).unwrap(), "one");
        assert_eq!(files(directory.path()), 1);
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn replacing_leaves_one_private_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        fs::write(&path, "open to all").unwrap();
        replace(&path, b"two").unwrap();
        assert_eq!(read(&path).unwrap(), "two");
        assert_eq!(files(directory.path()), 1);
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o600);
        assert!(replace(&directory.path().join("missing/state.json"), b"x").is_err());
        assert!(replace(Path::new("/"), b"x").is_err());
    }

    #[test]
    fn uncommitted_files_replace_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("backup");
        replace(&path, b"old").unwrap();
        let mut half = Replacement::begin(&path).unwrap();
        half.write_all(b"half").unwrap();
        drop(half);
        assert_eq!((read(&path).unwrap().as_str(), files(directory.path())), ("old", 1));
    }

    /// B6c: the next process may have the ID of the one that was killed.
    #[test]
    fn temporary_files_that_were_left_behind_keep_nobody_from_writing() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let half = Replacement::begin(&path).unwrap();
        let temporary = half.temporary.clone();
        drop(half);
        fs::write(&temporary, "half").unwrap();
        replace(&path, b"one").unwrap();
        assert_eq!((read(&path).unwrap().as_str(), files(directory.path())), ("one", 1));
        // Not a file that can be removed.
        fs::create_dir(&temporary).unwrap();
        replace(&path, b"two").unwrap();
        fs::remove_dir(&temporary).unwrap();
        assert_eq!((read(&path).unwrap().as_str(), files(directory.path())), ("two", 1));
    }

    #[test]
    fn a_file_that_is_being_written_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        let [mut first, mut second] = [0; 2].map(|_| Replacement::begin(&path).unwrap());
        first.write_all(b"first").unwrap();
        second.write_all(b"second").unwrap();
        second.commit().unwrap();
        first.commit().unwrap();
        assert_eq!((read(&path).unwrap().as_str(), files(directory.path())), ("first", 1));
    }
}
