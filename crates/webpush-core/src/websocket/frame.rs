//! The head of one frame as a client sends it (RFC 6455 §5.2).

use super::Violation;

/// What a frame carries.
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

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) opcode: Opcode,
    /// It is the last frame of its message.
    pub(super) is_final: bool,
    pub(super) mask: [u8; 4],
    /// How long the head is.
    pub(super) bytes: usize,
    /// How long the payload behind it is.
    pub(super) payload_bytes: u64,
}

/// The most that a control frame carries (RFC 6455 §5.5).
pub(super) const CONTROL_BYTES: u64 = 125;

impl Head {
    /// Reads a head; `None` while there is not enough of it.
    pub(super) fn parse(bytes: &[u8]) -> Result<Option<Self>, Violation> {
        let [first, second, rest @ ..] = bytes else { return Ok(None) };
        if first & 0x70 != 0 {
            return Err(Violation::protocol("reserved bits are set, but no extension was agreed on"));
        }
        let opcode = Opcode::ALL.into_iter().find(|opcode| *opcode as u8 == first & 0x0f);
        let opcode = opcode.ok_or(Violation::protocol("a frame has an unknown opcode"))?;
        let is_final = first & 0x80 != 0;
        if second & 0x80 == 0 {
            return Err(Violation::protocol("a frame is not masked"));
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
        let Some((mask, payload)) = rest.split_first_chunk() else { return Ok(None) };
        let bytes = bytes.len() - payload.len();
        Ok(Some(Self { opcode, is_final, mask: *mask, bytes, payload_bytes }))
    }

    /// Takes the mask off a payload (RFC 6455 §5.3).
    pub(super) fn unmask(&self, payload: &mut [u8]) {
        for four in payload.chunks_mut(4) {
            four.iter_mut().zip(self.mask).for_each(|(byte, mask)| *byte ^= mask);
        }
    }
}
