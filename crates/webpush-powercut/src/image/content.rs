//! The content of a file: durable, and with the changes since the last sync.

use super::sparse::Sparse;
use webpush_store::simulation::Random;

/// Length in bytes of what a disk writes whole.
const SECTOR: u64 = 512;

/// The content of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    current: Sparse,
    durable: Sparse,
    /// Changes that are not durable, oldest first.
    unsynced: Vec<Change>,
    /// Bytes that were reserved.
    reserved: u64,
}

#[derive(Clone, Debug)]
enum Change {
    Data { offset: u64, bytes: Vec<u8> },
    Length(u64),
}

/// How many of the unsynced changes of a file survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DataLoss {
    /// None of them.
    All,
    /// All of them.
    Nothing,
    /// The oldest ones, and some sectors of the next.
    Tail,
    /// Some sectors of any, as a disk that reorders writes leaves them.
    Scattered,
}

impl Content {
    pub(super) const fn length(&self) -> u64 {
        self.current.length()
    }

    pub(super) fn allocated(&self) -> u64 {
        self.current.allocated().max(self.reserved)
    }

    /// Bytes that a write would allocate.
    pub(super) fn growth(&self, offset: u64, length: u64) -> u64 {
        let pages = self.current.allocated() + self.current.growth(offset, length);
        pages.saturating_sub(self.allocated())
    }

    pub(super) fn read(&self, offset: u64, length: usize) -> Vec<u8> {
        self.current.read(offset, length)
    }

    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) {
        self.current.write(offset, bytes);
        self.unsynced.push(Change::Data { offset, bytes: bytes.to_vec() });
    }

    pub(super) fn set_length(&mut self, length: u64) {
        self.current.set_length(length);
        self.reserved = self.reserved.min(length);
        self.unsynced.push(Change::Length(length));
    }

    pub(super) fn allocate(&mut self, end: u64, keep_length: bool) {
        self.reserved = self.reserved.max(end);
        if !keep_length && end > self.current.length() {
            self.current.set_length(end);
            self.unsynced.push(Change::Length(end));
        }
    }

    pub(super) fn sync(&mut self) {
        for change in self.unsynced.drain(..) {
            change.apply(&mut self.durable);
        }
    }

    /// Loses some of the unsynced changes for good; the file shows them until the next cut.
    ///
    /// This is what Linux does after a write to the disk failed: its pages count as clean, and no later sync writes
    /// them. With `evict` they are dropped from memory as well, so that readers see the old content.
    pub(super) fn fail_sync(&mut self, evict: bool, random: &mut Random) {
        self.lose(DataLoss::Scattered, false, random);
        if evict {
            self.current = self.durable.clone();
        }
    }

    /// Returns the content after a power cut, all of it durable.
    ///
    /// With `ordered` a lost truncation takes later changes with it.
    pub(super) fn cut(&self, loss: DataLoss, ordered: bool, random: &mut Random) -> Self {
        let mut cut = self.clone();
        cut.lose(loss, ordered, random);
        cut.current = cut.durable.clone();
        cut
    }

    /// Changes a bit of the stored content.
    pub(super) fn flip(&mut self, offset: u64, bit: u32) {
        for content in [&mut self.current, &mut self.durable] {
            if let [byte] = content.read(offset, 1)[..] {
                content.write(offset, &[byte ^ (1 << (bit % 8))]);
            }
        }
    }

    fn lose(&mut self, loss: DataLoss, ordered: bool, random: &mut Random) {
        let changes = std::mem::take(&mut self.unsynced);
        match loss {
            DataLoss::All => {}
            DataLoss::Nothing => changes.into_iter().for_each(|change| change.apply(&mut self.durable)),
            DataLoss::Tail => {
                let kept = random.index(changes.len() + 1);
                for (number, change) in changes.into_iter().take(kept + 1).enumerate() {
                    if number < kept {
                        change.apply(&mut self.durable);
                    } else if let Change::Data { offset, bytes } = change {
                        tear(&mut self.durable, offset, &bytes, random);
                    }
                }
            }
            DataLoss::Scattered => {
                for change in changes {
                    match change {
                        Change::Length(length) if random.one_in(2) => {
                            if ordered && length < self.durable.length() {
                                return;
                            }
                        }
                        Change::Data { offset, bytes } => match random.below(3) {
                            0 => tear(&mut self.durable, offset, &bytes, random),
                            1 => Change::Data { offset, bytes }.apply(&mut self.durable),
                            // The length is metadata, which may survive without the data: zeros.
                            _ if random.one_in(2) => {
                                let end = offset + bytes.len() as u64;
                                self.durable.set_length(self.durable.length().max(end));
                            }
                            _ => {}
                        },
                        change @ Change::Length(_) => change.apply(&mut self.durable),
                    }
                }
            }
        }
    }
}

impl Change {
    fn apply(self, content: &mut Sparse) {
        match self {
            Self::Data { offset, bytes } => content.write(offset, &bytes),
            Self::Length(length) => content.set_length(length),
        }
    }
}

/// Writes some of the sectors: a beginning of them, or any.
fn tear(content: &mut Sparse, offset: u64, bytes: &[u8], random: &mut Random) {
    let mut sectors = Vec::new();
    let mut begin = 0;
    while begin < bytes.len() {
        let to_end = SECTOR - (offset + begin as u64) % SECTOR;
        let end = bytes.len().min(begin + usize::try_from(to_end).unwrap_or(usize::MAX));
        sectors.push(begin..end);
        begin = end;
    }
    let first_lost = random.index(sectors.len() + 1);
    let is_reordered = random.one_in(2);
    for (number, sector) in sectors.into_iter().enumerate() {
        let is_kept = if is_reordered { random.one_in(2) } else { number < first_lost };
        if is_kept {
            content.write(offset + sector.start as u64, &bytes[sector]);
        }
    }
}
