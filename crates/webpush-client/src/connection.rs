//! Connections to a push service: HTTP/2 with server push, or HTTP/1.1.

mod http1;
mod http2;
mod streamed;
mod tunnel;

pub use http1::to_origin_form;
pub use http2::{PromisedMessage, PushEvent, PushStream};
pub use streamed::ResponseStream;

use crate::error::{Cause, ClientError, Phase, ProtocolError};
pub use crate::full_response::FullResponse;
use crate::trust;
use crate::url::{CapabilityUrl, UrlError};
use bytes::Bytes;
use http::Request;
use rustls::pki_types::{CertificateDer, ServerName};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;

/// Timeout for the socket and all handshakes together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// Timeout from the start of a request to the end of the response.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);
/// Maximum length of a response body.
const MAX_RESPONSE_BYTES: usize = 64 * 1024;

/// The ALPN protocol of HTTP/2.
pub const H2: &[u8] = b"h2";
/// The ALPN protocol of HTTP/1.1.
pub const HTTP1: &[u8] = b"http/1.1";

/// The protocols allowed on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// HTTP/2 with server push. Without TLS, by prior knowledge (RFC 9113 §3.3).
    Http2,
    /// HTTP/2 with server push turned off. Without TLS, by prior knowledge.
    Http2WithoutPush,
    /// HTTP/1.1.
    Http1,
    /// HTTP/2 without server push if TLS negotiates it, otherwise HTTP/1.1.
    Any,
}

/// Opens connections.
#[derive(Clone, Debug)]
pub struct Connector {
    ca_file: Option<PathBuf>,
    proxy: Option<CapabilityUrl>,
}

/// An open connection to one origin.
pub struct Connection {
    origin: String,
    protocol: Protocol,
}

/// A byte stream.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection without HTTP.
pub struct RawConnection {
    /// The byte stream, with TLS if the URL is `https`.
    pub stream: Box<dyn Stream>,
    /// The protocol that TLS negotiated.
    pub alpn: Option<Vec<u8>>,
    /// The certificate of the server.
    pub certificate: Option<CertificateDer<'static>>,
}

enum Protocol {
    Http1(http1::Http1Client),
    Http2(http2::Http2Client),
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
        Self { ca_file, proxy: None }
    }

    /// Connects through an HTTP proxy, such as `http://proxy:3128` (CONNECT, RFC 9110 §9.3.6).
    #[must_use]
    pub fn with_proxy(mut self, proxy: CapabilityUrl) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Connects to the origin of a URL.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if it cannot be reached in time; [`ClientError::Protocol`] if it supports none of the
    /// protocols; [`ClientError::Trust`].
    pub async fn connect(
        &self,
        url: &CapabilityUrl,
        protocols: Protocols,
    ) -> Result<Connection, ClientError> {
        let origin = url.origin();
        let handshake = self.handshake(url, protocols);
        let protocol = within(CONNECT_TIMEOUT, &origin, Phase::Connect, handshake).await?;
        Ok(Connection { origin, protocol })
    }

    async fn handshake(&self, url: &CapabilityUrl, protocols: Protocols) -> Result<Protocol, ClientError> {
        let origin = url.origin();
        let offered: &[&[u8]] = match protocols {
            Protocols::Http2 | Protocols::Http2WithoutPush => &[H2],
            Protocols::Http1 => &[HTTP1],
            Protocols::Any => &[H2, HTTP1],
        };
        let raw = self.dial(url, offered).await?;
        let needs_http2 = matches!(protocols, Protocols::Http2 | Protocols::Http2WithoutPush);
        let http2 = match (url.is_https(), raw.alpn.as_deref()) {
            (true, negotiated) => negotiated == Some(H2),
            (false, _) => needs_http2,
        };
        match (http2, needs_http2) {
            (true, _) => {
                let push = protocols == Protocols::Http2;
                http2::Http2Client::start(raw.stream, &origin, push).await.map(Protocol::Http2)
            }
            (false, true) => Err(ClientError::protocol(origin, ProtocolError::NoHttp2)),
            (false, false) => http1::Http1Client::start(raw.stream, &origin).await.map(Protocol::Http1),
        }
    }

    /// Connects to the origin of a URL, with TLS if it is `https`. Has no timeout.
    ///
    /// # Errors
    /// See [`Connector::connect`].
    pub async fn dial(&self, url: &CapabilityUrl, offered: &[&[u8]]) -> Result<RawConnection, ClientError> {
        let origin = url.origin();
        let first_hop = self.proxy.as_ref().unwrap_or(url);
        let resolved = lookup_host((first_hop.host(), first_hop.port())).await;
        let addresses: Vec<SocketAddr> =
            resolved.map_err(|error| ClientError::transport(&*origin, Phase::Resolve, error))?.collect();
        let unreachable = |error| ClientError::transport(&*origin, Phase::Connect, error);
        let mut socket = TcpStream::connect(&*addresses).await.map_err(unreachable)?;
        // Requests are single small writes, which Nagle's algorithm would only delay.
        socket.set_nodelay(true).map_err(unreachable)?;
        if self.proxy.is_some() {
            tunnel::open(&mut socket, url).await.map_err(unreachable)?;
        }
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
        let protocol = http1::Http1Client::start(socket, &origin).await.map(Protocol::Http1)?;
        Ok(Self { origin, protocol })
    }

    /// Returns the origin of the server.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends a request and reads the response with its body. The URI of the request must be absolute.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if there is no response in time; [`ClientError::Protocol`] if it is too large.
    pub async fn exchange(&mut self, request: Request<Bytes>) -> Result<FullResponse, ClientError> {
        let answer = async {
            match &mut self.protocol {
                Protocol::Http1(requests) => requests.exchange(request, &self.origin).await,
                Protocol::Http2(requests) => requests.exchange(request, &self.origin).await,
            }
        };
        within(RESPONSE_TIMEOUT, &self.origin, Phase::Exchange, answer).await
    }

    /// Returns true if other requests can be sent while a response is streamed.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.protocol, Protocol::Http2(_))
    }

    /// Sends a request and reads the response without its body. The URI of the request must be absolute.
    ///
    /// # Errors
    /// See [`Connection::exchange`].
    pub async fn stream(&mut self, request: Request<Bytes>) -> Result<ResponseStream, ClientError> {
        let response = async {
            match &mut self.protocol {
                Protocol::Http1(requests) => requests.stream(request, &self.origin).await,
                Protocol::Http2(requests) => requests.stream(request, &self.origin).await,
            }
        };
        within(RESPONSE_TIMEOUT, &self.origin, Phase::Exchange, response).await
    }

    /// Sends a monitoring request, during which the server pushes messages (RFC 8030 §6).
    ///
    /// # Errors
    /// See [`Connection::exchange`]; [`ProtocolError::NoServerPush`] on HTTP/1.1.
    pub async fn monitor(&mut self, request: Request<()>) -> Result<PushStream, ClientError> {
        match &mut self.protocol {
            Protocol::Http1(_) => Err(ClientError::protocol(&*self.origin, ProtocolError::NoServerPush)),
            Protocol::Http2(requests) => {
                let response = requests.monitor(request, &self.origin);
                within(RESPONSE_TIMEOUT, &self.origin, Phase::Exchange, response).await
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
    ClientError::protocol(origin, ProtocolError::TooLarge(MAX_RESPONSE_BYTES))
}
