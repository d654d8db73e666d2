//! The frames of MCS.
//!
//! The connection begins with a version byte. Each frame has a tag, a length and protobuf.

use super::protobuf::{push_varint, varint};
use std::error::Error;
use std::fmt;

/// The version of MCS that both sides send first.
pub(super) const VERSION: u8 = 41;

/// Maximum length of the protobuf in a frame of an agent.
///
/// A login lists the messages that the agent has received and the service has not confirmed: here are about 800.
pub const MCS_FRAME_BYTES: usize = 64 * 1024;

/// A frame of an agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct McsFrame<'a> {
    /// The type of the message.
    pub tag: u8,
    /// The message, in protobuf.
    pub body: &'a [u8],
}

/// A reason to stop reading. The agent is at fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum McsViolation {
    /// The agent speaks another version, or another protocol.
    Version,
    /// A length is not a varint, or exceeds [`MCS_FRAME_BYTES`].
    TooLarge,
}

impl fmt::Display for McsViolation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Version => "the connection does not begin with version 41 of MCS",
            Self::TooLarge => "a frame is longer than 64 KiB",
        })
    }
}

impl Error for McsViolation {}

/// The reading side of an MCS connection.
///
/// # Calling protocol
///
/// Pass bytes to [`feed`](Self::feed) as they arrive, then call [`next`](Self::next) until it returns `None`, so that at
/// most one incomplete frame is buffered. Stop after an error.
///
/// ```
/// use webpush_core::protocol::chromium::{McsFrame, McsReader};
///
/// let mut reader = McsReader::default();
/// reader.feed(&[41, 0, 0, 1]);
/// assert_eq!(reader.next(), Ok(Some(McsFrame { tag: 0, body: &[] })));
/// assert_eq!(reader.next(), Ok(None));
/// ```
#[derive(Debug, Default)]
pub struct McsReader {
    buffer: Vec<u8>,
    /// Length of the part of the buffer that was returned already.
    consumed: usize,
    has_version: bool,
}

impl McsReader {
    /// Buffers bytes from the socket.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.discard_consumed();
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns the next frame; `None` if it is incomplete.
    ///
    /// # Errors
    /// [`McsViolation`]. The reader must not be used after that.
    #[allow(clippy::should_implement_trait, reason = "the frame borrows from the reader")]
    pub fn next(&mut self) -> Result<Option<McsFrame<'_>>, McsViolation> {
        if !self.has_version {
            match self.buffer.first() {
                None => return Ok(None),
                Some(&VERSION) => (self.has_version, self.consumed) = (true, 1),
                Some(_) => return Err(McsViolation::Version),
            }
        }
        let Some((tag, body)) = self.next_frame()? else {
            self.discard_consumed();
            return Ok(None);
        };
        self.consumed = body.end;
        Ok(Some(McsFrame { tag, body: &self.buffer[body] }))
    }

    /// Returns the tag and the place of the next complete frame.
    fn next_frame(&self) -> Result<Option<(u8, std::ops::Range<usize>)>, McsViolation> {
        let Some((tag, rest)) = self.buffer[self.consumed..].split_first() else { return Ok(None) };
        let Some((length, rest)) = varint(rest).ok_or(McsViolation::TooLarge)? else { return Ok(None) };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if length > MCS_FRAME_BYTES {
            return Err(McsViolation::TooLarge);
        }
        let start = self.buffer.len() - rest.len();
        Ok((length <= rest.len()).then_some((*tag, start..start + length)))
    }

    /// Frees the buffer once everything in it was returned.
    fn discard_consumed(&mut self) {
        if self.consumed == self.buffer.len() {
            self.buffer = Vec::new();
        } else {
            self.buffer.drain(..self.consumed);
        }
        self.consumed = 0;
    }
}

/// Formats a frame.
pub(super) fn frame(tag: u8, body: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(body.len() + 6);
    frame.push(tag);
    push_varint(&mut frame, body.len() as u64);
    frame.extend_from_slice(body);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Returns all frames, read in chunks of this size.
    fn read(bytes: &[u8], at_once: usize) -> Result<Vec<(u8, Vec<u8>)>, McsViolation> {
        let (mut reader, mut frames) = (McsReader::default(), Vec::new());
        for chunk in bytes.chunks(at_once) {
            reader.feed(chunk);
            while let Some(McsFrame { tag, body }) = reader.next()? {
                frames.push((tag, body.to_vec()));
            }
        }
        Ok(frames)
    }

    #[test]
    fn other_protocols_and_long_frames_are_refused() {
        assert_eq!(read(b"GET / HTTP/1.1\r\n", 99), Err(McsViolation::Version));
        assert_eq!(read(&[40, 2, 0], 99), Err(McsViolation::Version));
        let limit = u64::try_from(MCS_FRAME_BYTES).unwrap();
        let mut start = vec![VERSION, 2];
        push_varint(&mut start, limit);
        assert_eq!(read(&start, 99), Ok(vec![]), "the rest may follow");
        let mut long = vec![VERSION, 2];
        push_varint(&mut long, limit + 1);
        assert_eq!(read(&long, 99), Err(McsViolation::TooLarge), "before it has arrived");
        assert_eq!(read(&[&[VERSION, 2][..], &[0xff; 10]].concat(), 1), Err(McsViolation::TooLarge));
    }

    #[test]
    fn an_idle_reader_has_no_buffer() {
        let mut reader = McsReader::default();
        reader.feed(&[VERSION, 0, 0]);
        while reader.next().unwrap().is_some() {}
        assert_eq!(reader.buffer.capacity(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, at_once in 1_usize..40) {
            let bytes = [&[VERSION][..], &bytes].concat();
            prop_assert_eq!(read(&bytes, at_once), read(&bytes, bytes.len()));
        }

        #[test]
        fn frames_are_read_as_they_were_written(
            frames in proptest::collection::vec((0_u8..16, proptest::collection::vec(any::<u8>(), 0..300)), 0..6),
            at_once in 1_usize..700,
        ) {
            let mut bytes = vec![VERSION];
            frames.iter().for_each(|(tag, body)| bytes.extend(frame(*tag, body)));
            prop_assert_eq!(read(&bytes, at_once), Ok(frames));
        }
    }
}
