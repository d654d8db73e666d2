//! Public listeners, and their connections: TCP, or a Unix socket for a proxy.

use crate::transport::unix_socket::SocketFile;
use std::io;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use webpush_service::client_addr::ClientAddr;

/// A listening socket.
#[derive(Debug)]
pub enum PublicListener {
    /// A TCP socket.
    Tcp(TcpListener),
    /// A Unix socket, and its file.
    Unix(UnixListener, SocketFile),
}

impl From<TcpListener> for PublicListener {
    fn from(listener: TcpListener) -> Self {
        Self::Tcp(listener)
    }
}

impl PublicListener {
    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<(PublicStream, Peer)> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                (PublicStream::Tcp(stream), Peer::Address(ClientAddr::new(address.ip())))
            }
            Self::Unix(listener, _) => {
                (PublicStream::Unix(Box::new(listener.accept().await?.0)), Peer::UnixProxy)
            }
        })
    }
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    /// A client or a proxy with an address.
    Address(ClientAddr),
    /// The proxy on a Unix socket.
    UnixProxy,
}

impl Peer {
    /// Returns its address. That of a proxy without one is not an address of this machine.
    pub(super) fn address(self) -> ClientAddr {
        match self {
            Self::Address(address) => address,
            Self::UnixProxy => ClientAddr::new(Ipv4Addr::UNSPECIFIED.into()),
        }
    }
}

/// The stream of a connection.
#[derive(Debug)]
pub(crate) enum PublicStream {
    Tcp(TcpStream),
    /// Boxed, because it is rare, and the enum is then as small as a TCP stream.
    Unix(Box<UnixStream>),
}

impl PublicStream {
    /// Disables Nagle's algorithm, which Unix sockets do not have.
    pub(super) fn set_nodelay(&self) -> io::Result<()> {
        match self {
            Self::Tcp(stream) => stream.set_nodelay(true),
            Self::Unix(_) => Ok(()),
        }
    }

    /// Waits for bytes and returns them, without taking them off the stream.
    pub(super) async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.peek(buffer).await,
            Self::Unix(stream) => {
                let peek = || Ok(rustix::net::recv(&**stream, &mut *buffer, rustix::net::RecvFlags::PEEK)?.1);
                stream.async_io(Interest::READABLE, peek).await
            }
        }
    }
}

impl AsyncRead for PublicStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for PublicStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        // Both kinds are.
        true
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_flush(cx),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut *self {
            Self::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Unix(stream) => Pin::new(&mut **stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

    #[tokio::test]
    async fn peeked_bytes_of_a_unix_socket_are_read_again() {
        let (mut proxy, stream) = UnixStream::pair().unwrap();
        let mut socket = PublicStream::Unix(Box::new(stream));
        let mut peeked = [0; 8];
        let (length, written) = tokio::join!(socket.peek(&mut peeked), proxy.write_all(b"PROXY"));
        written.unwrap();
        assert_eq!(&peeked[..length.unwrap()], b"PROXY");
        let mut read = [0; 5];
        socket.read_exact(&mut read).await.unwrap();
        assert_eq!(&read, b"PROXY");
        drop(proxy);
        assert_eq!(socket.peek(&mut peeked).await.unwrap(), 0);
    }

    /// D: no privileges of local clients behind a Unix socket.
    #[test]
    fn the_proxy_on_a_unix_socket_is_not_this_machine() {
        assert!(!Peer::UnixProxy.address().is_loopback());
    }
}
