//! The file that an archive is read from, which is read twice: to verify it, and to use it.
//!
//! A pipe gives its content once. So whatever is not a regular file is copied to a temporary file first, which has no
//! name and is readable only by this user.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use webpush_service::system;

/// A complete archive, ready to be read any number of times.
#[derive(Debug)]
pub struct ArchiveFile(File);

impl ArchiveFile {
    /// Opens a file; `-` is standard input.
    ///
    /// # Errors
    /// Fails if it cannot be read, or if there is no room for a copy.
    pub fn open(path: &Path) -> io::Result<Self> {
        if path == Path::new("-") {
            return Self::copy(io::stdin().lock());
        }
        let file = File::open(path)?;
        if file.metadata()?.is_file() { Ok(Self(file)) } else { Self::copy(file) }
    }

    fn copy(mut from: impl Read) -> io::Result<Self> {
        let name = webpush_core::base64url::encode(system::env().random::<16>().map_err(io::Error::other)?);
        let path = std::env::temp_dir().join(format!(".webpush-server-{name}"));
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
        fs::remove_file(&path)?;
        io::copy(&mut from, &mut file)?;
        Ok(Self(file))
    }

    /// Returns the content from its beginning.
    ///
    /// # Errors
    /// Fails if the file cannot be read again.
    pub fn read(&self, buffer_bytes: usize) -> io::Result<BufReader<&File>> {
        let mut file = &self.0;
        file.rewind()?;
        Ok(BufReader::with_capacity(buffer_bytes, file))
    }

    /// Returns the file at its beginning.
    ///
    /// # Errors
    /// Fails if the file cannot be read again.
    pub fn into_file(mut self) -> io::Result<File> {
        self.0.rewind()?;
        Ok(self.0)
    }
}
