//! A connection to a push service: HTTP/2 with server push, or HTTP/1.1 for senders whose service has nothing newer.

mod http1;
mod http2;
mod streamed;

pub use http1::to_origin_form;
pub use http2::{Promise, PushEvent, PushStream};
pub use streamed::ResponseStream;

use crate::error::{Cause, ClientError, Phase, ProtocolError};
use crate::trust;
use crate::url::{CapabilityUrl, UrlError};
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

/// Limit for the socket and all handshakes together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Limit from the start of a request to the end of its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read; those of a push service are far smaller.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// The ALPN protocol of HTTP/2.
pub const H2: &[u8] = b"h2";
/// The ALPN protocol of HTTP/1.1.
pub const HTTP1: &[u8] = b"http/1.1";

/// Protocols that a connection may speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// Only HTTP/2, for server push. Without TLS, by prior knowledge (RFC 9113 §3.3).
    Http2,
    /// HTTP/2 without server push if TLS agrees on it, otherwise HTTP/1.1.
    Any,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
}

/// Opens connections.
#[derive(Clone, Debug)]
pub struct Connector {
    ca_file: Option<PathBuf>,
}

/// An open connection to one origin.
pub struct Connection {
    origin: String,
    speaks: Speaks,
}

/// A connection as a stream of bytes.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection before any HTTP.
pub struct RawConnection {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// The protocol that TLS agreed on.
    pub alpn: Option<Vec<u8>>,
    /// The certificate of the server.
    pub certificate: Option<CertificateDer<'static>>,
}

enum Speaks {
    Http1(http1::Requests),
    Http2(http2::Requests),
}

impl Default for Connector {
    fn default() -> Self {
        Self::new(None)
    }
}

impl Connector {
    /// Creates a connector that also trusts the certificates of a PEM file.
    #[must_use]
    pub const fn new(ca_file: Option<PathBuf>) -> Self {
        Self { ca_file }
    }

    /// Connects to the origin of a URL.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if it cannot be reached in time; [`ClientError::Protocol`] if it speaks none of the
    /// protocols; [`ClientError::Trust`].
    pub async fn connect(
        &self,
        url: &CapabilityUrl,
        protocols: Protocols,
    ) -> Result<Connection, ClientError> {
        let origin = url.origin();
        let speaks = within(CONNECT_TIMEOUT, &origin, Phase::Connect, self.speak(url, protocols)).await?;
        Ok(Connection { origin, speaks })
    }

    async fn speak(&self, url: &CapabilityUrl, protocols: Protocols) -> Result<Speaks, ClientError> {
        let origin = url.origin();
        let offered: &[&[u8]] = if protocols == Protocols::Http2 { &[H2] } else { &[H2, HTTP1] };
        let dialed = self.dial(url, offered).await?;
        let http2 = match (url.is_https(), dialed.alpn.as_deref()) {
            (true, agreed) => agreed == Some(H2),
            (false, _) => protocols == Protocols::Http2,
        };
        match (http2, protocols) {
            (true, _) => {
                let push = protocols == Protocols::Http2;
                http2::Requests::start(dialed.stream, &origin, push).await.map(Speaks::Http2)
            }
            (false, Protocols::Http2) => Err(ClientError::protocol(origin, ProtocolError::NoHttp2)),
            (false, Protocols::Any) => {
                http1::Requests::start(dialed.stream, &origin).await.map(Speaks::Http1)
            }
        }
    }

    /// Connects to the origin of a URL, with TLS if it is `https`. Has no time limit of its own.
    ///
    /// # Errors
    /// See [`Connector::connect`].
    pub async fn dial(&self, url: &CapabilityUrl, offered: &[&[u8]]) -> Result<RawConnection, ClientError> {
        let origin = url.origin();
        let resolved = lookup_host((url.host(), url.port())).await;
        let addresses: Vec<SocketAddr> =
            resolved.map_err(|error| ClientError::transport(&*origin, Phase::Resolve, error))?.collect();
        let unreachable = |error| ClientError::transport(&*origin, Phase::Connect, error);
        let socket = TcpStream::connect(&*addresses).await.map_err(unreachable)?;
        // A request is one small write; waiting to make it larger only delays it.
        socket.set_nodelay(true).map_err(unreachable)?;
        if !url.is_https() {
            return Ok(RawConnection { stream: Box::new(socket), alpn: None, certificate: None });
        }
        let config = trust::tls_config(self.ca_file.as_deref(), offered)?;
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| UrlError::Host)?;
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, socket).await;
        let socket = handshake.map_err(|error| ClientError::transport(&*origin, Phase::Tls, error))?;
        let session = socket.get_ref().1;
        let alpn = session.alpn_protocol().map(<[u8]>::to_vec);
        let certificate = session
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|certificate| certificate.clone().into_owned());
        Ok(RawConnection { stream: Box::new(socket), alpn, certificate })
    }
}

impl Connection {
    /// Starts HTTP/1.1 on a socket that is connected to an origin.
    ///
    /// # Errors
    /// See [`Connector::connect`].
    pub async fn over<S>(socket: S, origin: String) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let speaks = http1::Requests::start(socket, &origin).await.map(Speaks::Http1)?;
        Ok(Self { origin, speaks })
    }

    /// Returns the origin at the other end.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends a request and reads the whole answer. The URI of the request must be absolute.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if there is no answer in time; [`ClientError::Protocol`] if it is too large.
    pub async fn exchange(&mut self, request: Request<Bytes>) -> Result<Answer, ClientError> {
        let answer = async {
            match &mut self.speaks {
                Speaks::Http1(requests) => requests.exchange(request, &self.origin).await,
                Speaks::Http2(requests) => requests.exchange(request, &self.origin).await,
            }
        };
        within(ANSWER_TIMEOUT, &self.origin, Phase::Exchange, answer).await
    }

    /// Returns true if other requests can be made while an answer is streamed.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.speaks, Speaks::Http2(_))
    }

    /// Sends a request and reads the head of the answer. The URI of the request must be absolute.
    ///
    /// # Errors
    /// See [`Connection::exchange`].
    pub async fn stream(&mut self, request: Request<Bytes>) -> Result<ResponseStream, ClientError> {
        let begun = async {
            match &mut self.speaks {
                Speaks::Http1(requests) => requests.stream(request, &self.origin).await,
                Speaks::Http2(requests) => requests.stream(request, &self.origin).await,
            }
        };
        within(ANSWER_TIMEOUT, &self.origin, Phase::Exchange, begun).await
    }

    /// Sends a request that the server answers after pushing messages.
    ///
    /// # Errors
    /// See [`Connection::exchange`]; [`ProtocolError::NoServerPush`] on HTTP/1.1.
    pub async fn monitor(&mut self, request: Request<()>) -> Result<PushStream, ClientError> {
        match &mut self.speaks {
            Speaks::Http1(_) => Err(ClientError::protocol(&*self.origin, ProtocolError::NoServerPush)),
            Speaks::Http2(requests) => {
                let begun = requests.monitor(request, &self.origin);
                within(ANSWER_TIMEOUT, &self.origin, Phase::Exchange, begun).await
            }
        }
    }
}

async fn within<T>(
    limit: Duration,
    origin: &str,
    phase: Phase,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    let done = tokio::time::timeout(limit, work).await;
    done.unwrap_or_else(|_| Err(ClientError::transport(origin, phase, Cause::TimedOut(limit))))
}

fn too_large(origin: &str) -> ClientError {
    ClientError::protocol(origin, ProtocolError::TooLarge(MAX_ANSWER_BYTES))
}
