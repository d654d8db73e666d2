//! Reads frames on their way to `h2`, for two facts that `h2` does not report.
//!
//! These are the pushes that the peer has reset, and whether it accepts pushes at all. Only frame heads and the payload of
//! SETTINGS are read. Malformed frames are left for `h2` to refuse.

use crate::h2::resets::Resets;
use std::sync::atomic::{AtomicBool, Ordering};

/// Length of a client's connection preface (RFC 9113 §3.4).
const PREFACE_BYTES: usize = 24;
/// Length of a frame's head: length 3, type 1, flags 1, stream 4 (RFC 9113 §4.1).
const HEAD_BYTES: usize = 9;
/// Length of one setting: identifier 2, value 4 (RFC 9113 §6.5.1).
const SETTING_BYTES: usize = 6;

const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const ENABLE_PUSH: u16 = 2;

/// Facts from the frames of a peer. Shared by a connection, its socket and its sessions.
#[derive(Default)]
pub struct Inbound {
    /// The pushes that the peer has reset.
    pub resets: Resets,
    push_disabled: AtomicBool,
}

impl Inbound {
    /// Returns true unless the peer has disabled server push (SETTINGS_ENABLE_PUSH, RFC 9113 §6.5.2).
    #[must_use]
    pub fn accepts_pushes(&self) -> bool {
        !self.push_disabled.load(Ordering::Acquire)
    }
}

/// Parses the frames of a connection from reads of any size.
pub struct FrameReader {
    /// Payload bytes that are still to come; at first, bytes of the preface.
    payload: usize,
    in_settings: bool,
    /// The head or setting so far.
    part: [u8; HEAD_BYTES],
    filled: u8,
}

impl Default for FrameReader {
    fn default() -> Self {
        Self { payload: PREFACE_BYTES, in_settings: false, part: [0; HEAD_BYTES], filled: 0 }
    }
}

impl FrameReader {
    /// Reads the next bytes.
    pub fn read(&mut self, mut bytes: &[u8], inbound: &Inbound) {
        while !bytes.is_empty() {
            if self.payload == 0 {
                if let Some(head) = self.collect(&mut bytes) {
                    self.begin(head, inbound);
                }
                continue;
            }
            let (mut payload, rest) = bytes.split_at(self.payload.min(bytes.len()));
            self.payload -= payload.len();
            bytes = rest;
            while self.in_settings && !payload.is_empty() {
                if let Some(setting) = self.collect(&mut payload) {
                    apply(setting, inbound);
                }
            }
            if self.payload == 0 {
                (self.in_settings, self.filled) = (false, 0);
            }
        }
    }

    /// Takes bytes until there are `N`.
    fn collect<const N: usize>(&mut self, bytes: &mut &[u8]) -> Option<[u8; N]> {
        let filled = usize::from(self.filled);
        let (part, rest) = bytes.split_at(N.saturating_sub(filled).min(bytes.len()));
        self.part[filled..filled + part.len()].copy_from_slice(part);
        *bytes = rest;
        if filled + part.len() < N {
            self.filled += part.len() as u8;
            return None;
        }
        self.filled = 0;
        self.part.first_chunk().copied()
    }

    fn begin(&mut self, head: [u8; HEAD_BYTES], inbound: &Inbound) {
        let [l0, l1, l2, kind, _, s0, s1, s2, s3] = head;
        self.payload = usize::from(l0) << 16 | usize::from(l1) << 8 | usize::from(l2);
        self.in_settings = kind == SETTINGS && self.payload > 0;
        if kind == RST_STREAM {
            // The first bit is reserved.
            inbound.resets.record(u32::from_be_bytes([s0 & 0x7f, s1, s2, s3]));
        }
    }
}

fn apply(setting: [u8; SETTING_BYTES], inbound: &Inbound) {
    let [i0, i1, value @ ..] = setting;
    if u16::from_be_bytes([i0, i1]) == ENABLE_PUSH {
        inbound.push_disabled.store(u32::from_be_bytes(value) == 0, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::h2::resets::Watch;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// A frame of a client.
    #[derive(Clone, Debug)]
    enum ClientFrame {
        Settings(Vec<(u16, u32)>),
        Reset(u32),
        Other(u8, Vec<u8>),
    }

    fn sent() -> impl Strategy<Value = ClientFrame> {
        prop_oneof![
            vec((1..5_u16, 0..2_u32), 0..4).prop_map(ClientFrame::Settings),
            (0..5_u32).prop_map(|half| ClientFrame::Reset(2 * half)),
            // Payloads that look like heads and settings.
            (5..10_u8, vec(0..5_u8, 0..40)).prop_map(|(kind, payload)| ClientFrame::Other(kind, payload)),
        ]
    }

    fn frame(kind: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, 0];
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        frame
    }

    fn bytes(frames: &[ClientFrame]) -> Vec<u8> {
        let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
        for sent in frames {
            bytes.extend(match sent {
                ClientFrame::Settings(settings) => {
                    let payload: Vec<u8> = settings
                        .iter()
                        .flat_map(|(id, value)| [&id.to_be_bytes()[..], &value.to_be_bytes()].concat())
                        .collect();
                    frame(SETTINGS, 0, &payload)
                }
                ClientFrame::Reset(stream) => frame(RST_STREAM, stream | 1 << 31, &[0, 0, 0, 8]),
                ClientFrame::Other(kind, payload) => frame(*kind, 1, payload),
            });
        }
        bytes
    }

    proptest! {
        #[test]
        fn d1_ack_b_resets_are_found_however_the_bytes_come(
            frames in vec(sent(), 0..8),
            cuts in vec(1..40_usize, 1..20),
        ) {
            let inbound = Inbound::default();
            let streams = [0, 2, 4, 6, 8];
            let watches = streams.map(|stream| inbound.resets.watch(stream));
            let mut reader = FrameReader::default();
            let (bytes, mut cuts) = (bytes(&frames), cuts.into_iter().cycle());
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let (part, later) = rest.split_at(cuts.next().unwrap().min(rest.len()));
                reader.read(part, &inbound);
                rest = later;
            }
            let was_reset = |stream| frames.iter().any(|sent| matches!(sent, ClientFrame::Reset(id) if *id == stream));
            prop_assert_eq!(watches.each_ref().map(Watch::was_reset), streams.map(was_reset));
            let settings = frames.iter().filter_map(|sent| match sent {
                ClientFrame::Settings(settings) => Some(settings),
                ClientFrame::Reset(_) | ClientFrame::Other(..) => None,
            });
            let last = settings.flatten().rfind(|(id, _)| *id == ENABLE_PUSH);
            prop_assert_eq!(inbound.accepts_pushes(), last.is_none_or(|(_, value)| *value == 1));
        }
    }
}
