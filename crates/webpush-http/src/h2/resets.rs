//! Which pushes the peer of an HTTP/2 connection has reset (RST_STREAM, RFC 9113 §6.4), also after they were sent whole:
//! `h2` takes those resets for meaningless and does not tell. For a message that nobody acknowledges, a reset is the only
//! way to say that it was not taken.
//!
//! So the frames that come in are looked at on their way to `h2`: of each only type and stream.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Length of what a client begins with (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// Length of a frame's head: length 3, type 1, flags 1, stream 4 (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
const RST_STREAM: u8 = 3;

/// Shared by a connection, its socket and its monitors.
#[derive(Default)]
pub struct Resets {
    /// The pushes that are watched, and whether each was reset. No more than its monitors have under way.
    watched: Mutex<BTreeMap<u32, bool>>,
}

/// A push that is watched until this is dropped.
pub struct Watch<'a> {
    resets: &'a Resets,
    stream: u32,
}

impl Resets {
    /// Begins to watch a promised stream.
    pub fn watch(&self, stream: u32) -> Watch<'_> {
        self.watched().insert(stream, false);
        Watch { resets: self, stream }
    }

    fn note(&self, stream: u32) {
        if let Some(was_reset) = self.watched().get_mut(&stream) {
            *was_reset = true;
        }
    }

    /// Nothing that may panic runs under the lock.
    fn watched(&self) -> MutexGuard<'_, BTreeMap<u32, bool>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch<'_> {
    /// Whether a reset has come by now.
    #[must_use]
    pub fn was_reset(&self) -> bool {
        self.resets.watched().get(&self.stream).copied().unwrap_or_default()
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.resets.watched().remove(&self.stream);
    }
}

/// Follows the frames of a connection through the bytes as they come.
pub struct Frames {
    /// Bytes to pass over: the preface, or the payload of a frame.
    skip: usize,
    head: [u8; HEAD_BYTES],
    /// How much of the head has come.
    filled: usize,
}

impl Default for Frames {
    fn default() -> Self {
        Self { skip: PREFACE_BYTES, head: [0; HEAD_BYTES], filled: 0 }
    }
}

impl Frames {
    /// Looks at the next bytes.
    pub fn follow(&mut self, mut bytes: &[u8], resets: &Resets) {
        while !bytes.is_empty() {
            if self.skip > 0 {
                let passed = self.skip.min(bytes.len());
                self.skip -= passed;
                bytes = &bytes[passed..];
                continue;
            }
            let (part, rest) = bytes.split_at((HEAD_BYTES - self.filled).min(bytes.len()));
            self.head[self.filled..self.filled + part.len()].copy_from_slice(part);
            self.filled += part.len();
            bytes = rest;
            if self.filled == HEAD_BYTES {
                self.frame(resets);
            }
        }
    }

    fn frame(&mut self, resets: &Resets) {
        let [l0, l1, l2, kind, _, s0, s1, s2, s3] = self.head;
        if kind == RST_STREAM {
            // The first bit means nothing.
            resets.note(u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]));
        }
        self.filled = 0;
        self.skip = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, 0];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    /// A client's bytes: the payload of the second frame looks like a reset of stream 6.
    fn bytes() -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        bytes.extend(frame(4, 0, &[]));
        bytes.extend(frame(0, 1, &frame(RST_STREAM, 6, &[0; 4])));
        bytes.extend(frame(RST_STREAM, 2, &[0, 0, 0, 8]));
        bytes.extend(frame(RST_STREAM, 0x8000_0004, &[0, 0, 0, 8]));
        bytes.extend(frame(6, 0, &[0; 8]));
        bytes
    }

    #[test]
    fn d1_ack_b_resets_are_found_however_the_bytes_come() {
        for size in 1..40 {
            let resets = Resets::default();
            let watches = [2, 4, 6, 8].map(|stream| resets.watch(stream));
            let mut frames = Frames::default();
            bytes().chunks(size).for_each(|part| frames.follow(part, &resets));
            assert_eq!(watches.each_ref().map(Watch::was_reset), [true, true, false, false], "{size}");
            drop(watches);
            assert!(resets.watched().is_empty(), "nothing is kept");
        }
    }
}
