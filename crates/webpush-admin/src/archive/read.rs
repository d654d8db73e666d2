//! Reads an archive line by line, and detects truncated and damaged files.

use super::line::{ArchiveKind, Counts, Line};
use super::{FORMAT, LINE_BYTES};
use aws_lc_rs::digest::{Context, SHA256};
use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::io::{self, BufRead, Read as _};
use webpush_core::protocol::autopush::Broadcast;
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;

/// An archive cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// A line is invalid.
    InvalidLine {
        /// Its number, from 1.
        number: u64,
        /// The reason, without content of the line.
        reason: String,
    },
    /// The checksum in this line does not match the bytes before it.
    Damaged(u64),
    /// The end is missing.
    Truncated,
    /// A later version wrote it, in this format.
    NewerFormat(u32),
}

/// Parses and verifies an archive: each line, and whether a server can use all of them together.
///
/// Imports, restores and backups all use it, so that records which one accepts can be restored from later backups.
///
/// Pass each line to [`read_line`](Self::read_line), and call [`finish`](Self::finish) after the last one.
pub struct ArchiveReader {
    lines: u64,
    kind: Option<ArchiveKind>,
    digest: Context,
    counts: Counts,
    keys: BTreeSet<u8>,
    broadcasts: BTreeSet<String>,
    has_ended: bool,
    /// True if a checksum covers all lines so far.
    is_verified: bool,
}

impl Default for ArchiveReader {
    fn default() -> Self {
        Self {
            lines: 0,
            kind: None,
            digest: Context::new(&SHA256),
            counts: Counts::default(),
            keys: BTreeSet::new(),
            broadcasts: BTreeSet::new(),
            has_ended: false,
            is_verified: false,
        }
    }
}

impl ArchiveReader {
    /// Parses the next line, given without its line end.
    ///
    /// # Errors
    /// [`ArchiveError`]. Nothing can be read after an error.
    pub fn read_line(&mut self, text: &[u8]) -> Result<Line, ArchiveError> {
        self.lines += 1;
        let line: Line = serde_json::from_slice(text).map_err(|error| self.malformed(&error))?;
        match (&line, self.kind) {
            (Line::Begin(begin), None) if begin.format > FORMAT => {
                return Err(ArchiveError::NewerFormat(begin.format));
            }
            (Line::Begin(begin), None) => self.kind = Some(begin.kind),
            (Line::Begin(_), Some(_)) => return Err(self.invalid_line("begin occurs twice")),
            (_, None) => return Err(self.invalid_line("expected begin")),
            (Line::Check(checksum), Some(_)) if self.digest.clone().finish().as_ref() != checksum.0 => {
                return Err(ArchiveError::Damaged(self.lines));
            }
            (Line::Check(_), Some(_)) => {}
            (_, Some(_)) if self.has_ended => return Err(self.invalid_line("it follows the end")),
            (Line::End(counts), Some(_)) if *counts != self.counts => {
                return Err(self.invalid_line(format!("expected {counts}, found {}", self.counts)));
            }
            (Line::End(_), Some(_)) => self.has_ended = true,
            _ => {}
        }
        self.check(&line).map_err(|reason| self.invalid_line(reason))?;
        self.is_verified = matches!(line, Line::Check(_));
        self.counts += Counts::for_line(&line);
        self.digest.update(text);
        self.digest.update(b"\n");
        Ok(line)
    }

    /// Checks that a server can use the line.
    fn check(&mut self, line: &Line) -> Result<(), String> {
        match line {
            Line::Key { id, .. } if !self.keys.insert(*id) => Err("two sealing keys have the same ID".into()),
            Line::Broadcast { name, version } => {
                Broadcast::new(name.as_str(), version.as_str()).map_err(|error| error.to_string())?;
                self.broadcasts.insert(name.clone());
                let is_over = self.broadcasts.len() > BROADCASTS;
                if is_over { Err(format!("there are more than {BROADCASTS} broadcasts")) } else { Ok(()) }
            }
            Line::Position(_)
            | Line::Inbox(_)
            | Line::Subscription(_)
            | Line::Message(_)
            | Line::Receipt(_) => line.clone().record().map(drop).map_err(str::to_owned),
            Line::Begin(_) | Line::Key { .. } | Line::Check(_) | Line::End(_) => Ok(()),
        }
    }

    /// Checks that the archive is complete, and returns the counts of its records.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`].
    pub fn finish(&self) -> Result<Counts, ArchiveError> {
        let is_complete = match self.kind {
            Some(ArchiveKind::Backup) => self.has_ended && self.is_verified,
            Some(ArchiveKind::Export) => self.has_ended,
            None => false,
        };
        if is_complete { Ok(self.counts) } else { Err(ArchiveError::Truncated) }
    }

    /// Returns the error for an invalid last line. The reason must not quote it.
    #[must_use]
    pub fn invalid_line(&self, reason: impl Into<String>) -> ArchiveError {
        ArchiveError::InvalidLine { number: self.lines, reason: reason.into() }
    }

    /// Describes a JSON error by its position, since the message of the parser may quote secrets.
    fn malformed(&self, error: &serde_json::Error) -> ArchiveError {
        match error.classify() {
            serde_json::error::Category::Eof => self.invalid_line("unexpected end of JSON"),
            _ => self.invalid_line(format!("invalid at column {}", error.column())),
        }
    }
}

/// Splits a file into lines, without their line ends.
pub fn lines(mut file: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = file.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut line);
        match read {
            Ok(0) => None,
            Ok(_) => {
                // A longer line is split here, so it is not valid JSON.
                let _ = line.pop_if(|byte| *byte == b'\n');
                Some(Ok(line))
            }
            Err(error) => Some(Err(error)),
        }
    })
}

impl fmt::Display for ArchiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InvalidLine { number: 1, reason } => {
                write!(f, "not a backup or export of webpush-server (line 1: {reason})")
            }
            Self::InvalidLine { number, reason } => write!(f, "line {number} is invalid: {reason}"),
            Self::Damaged(number) => {
                write!(f, "the file is damaged: the checksum in line {number} does not match")
            }
            Self::Truncated => f.write_str("the file is truncated: its end is missing"),
            Self::NewerFormat(format) => write!(
                f,
                "the file has format {format}, and this version reads only up to {FORMAT}: use a newer webpush-server"
            ),
        }
    }
}

impl Error for ArchiveError {}
