//! Bytes that wait.

/// Bytes that are added at the end and taken from the front. It holds no memory while it is empty.
#[derive(Default)]
pub(super) struct Backlog {
    bytes: Vec<u8>,
    taken: usize,
}

impl Backlog {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns the bytes that were not taken.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.taken..]
    }

    #[cfg(test)]
    pub(super) const fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    pub(super) fn add(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Adds up to `room` bytes, which `write` writes into the slice; it returns their number.
    pub(super) fn add_with<E>(
        &mut self,
        room: usize,
        write: impl FnOnce(&mut [u8]) -> Result<usize, E>,
    ) -> Result<(), E> {
        let begin = self.bytes.len();
        self.bytes.resize(begin + room, 0);
        let written = write(&mut self.bytes[begin..]);
        self.bytes.truncate(begin + written.as_ref().map_or(0, |written| *written));
        written.map(drop)
    }

    /// Removes bytes from the front.
    pub(super) fn take(&mut self, count: usize) {
        self.taken += count;
        if self.taken >= self.bytes.len() {
            *self = Self::default();
        }
    }
}
