//! Imports an archive into a running server, inbox by inbox. Existing inboxes are left unchanged.

use super::line::{Counts, Line};
use super::read::{ArchiveError, ArchiveReader};
use super::with_position_gap;
use webpush_core::capability::KeyId;
use webpush_core::id::InboxId;
use webpush_store::{Op, Record};

/// Operations after which a commit ends with the current inbox.
const BATCH: usize = 500;
/// Operations after which a commit ends even within an inbox.
const MAX_BATCH: usize = 10 * BATCH;
/// Highest position of an archive, far below the highest that can be restored.
///
/// Positions of this server continue after those of the archive, and its backups must be restored later.
const MAX_IMPORTED_POSITION: u64 = 1 << 60;

/// An import in progress.
///
/// Pass each line to [`add_line`](Self::add_line). When it returns operations, add the [`keys`](Self::keys) to the
/// keyring and commit the operations. After the last line, do the same with those of [`finish`](Self::finish).
#[derive(Default)]
pub struct Import {
    reader: ArchiveReader,
    keys: Vec<(KeyId, [u8; 32])>,
    ops: Vec<Op>,
    /// True if the server had the current inbox before.
    inbox_exists: bool,
    added: Counts,
}

impl Import {
    /// Adds the next line, and returns operations that are due. `exists` looks up an inbox of the server.
    ///
    /// # Errors
    /// [`ArchiveError`], and the errors of `exists`.
    pub async fn add_line<E: From<ArchiveError>, F: Future<Output = Result<bool, E>>>(
        &mut self,
        text: &[u8],
        exists: impl FnOnce(InboxId) -> F,
    ) -> Result<Option<Vec<Op>>, E> {
        let line = self.reader.read_line(text)?;
        let counts = Counts::for_line(&line);
        if let Line::Key { id, secret } = &line {
            self.keys.push((KeyId(*id), secret.0));
        }
        let record = line.record().map_err(|reason| self.reader.invalid_line(reason))?;
        let position = match &record {
            Some(Record::Position(position)) => Some(*position),
            Some(Record::Entry(entry)) => Some(entry.position()),
            Some(Record::Inbox(_) | Record::Subscription(_)) | None => None,
        };
        if position.is_some_and(|position| position.get() > MAX_IMPORTED_POSITION) {
            return Err(self.reader.invalid_line("the position is too high").into());
        }
        let mut due = None;
        match &record {
            Some(Record::Inbox(record)) => {
                if self.ops.len() >= BATCH {
                    due = Some(std::mem::take(&mut self.ops));
                }
                self.inbox_exists = exists(record.inbox.id).await?;
            }
            _ if self.ops.len() >= MAX_BATCH => due = Some(std::mem::take(&mut self.ops)),
            _ => {}
        }
        let belongs_to_inbox = !matches!(record, Some(Record::Position(_)) | None);
        if !(belongs_to_inbox && self.inbox_exists) {
            self.added += counts;
            self.ops.extend(record.map(|record| Op::Restore(with_position_gap(record))));
        }
        Ok(due)
    }

    /// Returns the sealing keys read so far.
    #[must_use]
    pub fn keys(&self) -> &[(KeyId, [u8; 32])] {
        &self.keys
    }

    /// Ends the import. Returns the last operations, the counts of the archive, and those of added records.
    ///
    /// # Errors
    /// [`ArchiveError::Truncated`].
    pub fn finish(&mut self) -> Result<(Vec<Op>, Counts, Counts), ArchiveError> {
        let all = self.reader.finish()?;
        Ok((std::mem::take(&mut self.ops), all, self.added))
    }
}
