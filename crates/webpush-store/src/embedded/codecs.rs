//! The encoding of a message, for `cargo xtask budget`, which counts its cost.

use super::entry_row::{message_value, read_entry};
use super::frame;
use super::key::Key;
use super::memtable::Tables;
use super::rows::{Table, deadline_key, entry_key, message_id_value};
use webpush_core::inbox::Entry;
use webpush_core::message::{Draft, Message};

const SALT: u64 = 6;
const NUMBER: u64 = 7;

/// The codecs of one message.
#[doc(hidden)]
pub struct Codecs {
    message: Message,
    tables: Tables,
    written: Vec<u8>,
}

impl Codecs {
    /// Rows of a frame: the entry and its deadline.
    pub const ROWS: usize = 2;

    /// A message with a position.
    #[must_use]
    pub fn new(message: Message) -> Self {
        let Message { position, draft: Draft { id, agent, expires, .. } } = message;
        let deadline = deadline_key(expires, agent, position);
        let mut tables = Tables::default();
        let entry = Some(message_value(&message));
        tables[Table::Entries as usize].insert(Key::from(entry_key(agent, position)), entry);
        tables[Table::Deadlines as usize].insert(Key::from(deadline), Some(message_id_value(&deadline, id)));
        Self { message, tables, written: Vec::new() }
    }

    /// Encodes and decodes its row.
    #[must_use]
    pub fn entry(&self) -> Option<Entry> {
        read_entry(self.message.agent, self.message.position, &message_value(&self.message))
    }

    /// Encodes and decodes its frame, and returns the number of rows in it.
    #[must_use]
    pub fn frame(&mut self) -> Option<usize> {
        frame::encode(&mut self.written, SALT, (NUMBER, self.message.position), true, &self.tables);
        frame::take(&mut &self.written[..], SALT, NUMBER).map(|frame| frame.rows.len())
    }
}
