//! Reads a segment of the log, past damage.
//!
//! A segment normally ends with a frame that is incomplete, or with bytes of an older segment. A whole frame behind such a
//! place is a sign of damage, but no proof: the system may write unsynced frames in any order before a power cut. It is
//! proof if the frames before it were synced. Then reading resumes there, and only the frames in between are lost.

use super::frame::{self, Frame, FrameHead};

pub(super) const SALT_BYTES: usize = 8;

/// How much is hashed in the search for the next frame, as a multiple of the length of the segment.
///
/// Bodies can look like the heads of frames, so that each of them must be hashed.
const SEARCH_EFFORT: usize = 16;

/// The frames of a segment that count.
#[derive(Default)]
pub(super) struct SegmentFrames<'a> {
    pub(super) frames: Vec<Frame<'a>>,
    /// True if frames behind damage were found and used.
    pub(super) is_damaged: bool,
}

/// Numbers that are known of the frames of a segment.
#[derive(Clone, Copy)]
pub(super) struct ExpectedFrames {
    /// The number of the first frame.
    pub(super) first: u64,
    /// Frames up to this number were synced.
    pub(super) synced: u64,
}

/// Reads the frames of a segment. `content` is the whole file.
pub(super) fn read(content: &[u8], expected: ExpectedFrames) -> SegmentFrames<'_> {
    let Some((salt, content)) = content.split_first_chunk() else { return SegmentFrames::default() };
    let written = u64::from_le_bytes(*salt);
    let salt = find_salt(content, written, expected.first);
    let mut reader = Reader { content, salt, at: 0, effort: content.len().saturating_mul(SEARCH_EFFORT) };
    let mut frames: Vec<Frame<'_>> = Vec::new();
    let mut number = expected.first;
    while let Some(frame) = reader.next(number) {
        number = frame.number + 1;
        frames.push(frame);
    }
    let trusted = trusted(&frames, expected);
    frames.truncate(trusted);
    let mut number = expected.first..;
    let is_damaged = salt != written || frames.iter().any(|frame| number.next() != Some(frame.number));
    SegmentFrames { frames, is_damaged }
}

/// Returns the number of frames up to the last gap that is not proved to be damage.
fn trusted(frames: &[Frame<'_>], ExpectedFrames { first, synced }: ExpectedFrames) -> usize {
    // The last frame before which everything was synced.
    let proof = frames.iter().rposition(|frame| frame.follows_sync);
    let mut number = first;
    for (index, frame) in frames.iter().enumerate() {
        let is_lost = number <= synced || proof.is_some_and(|proof| index <= proof);
        if frame.number != number && !is_lost {
            return index;
        }
        number = frame.number + 1;
    }
    frames.len()
}

/// Returns the salt with which the first frame is intact.
///
/// It is the one that was read, or one that differs by a bit.
fn find_salt(content: &[u8], read: u64, first: u64) -> u64 {
    let Some(head) = frame::head(content).filter(|head| head.number == first) else { return read };
    let fits = |salt: &u64| frame::decode(content, head, *salt).is_some();
    let flipped = (0..u64::BITS).map(|bit| read ^ (1 << bit));
    std::iter::once(read).chain(flipped).find(fits).unwrap_or(read)
}

struct Reader<'a> {
    content: &'a [u8],
    salt: u64,
    at: usize,
    /// Bytes that may still be hashed in searches.
    effort: usize,
}

impl<'a> Reader<'a> {
    /// Returns the frame with this number, or the next whole one behind damage.
    fn next(&mut self, number: u64) -> Option<Frame<'a>> {
        let (mut at, mut rest) = (self.at, self.content.get(self.at..)?);
        if let Some(frame) = frame::take(&mut rest, self.salt, number) {
            self.at = self.content.len() - rest.len();
            return Some(frame);
        }
        loop {
            let rest = self.content.get(at..).filter(|rest| rest.len() >= frame::HEAD_BYTES)?;
            if let Some(head) = self.plausible_head(rest, number) {
                self.effort = self.effort.checked_sub(head.bytes)?;
                if let Some(frame) = frame::decode(rest, head, self.salt) {
                    self.at = at + head.bytes;
                    return Some(frame);
                }
            }
            at += 1;
        }
    }

    /// Returns the head at the start of bytes if its number can be one of the next.
    fn plausible_head(&self, rest: &[u8], number: u64) -> Option<FrameHead> {
        let most = (self.content.len() / frame::HEAD_BYTES) as u64;
        frame::head(rest).filter(|head| head.number > number && head.number - number <= most)
    }
}
