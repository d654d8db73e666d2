//! Detects HTTP/2 with prior knowledge by its first bytes (RFC 9113 §3.3).

use bytes::BytesMut;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf};

/// The client connection preface (RFC 9113 §3.4).
pub(super) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The type of a TLS record with a handshake message (RFC 8446 §5.1). No HTTP request begins with it.
const HANDSHAKE: u8 = 22;

/// An HTTP version, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Anything that does not begin with the HTTP/2 preface.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// TLS.
    Tls,
}

/// Reads until the version is known, and returns a stream from which all bytes can be read again.
///
/// # Errors
///
/// If the connection fails or ends before that.
pub async fn detect<S: AsyncRead + Unpin>(mut stream: S) -> io::Result<(Version, PrefixedStream<S>)> {
    let mut bytes = [0; PREFACE.len()];
    let mut length = 0;
    let version = loop {
        match stream.read(&mut bytes[length..]).await? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => length += read,
        }
        if bytes[..length] != PREFACE[..length] {
            break if bytes[0] == HANDSHAKE { Version::Tls } else { Version::Http1 };
        }
        if length == PREFACE.len() {
            break Version::Http2;
        }
    };
    Ok((version, PrefixedStream { bytes, next: 0, length, stream }))
}

/// A stream whose first bytes can be read again.
pub struct PrefixedStream<S> {
    bytes: [u8; PREFACE.len()],
    next: usize,
    length: usize,
    stream: S,
}

impl<S> PrefixedStream<S> {
    /// Returns the first bytes that were not read again, and the stream after them.
    pub fn into_parts(self) -> (BytesMut, S) {
        (BytesMut::from(&self.bytes[self.next..self.length]), self.stream)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PrefixedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.next == self.length {
            return Pin::new(&mut self.stream).poll_read(cx, buf);
        }
        let end = self.length.min(self.next + buf.remaining());
        buf.put_slice(&self.bytes[self.next..end]);
        self.next = end;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PrefixedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn versions(bytes: &[u8]) -> Option<(Version, Vec<u8>)> {
        let (version, mut stream) = detect(bytes).await.ok()?;
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        Some((version, read))
    }

    #[tokio::test]
    async fn the_first_bytes_tell_and_are_not_lost() {
        let mut h2 = PREFACE.to_vec();
        h2.extend_from_slice(b"\0\0\0\x04\0\0\0\0\0");
        assert_eq!(versions(&h2).await, Some((Version::Http2, h2)));
        for h1 in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], b"POST /push/x HTTP/1.1\r\n", b"PRI * HTTP/1.1\r\n\r\nabcdefgh"]
        {
            assert_eq!(versions(h1).await, Some((Version::Http1, h1.to_vec())));
        }
        let hello = [&[22, 3, 1, 0, 200][..], &[1; 40]].concat();
        assert_eq!(versions(&hello).await, Some((Version::Tls, hello)));
        for short in [&b""[..], b"PRI * HT"] {
            assert_eq!(versions(short).await, None);
        }
    }
}
