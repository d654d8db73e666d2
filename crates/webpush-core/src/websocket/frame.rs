//! Frame headers (RFC 6455 §5.2).

use super::violation::Violation;

/// The kind of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation = 0,
    Text = 1,
    Binary = 2,
    Close = 8,
    Ping = 9,
    Pong = 10,
}

impl Opcode {
    const ALL: [Self; 6] =
        [Self::Continuation, Self::Text, Self::Binary, Self::Close, Self::Ping, Self::Pong];

    pub(super) const fn is_control(self) -> bool {
        self as u8 >= 8
    }
}

/// The sender of a frame. A client must mask frames, a server must not (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Direction {
    FromClient,
    FromServer,
}

/// The header of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    /// True for the last frame of its message.
    pub(super) is_final: bool,
    /// Zero in frames from a server.
    pub(super) mask: [u8; 4],
    /// Length of the header.
    pub(super) bytes: usize,
    /// Length of the payload.
    pub(super) payload_bytes: u64,
}

/// Maximum payload of a control frame (RFC 6455 §5.5).
pub(super) const CONTROL_BYTES: u64 = 125;

impl Head {
    /// Parses a header; `None` while it is incomplete.
    #[inline]
    pub(super) fn parse(bytes: &[u8], direction: Direction) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::protocol("reserved bits are set, but no extension was negotiated"));
        }
        let opcode = Opcode::ALL.into_iter().find(|opcode| *opcode as u8 == first & 0x0f);
        let opcode = opcode.ok_or(Violation::protocol("a frame has an unknown opcode"))?;
        let is_final = first & 0x80 != 0;
        match (direction, second & 0x80 != 0) {
            (Direction::FromClient, false) => return Err(Violation::protocol("a frame is not masked")),
            (Direction::FromServer, true) => return Err(Violation::protocol("a frame is masked")),
            (Direction::FromClient, true) | (Direction::FromServer, false) => {}
        }
        let (payload_bytes, rest) = match second & 0x7f {
            126 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            127 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if opcode.is_control() && (payload_bytes > CONTROL_BYTES || !is_final) {
            return Err(Violation::protocol("a control frame is fragmented or longer than 125 bytes"));
        }
        let (mask, payload) = match direction {
            Direction::FromServer => ([0; 4], rest),
            Direction::FromClient => match rest.split_first_chunk() {
                Some((mask, payload)) => (*mask, payload),
                None => return Ok(None),
            },
        };
        let bytes = bytes.len() - payload.len();
        Ok(Some(Self { opcode, is_final, mask, bytes, payload_bytes }))
    }
}

/// Masks or unmasks a payload (RFC 6455 §5.3).
pub(super) fn apply_mask(payload: &mut [u8], mask: [u8; 4]) {
    for four in payload.chunks_mut(4) {
        four.iter_mut().zip(mask).for_each(|(byte, mask)| *byte ^= mask);
    }
}
