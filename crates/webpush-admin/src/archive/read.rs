//! Reading a file line by line, and noticing what was cut or damaged.

use super::line::{ArchiveKind, Counts, Line};
use super::{FORMAT, LINE_BYTES};
use aws_lc_rs::digest::{Context, SHA256};
use std::fmt;
use std::io::{self, BufRead, Read as _};

/// Why a file can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ArchiveError {
    /// A line is not as it should be.
    Line(u64, String),
    /// Bytes are not what was written: up to this line.
    Damaged(u64),
    /// It does not end as it should.
    Cut,
    /// It is of a later program.
    Newer(u32),
}

/// What has been read of a file so far.
pub struct Reader {
    lines: u64,
    kind: Option<ArchiveKind>,
    digest: Context,
    counts: Counts,
    ended: bool,
    /// Whether all lines so far are covered by a checksum.
    checked: bool,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            lines: 0,
            kind: None,
            digest: Context::new(&SHA256),
            counts: Counts::default(),
            ended: false,
            checked: false,
        }
    }
}

impl Reader {
    /// Takes the next line, without its end.
    ///
    /// # Errors
    /// [`ArchiveError`]: the rest is not worth reading.
    pub fn take(&mut self, text: &[u8]) -> Result<Line, ArchiveError> {
        self.lines += 1;
        let wrong = |number, what: &str| ArchiveError::Line(number, what.to_owned());
        let line: Line = serde_json::from_slice(text).map_err(|error| self.unreadable(&error))?;
        match (&line, self.kind) {
            (Line::Begin(begin), None) if begin.format > FORMAT => {
                return Err(ArchiveError::Newer(begin.format));
            }
            (Line::Begin(begin), None) => self.kind = Some(begin.kind),
            (Line::Begin(_), Some(_)) => return Err(wrong(self.lines, "it begins once more")),
            (_, None) => return Err(wrong(1, "it does not begin like a file of webpush-server")),
            (Line::Check(checksum), Some(_)) if self.digest.clone().finish().as_ref() != checksum.0 => {
                return Err(ArchiveError::Damaged(self.lines));
            }
            (Line::Check(_), Some(_)) => {}
            (_, Some(_)) if self.ended => return Err(wrong(self.lines, "something follows its end")),
            (Line::End(counts), Some(_)) if *counts != self.counts => {
                return Err(ArchiveError::Line(
                    self.lines,
                    format!("it should have {counts}, but there are {}", self.counts),
                ));
            }
            (Line::End(_), Some(_)) => self.ended = true,
            _ => {}
        }
        self.checked = matches!(line, Line::Check(_));
        self.counts += Counts::for_line(&line);
        self.digest.update(text);
        self.digest.update(b"\n");
        Ok(line)
    }

    /// To be called after the last line.
    ///
    /// # Errors
    /// [`ArchiveError::Cut`] when that was not the end.
    pub fn finish(&self) -> Result<Counts, ArchiveError> {
        let is_whole = match self.kind {
            Some(ArchiveKind::Backup) => self.ended && self.checked,
            Some(ArchiveKind::Export) => self.ended,
            None => false,
        };
        if is_whole { Ok(self.counts) } else { Err(ArchiveError::Cut) }
    }

    /// That the last line is not as it should be.
    #[must_use]
    pub fn wrong(&self, what: &str) -> ArchiveError {
        ArchiveError::Line(self.lines, what.to_owned())
    }

    /// What was wrong with the JSON; never what it holds.
    fn unreadable(&self, error: &serde_json::Error) -> ArchiveError {
        let what = match error.classify() {
            serde_json::error::Category::Eof => "it ends in its midst".to_owned(),
            _ => format!("it can't be understood from column {} on", error.column()),
        };
        ArchiveError::Line(self.lines, what)
    }
}

/// The lines of a file, without their ends.
pub fn lines(mut file: impl BufRead) -> impl Iterator<Item = io::Result<Vec<u8>>> {
    std::iter::from_fn(move || {
        let mut line = Vec::new();
        let read = file.by_ref().take(LINE_BYTES as u64).read_until(b'\n', &mut line);
        match read {
            Ok(0) => None,
            Ok(_) => {
                // One that is too long is cut here, and so is no JSON.
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
            Self::Line(number, what) => write!(f, "line {number} is wrong: {what}"),
            Self::Damaged(number) => {
                write!(f, "it is damaged: what is before line {number} is not what was written")
            }
            Self::Cut => f.write_str("it was cut: its end is missing"),
            Self::Newer(format) => {
                write!(
                    f,
                    "it is of format {format}, and this program reads format {FORMAT}: take a newer one"
                )
            }
        }
    }
}

impl std::error::Error for ArchiveError {}
