//! Writes an archive in pieces, in bounded memory.

use super::FORMAT;
use super::line::{ArchiveKind, Begin, Counts, Line};
use super::values::FixedBytes;
use aws_lc_rs::digest::{Context, SHA256};
use bytes::Bytes;
use webpush_core::capability::KeyId;
use webpush_core::protocol::autopush::Versions;
use webpush_service::system;
use webpush_store::{Record, Snapshot, StoreError};

/// Size after which a piece ends. In a backup, each piece ends with a checksum.
const PIECE_BYTES: usize = 256 * 1024;

/// An iterator over the pieces of an archive.
pub struct ArchiveWriter {
    kind: ArchiveKind,
    /// Lines before the records.
    head: Vec<Line>,
    snapshot: Snapshot,
    digest: Context,
    counts: Counts,
    has_ended: bool,
}

impl ArchiveWriter {
    /// Creates an archive of a snapshot, with the keys of its URLs.
    #[must_use]
    pub fn new(
        kind: ArchiveKind,
        origin: &str,
        keys: &[(KeyId, [u8; 32])],
        broadcasts: Versions,
        snapshot: Snapshot,
    ) -> Self {
        let begin = Begin {
            format: FORMAT,
            kind,
            program: format!("webpush-server {}", env!("CARGO_PKG_VERSION")),
            origin: origin.to_owned(),
            taken: system::env().now().as_millis(),
        };
        let keys = keys.iter().map(|(id, secret)| Line::Key { id: id.0, secret: FixedBytes(*secret) });
        let broadcasts = broadcasts.into_iter().map(|(name, version)| Line::Broadcast { name, version });
        let head = [Line::Begin(begin)].into_iter().chain(keys).chain(broadcasts).collect();
        let (digest, counts) = (Context::new(&SHA256), Counts::default());
        Self { kind, head, snapshot, digest, counts, has_ended: false }
    }

    fn piece(&mut self) -> Result<Bytes, StoreError> {
        let mut piece = Vec::with_capacity(PIECE_BYTES + PIECE_BYTES / 8);
        for line in std::mem::take(&mut self.head) {
            push(&mut piece, &line);
        }
        while piece.len() < PIECE_BYTES {
            let Some(record) = self.snapshot.next() else {
                self.has_ended = true;
                break;
            };
            let record: Record = record?;
            let line = Line::from(&record);
            self.counts += Counts::for_line(&line);
            push(&mut piece, &line);
        }
        if self.has_ended {
            push(&mut piece, &Line::End(self.counts));
        }
        if self.kind == ArchiveKind::Backup {
            self.digest.update(&piece);
            let digest = self.digest.clone().finish();
            let checksum = digest.as_ref().try_into().map(FixedBytes).unwrap_or(FixedBytes([0; 32]));
            let begin = piece.len();
            push(&mut piece, &Line::Check(checksum));
            self.digest.update(&piece[begin..]);
        }
        Ok(Bytes::from(piece))
    }
}

impl Iterator for ArchiveWriter {
    type Item = Result<Bytes, StoreError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.has_ended {
            return None;
        }
        let piece = self.piece();
        self.has_ended |= piece.is_err();
        Some(piece)
    }
}

fn push(piece: &mut Vec<u8>, line: &Line) {
    // Lines always serialize. If one did not, the counts of the end would reveal that it is missing.
    if serde_json::to_writer(&mut *piece, line).is_ok() {
        piece.push(b'\n');
    }
}
