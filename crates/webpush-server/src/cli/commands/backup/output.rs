//! The file that a backup or an export is written to.

use anyhow::Context as _;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use webpush_client::private_file::Replacement;

/// Where the files of processes are: they stand for something that is open already.
const OPEN_FILES: [&str; 3] = ["/dev", "/proc", "/sys"];

/// An output that is being written.
pub(super) enum Output {
    /// A regular file, replaced when it is complete.
    File(Replacement),
    /// Standard output.
    Standard(BufWriter<io::Stdout>),
    /// A device or a pipe, which cannot be replaced.
    Through(BufWriter<File>),
}

impl Output {
    /// Begins to write. `-` is standard output; a symbolic link remains, and its target is replaced.
    pub(super) fn begin(path: &Path) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(BufWriter::new(io::stdout())));
        }
        let is_file = match fs::metadata(path) {
            Ok(metadata) => metadata.is_file() && !OPEN_FILES.iter().any(|open| path.starts_with(open)),
            // A new file, or one that cannot be looked at and gets its error now.
            Err(_) => true,
        };
        if is_file {
            return Ok(Self::File(Replacement::begin(&target(path))?));
        }
        let opened = OpenOptions::new().write(true).open(path);
        let file = opened.with_context(|| format!("cannot write {}", path.display()))?;
        Ok(Self::Through(BufWriter::new(file)))
    }

    /// Returns true if results may be printed to standard output.
    pub(super) const fn leaves_standard_output(&self) -> bool {
        matches!(self, Self::File(_))
    }

    /// Completes the file.
    pub(super) fn commit(self) -> anyhow::Result<()> {
        match self {
            Self::File(replacement) => replacement.commit()?,
            Self::Standard(mut output) => output.flush().context("cannot write standard output")?,
            Self::Through(mut output) => output.flush().context("cannot write the output")?,
        }
        Ok(())
    }
}

/// Returns the file that a symbolic link leads to.
fn target(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::File(output) => output.write(bytes),
            Self::Standard(output) => output.write(bytes),
            Self::Through(output) => output.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::File(output) => output.flush(),
            Self::Standard(output) => output.flush(),
            Self::Through(output) => output.flush(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        let mut output = Output::begin(path).unwrap();
        output.write_all(text.as_bytes()).unwrap();
        output.commit().unwrap();
    }

    /// B3: what cannot be replaced is written through, and a link remains a link.
    #[test]
    fn only_regular_files_are_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| directory.path().join(name));
        write(&file, "one");
        std::os::unix::fs::symlink("file", &link).unwrap();
        write(&link, "two");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
        write(Path::new("/dev/null"), "three");
        assert!(!fs::metadata("/dev/null").unwrap().is_file());
        assert!(Output::begin(directory.path()).is_err());
    }

    #[test]
    fn an_output_that_is_not_committed_replaces_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        write(&file, "whole");
        Output::begin(&file).unwrap().write_all(b"half").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "whole");
    }
}
