//! An HTTP/2 client that writes its own frames (RFC 9113 §4.1), for misbehavior that no library offers.

use super::end::End;
use crate::dial::{Dialer, Speak, Stream};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, ReadHalf};
use tokio::time::timeout;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const ACK: u8 = 1;
pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// CANCEL.
pub(super) const CANCEL: [u8; 4] = [0, 0, 0, 8];
/// The end that a server gives to a flood (RFC 9113 §7).
pub(super) const CALM: End = End::Code(11);
/// PROTOCOL_ERROR.
pub(super) const PROTOCOL_ERROR: End = End::Code(1);

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The payload of the PING that shows that everything before it was read.
const LAST: &[u8; 8] = b"the last";
/// How long the server may take to answer it, or to close.
const PATIENCE: Duration = Duration::from_secs(60);

/// A connection.
pub(super) struct RawConnection {
    stream: Stream,
    requests: Requests,
}

/// Header blocks of requests to one server.
#[derive(Clone)]
pub(super) struct Requests {
    authority: String,
}

/// How an attacker treats the answers of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reading {
    /// It reads them.
    Yes,
    /// It reads nothing.
    No,
}

impl RawConnection {
    /// Connects and sends the preface, with settings as they are on the wire.
    ///
    /// # Errors
    /// If there is no connection.
    pub(super) async fn connect(dialer: &Dialer, settings: &[u8]) -> anyhow::Result<Self> {
        let mut stream = dialer.connect(Speak::Http2).await?;
        // If the server has closed it already, the next read shows that.
        let _ = stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat()).await;
        Ok(Self { stream, requests: Requests { authority: dialer.authority.clone() } })
    }

    /// Returns header blocks for its server.
    pub(super) fn requests(&self) -> Requests {
        self.requests.clone()
    }

    /// Writes chunks until all are written or the server ends the connection, and returns its end.
    pub(super) async fn flood(self, chunks: impl Iterator<Item = Vec<u8>>, reading: Reading) -> End {
        let (read, mut write) = tokio::io::split(self.stream);
        let writing = async {
            for chunk in chunks {
                if write.write_all(&chunk).await.is_err() {
                    return End::Closed;
                }
            }
            // An error is also noticed by the reader.
            let _ = write.write_all(&frame(PING, 0, 0, LAST)).await;
            End::Survived
        };
        let end = match reading {
            Reading::No => timeout(PATIENCE, writing).await,
            Reading::Yes => {
                let waiting = async {
                    writing.await;
                    std::future::pending::<End>().await
                };
                timeout(PATIENCE, async {
                    tokio::select! {
                        end = end_of(read) => end,
                        end = waiting => end,
                    }
                })
                .await
            }
        };
        // It is still open.
        end.unwrap_or(End::Survived)
    }
}

impl Requests {
    /// Returns a header block of literals without compression (RFC 7541 §6.2.2).
    pub(super) fn block(&self, method: &str, path: &str) -> Vec<u8> {
        let fields =
            [(":method", method), (":scheme", "http"), (":authority", &*self.authority), (":path", path)];
        fields.into_iter().flat_map(|(name, value)| literal(0, name, value)).collect()
    }
}

/// Reads until the connection ends, or the response to the last PING arrives.
async fn end_of(mut read: ReadHalf<Stream>) -> End {
    let mut end = End::Closed;
    let mut payload = Vec::new();
    loop {
        let mut head = [0; 9];
        if read.read_exact(&mut head).await.is_err() {
            return end;
        }
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        payload.resize(usize::try_from(length).unwrap_or_default(), 0);
        if read.read_exact(&mut payload).await.is_err() {
            return end;
        }
        match (head[3], payload.get(4..8)) {
            (GOAWAY, Some(code)) => {
                end = End::Code(code.iter().fold(0, |code, byte| code << 8 | u32::from(*byte)));
            }
            (PING, _) if head[4] & ACK != 0 && payload == LAST => return End::Survived,
            _ => {}
        }
    }
}

/// Returns a frame.
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend_from_slice(&stream.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Returns a literal field of a header block; `first` is 0, or 0x40 to add it to the table.
pub(super) fn literal(first: u8, name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![first];
    for text in [name, value] {
        field.extend(length(text.len()));
        field.extend_from_slice(text.as_bytes());
    }
    field
}

/// An integer with a prefix of seven bits (RFC 7541 §5.1).
fn length(mut length: usize) -> Vec<u8> {
    if length < 127 {
        return vec![length as u8];
    }
    let mut bytes = vec![127];
    length -= 127;
    while length > 127 {
        bytes.push((length & 127) as u8 | 128);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

/// Returns the IDs of a client's streams.
pub(super) fn streams() -> impl Iterator<Item = u32> {
    (1..u32::MAX >> 1).step_by(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_begins_with_its_length() {
        assert_eq!(frame(PING, ACK, 3, b"12345678")[..9], [0, 0, 8, PING, ACK, 0, 0, 0, 3]);
    }

    #[test]
    fn lengths_have_a_prefix_of_seven_bits() {
        assert_eq!(
            (length(126), length(127), length(127 + 300)),
            (vec![126], vec![127, 0], vec![127, 0xac, 2])
        );
    }
}
