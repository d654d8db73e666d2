//! An HTTP/2 client that writes its own frames (RFC 9113 §4.1), for misbehavior that no library offers.

use crate::support::soon;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;

pub(crate) const ACK: u8 = 1;
/// END_STREAM and END_HEADERS.
pub(crate) const WHOLE_REQUEST: u8 = 5;

/// SETTINGS_INITIAL_WINDOW_SIZE of 0.
pub(crate) const NO_WINDOW: &[u8] = &[0, 4, 0, 0, 0, 0];

#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

pub(crate) struct RawPeer {
    stream: TcpStream,
    authority: String,
}

impl RawPeer {
    pub(crate) async fn connect(address: &str, settings: &[u8]) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        let mut peer = Self { stream, authority: address.to_owned() };
        // The server may have closed a refused connection already; the next read shows it.
        let _ = peer.stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        let _ = peer.send(SETTINGS, 0, 0, settings).await;
        peer
    }

    pub(crate) async fn send(
        &mut self,
        kind: u8,
        flags: u8,
        stream: u32,
        payload: &[u8],
    ) -> std::io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags];
        frame.extend_from_slice(&stream.to_be_bytes());
        frame.extend_from_slice(payload);
        self.stream.write_all(&frame).await
    }

    /// Sends a GET.
    pub(crate) async fn get(&mut self, stream: u32, path: &str) {
        let block = self.request("GET", path);
        self.send(HEADERS, WHOLE_REQUEST, stream, &block).await.unwrap();
    }

    /// A header block of literals without Huffman coding (RFC 7541 §6.2.2).
    pub(crate) fn request(&self, method: &str, path: &str) -> Vec<u8> {
        let mut block = Vec::new();
        for (name, value) in
            [(":method", method), (":scheme", "http"), (":authority", &self.authority), (":path", path)]
        {
            Self::add_header(&mut block, name, value);
        }
        block
    }

    /// Adds a field to a header block.
    pub(crate) fn add_header(block: &mut Vec<u8>, name: &str, value: &str) {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }

    /// Returns the next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        soon("a frame or the end", async {
            let mut head = [0; 9];
            self.stream.read_exact(&mut head).await.ok()?;
            let mut payload = vec![0; u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize];
            self.stream.read_exact(&mut payload).await.ok()?;
            let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
            Some(Frame { kind: head[3], flags: head[4], stream, payload })
        })
        .await
    }

    /// Returns the next frame of a kind.
    pub(crate) async fn next_of(&mut self, kind: u8) -> Frame {
        loop {
            let frame = self.next().await.unwrap_or_else(|| panic!("the end came before a frame {kind}"));
            if frame.kind == kind {
                return frame;
            }
        }
    }
}
