//! The content of a simulated file: as it is read, and as it is on disk.

use super::random::Random;

/// The unit that a disk writes atomically.
const SECTOR_BYTES: usize = 512;

/// A change of a file since its last sync.
#[derive(Clone, Debug)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Truncate,
}

/// The bytes of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct FileBytes {
    visible: Vec<u8>,
    durable: Vec<u8>,
    unsynced: Vec<Change>,
}

impl FileBytes {
    pub(super) fn visible(&self) -> &[u8] {
        &self.visible
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        put(&mut self.visible, offset, bytes);
        self.unsynced.push(Change::Write { offset, bytes: bytes.to_owned() });
    }

    pub(super) fn truncate(&mut self) {
        self.visible.clear();
        self.unsynced.push(Change::Truncate);
    }

    /// Makes everything durable.
    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            match change {
                Change::Write { offset, bytes } => put(&mut self.durable, offset, &bytes),
                Change::Truncate => self.durable.clear(),
            }
        }
    }

    /// Fails to make everything durable.
    ///
    /// A part is durable. The rest never will be, but can still be read, like on systems that mark pages as written when a
    /// sync fails.
    pub(super) fn fail_to_sync(&mut self, random: &mut Random) {
        for change in std::mem::take(&mut self.unsynced) {
            self.write_some(change, random);
        }
    }

    /// Cuts the power, which loses or tears some of the changes since the last sync.
    pub(super) fn cut(&mut self, random: &mut Random) {
        self.fail_to_sync(random);
        self.visible.clone_from(&self.durable);
    }

    fn write_some(&mut self, change: Change, random: &mut Random) {
        let Change::Write { offset, bytes } = change else {
            if random.one_in(2) {
                self.durable.clear();
            }
            return;
        };
        match random.below(4) {
            0 => {}
            1 => put(&mut self.durable, offset, &bytes[..random.index(bytes.len())]),
            2 => put(&mut self.durable, offset, &bytes),
            _ => {
                for (number, sector) in bytes.chunks(SECTOR_BYTES).enumerate() {
                    if random.one_in(2) {
                        put(&mut self.durable, offset + number * SECTOR_BYTES, sector);
                    }
                }
            }
        }
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}
