//! Putting agents into a service that runs, inbox by inbox. What is there stays as it is.

use super::line::{Counts, Line};
use super::read::{ArchiveError, Reader};
use super::with_position_gap;
use webpush_core::capability::KeyId;
use webpush_core::id::InboxId;
use webpush_store::{Op, Record};

/// A commit ends with an inbox when it has so many operations, and in the midst of one when it has many times as many.
const BATCH: usize = 500;
const MOST: usize = 10 * BATCH;

/// A file that is being imported.
#[derive(Default)]
pub struct Import {
    reader: Reader,
    keys: Vec<(KeyId, [u8; 32])>,
    ops: Vec<Op>,
    /// The present inbox was there before.
    is_known: bool,
    added: Counts,
}

impl Import {
    /// Takes the next line. `is_there` says whether the service has an inbox.
    ///
    /// Gives operations that are to be committed now, and before them the keys of [`Import::keys`] taken in.
    ///
    /// # Errors
    /// [`ArchiveError`].
    pub async fn take<E: From<ArchiveError>, F: Future<Output = Result<bool, E>>>(
        &mut self,
        text: &[u8],
        is_there: impl FnOnce(InboxId) -> F,
    ) -> Result<Option<Vec<Op>>, E> {
        let line = self.reader.take(text)?;
        let counts = Counts::for_line(&line);
        if let Line::Key { id, secret } = &line {
            self.keys.push((KeyId(*id), secret.0));
        }
        let record = line.record().map_err(|what| self.reader.wrong(what))?;
        let mut due = None;
        match &record {
            Some(Record::Inbox(kept)) => {
                if self.ops.len() >= BATCH {
                    due = Some(std::mem::take(&mut self.ops));
                }
                self.is_known = is_there(kept.inbox.id).await?;
            }
            _ if self.ops.len() >= MOST => due = Some(std::mem::take(&mut self.ops)),
            _ => {}
        }
        let is_of_inbox = !matches!(record, Some(Record::Position(_)) | None);
        if !(is_of_inbox && self.is_known) {
            self.added += counts;
            self.ops.extend(record.map(|record| Op::Restore(with_position_gap(record))));
        }
        Ok(due)
    }

    /// The keys that URLs of what comes are sealed with.
    #[must_use]
    pub fn keys(&self) -> &[(KeyId, [u8; 32])] {
        &self.keys
    }

    /// To be called after the last line: the last operations, what was in the file, and what of it is new here.
    ///
    /// # Errors
    /// [`ArchiveError::Cut`].
    pub fn finish(&mut self) -> Result<(Vec<Op>, Counts, Counts), ArchiveError> {
        let all = self.reader.finish()?;
        Ok((std::mem::take(&mut self.ops), all, self.added))
    }
}
