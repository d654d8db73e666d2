//! Files that hold secrets: for their owner only, whole or not there at all, safe on the disk before we go on.

use super::error::ClientError;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Writes a new file and refuses to replace one.
///
/// # Errors
/// [`ClientError::Local`].
pub fn create(path: &Path, content: &[u8]) -> Result<(), ClientError> {
    write_new(path, content).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => ClientError::Local(format!(
            "{} exists already, and a key that is overwritten is lost: choose another name or move it away",
            path.display()
        )),
        _ => failed("write", path, &error),
    })
}

/// Writes a file, replacing an older one at once or not at all.
///
/// # Errors
/// [`ClientError::Local`].
pub fn replace(path: &Path, content: &[u8]) -> Result<(), ClientError> {
    let temporary = beside(path);
    let written = write_new(&temporary, content)
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| sync_directory(path));
    written.map_err(|error| {
        // After a rename there is nothing left to remove, which is just as well.
        let _ = fs::remove_file(&temporary);
        failed("write", path, &error)
    })
}

/// Reads a text file.
///
/// # Errors
/// [`ClientError::Local`].
pub fn read(path: &Path) -> Result<String, ClientError> {
    fs::read_to_string(path).map_err(|error| failed("read", path, &error))
}

fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()
}

/// The entry of a file is safe when its directory is; only Unix lets one say so.
fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory(path))?.sync_all() } else { Ok(()) }
}

fn directory(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new("."))
}

/// A name in the same directory, since a rename is atomic only within one file system.
fn beside(path: &Path) -> PathBuf {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    directory(path).join(name)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> ClientError {
    ClientError::Local(format!("cannot {verb} {}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    fn mode(path: &Path) -> u32 {
        std::os::unix::fs::PermissionsExt::mode(&fs::metadata(path).unwrap().permissions()) & 0o777
    }

    #[test]
    fn keys_are_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("key.pem");
        create(&path, b"one").unwrap();
        let error = create(&path, b"two").unwrap_err();
        assert!(error.sentence().contains("exists already"), "{error}");
        assert_eq!(read(&path).unwrap(), "one");
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
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        #[cfg(unix)]
        assert_eq!(mode(&path), 0o600);
        assert!(replace(&directory.path().join("missing/state.json"), b"x").is_err());
    }
}
