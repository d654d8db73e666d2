//! A connection to a push service: HTTP/2 with server push, or HTTP/1.1 for senders whose service has nothing newer.

mod http1;
mod http2;
mod streamed;

pub use http1::to_origin_form;
pub use http2::{Monitored, Promise, Pushed};
pub use streamed::Streamed;

use super::error::ClientError;
use super::trust;
use super::url::CapabilityUrl;
use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use rustls::pki_types::{CertificateDer, ServerName};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// For the socket and every handshake together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(30);
/// From the start of a request to the end of its answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer that is read; a service's own words are far shorter.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// HTTP/2 by ALPN.
pub const H2: &[u8] = b"h2";
/// HTTP/1.1 by ALPN.
pub const HTTP1: &[u8] = b"http/1.1";

/// Which protocols will do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocols {
    /// Only HTTP/2: server push exists nowhere else. In the clear it is spoken unasked (RFC 9113 §3.3).
    Http2,
    /// Without server push: HTTP/2 where TLS agrees on it, otherwise HTTP/1.1, which every service speaks.
    Any,
}

/// An answer with its whole body.
#[derive(Debug)]
pub struct Answer {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    /// The body, within the bound.
    pub body: Bytes,
}

/// Opens connections.
#[derive(Clone, Debug)]
pub struct Connector {
    ca_file: Option<PathBuf>,
    ca_flag: &'static str,
}

/// An open connection to one origin.
pub struct Connection {
    origin: String,
    speaks: Speaks,
}

/// Bytes there and back.
pub trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A connection on which nothing was said yet.
pub struct Dialed {
    /// The connection.
    pub stream: Box<dyn Stream>,
    /// The protocol that TLS agreed on.
    pub agreed: Option<Vec<u8>>,
    /// What the other side showed.
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
    /// A connector that also trusts the certificates of a PEM file.
    #[must_use]
    pub const fn new(ca_file: Option<PathBuf>) -> Self {
        Self::with_flag(ca_file, trust::CA_FLAG)
    }

    /// The same where the file is named by another flag.
    #[must_use]
    pub const fn with_flag(ca_file: Option<PathBuf>, ca_flag: &'static str) -> Self {
        Self { ca_file, ca_flag }
    }

    /// Connects to the origin of a URL.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] when it does not answer in time or at all, or speaks something else.
    pub async fn connect(
        &self,
        url: &CapabilityUrl,
        protocols: Protocols,
    ) -> Result<Connection, ClientError> {
        let origin = url.origin();
        let speaks = within(CONNECT_TIMEOUT, &origin, "connect", self.speak(url, protocols)).await?;
        Ok(Connection { origin, speaks })
    }

    async fn speak(&self, url: &CapabilityUrl, protocols: Protocols) -> Result<Speaks, ClientError> {
        let origin = url.origin();
        let offered: &[&[u8]] = if protocols == Protocols::Http2 { &[H2] } else { &[H2, HTTP1] };
        let dialed = self.dial(url, offered).await?;
        let http2 = match (url.is_https(), dialed.agreed.as_deref()) {
            (true, agreed) => agreed == Some(H2),
            (false, _) => protocols == Protocols::Http2,
        };
        match (http2, protocols) {
            (true, _) => {
                let push = protocols == Protocols::Http2;
                http2::Requests::start(dialed.stream, &origin, push).await.map(Speaks::Http2)
            }
            (false, Protocols::Http2) => Err(ClientError::Refused(format!(
                "{origin} does not speak HTTP/2, which server push needs (RFC 8030 §6); --via sse does without"
            ))),
            (false, Protocols::Any) => {
                http1::Requests::start(dialed.stream, &origin).await.map(Speaks::Http1)
            }
        }
    }

    /// Connects to the origin of a URL, and speaks TLS if it does. Takes as long as it takes.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn dial(&self, url: &CapabilityUrl, offered: &[&[u8]]) -> Result<Dialed, ClientError> {
        let origin = url.origin();
        let unreachable = |error| ClientError::Unavailable(format!("cannot connect to {origin}: {error}"));
        let socket = TcpStream::connect((url.host(), url.port())).await.map_err(unreachable)?;
        // A request is one small write; waiting to make it larger only delays it.
        socket.set_nodelay(true).map_err(unreachable)?;
        if !url.is_https() {
            return Ok(Dialed { stream: Box::new(socket), agreed: None, certificate: None });
        }
        let config = trust::tls_config(self.ca_file.as_deref(), self.ca_flag, offered)?;
        let name = ServerName::try_from(url.host().to_owned()).map_err(|_| {
            ClientError::Local(format!("the host of {origin} is neither a name nor an address"))
        })?;
        let socket = TlsConnector::from(Arc::new(config)).connect(name, socket).await.map_err(|error| {
            ClientError::Unavailable(format!(
                "cannot connect to {origin}: TLS failed: {error} (a private authority is named with {})",
                self.ca_flag
            ))
        })?;
        let session = socket.get_ref().1;
        let agreed = session.alpn_protocol().map(<[u8]>::to_vec);
        let certificate = session
            .peer_certificates()
            .and_then(<[_]>::first)
            .map(|certificate| certificate.clone().into_owned());
        Ok(Dialed { stream: Box::new(socket), agreed, certificate })
    }
}

impl Connection {
    /// Speaks HTTP/1.1 on a socket that leads to an origin.
    ///
    /// # Errors
    /// As [`Connector::connect`].
    pub async fn over<S>(socket: S, origin: String) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let speaks = http1::Requests::start(socket, &origin).await.map(Speaks::Http1)?;
        Ok(Self { origin, speaks })
    }

    /// The origin that this connection is to.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.origin
    }

    /// Sends a request and reads the whole answer. The URI of the request must be absolute.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] when no answer comes, whatever the reason.
    pub async fn exchange(&mut self, request: Request<Bytes>) -> Result<Answer, ClientError> {
        let answer = async {
            match &mut self.speaks {
                Speaks::Http1(requests) => requests.exchange(request, &self.origin).await,
                Speaks::Http2(requests) => requests.exchange(request, &self.origin).await,
            }
        };
        within(ANSWER_TIMEOUT, &self.origin, "answer", answer).await
    }

    /// Whether other requests can be made while an answer is streamed.
    #[must_use]
    pub const fn is_shared(&self) -> bool {
        matches!(self.speaks, Speaks::Http2(_))
    }

    /// Sends a request and reads the head of the answer. The URI of the request must be absolute.
    ///
    /// # Errors
    /// As [`Connection::exchange`].
    pub async fn stream(&mut self, request: Request<Bytes>) -> Result<Streamed, ClientError> {
        let begun = async {
            match &mut self.speaks {
                Speaks::Http1(requests) => requests.stream(request, &self.origin).await,
                Speaks::Http2(requests) => requests.stream(request, &self.origin).await,
            }
        };
        within(ANSWER_TIMEOUT, &self.origin, "answer", begun).await
    }

    /// Sends a request that is answered when the server has pushed all that it wants to.
    ///
    /// # Errors
    /// As [`Connection::exchange`]; and [`ClientError::Refused`] on HTTP/1.1.
    pub async fn monitor(&mut self, request: Request<()>) -> Result<Monitored, ClientError> {
        match &mut self.speaks {
            Speaks::Http1(_) => {
                Err(ClientError::Refused(format!("{} has no server push over HTTP/1.1", self.origin)))
            }
            Speaks::Http2(requests) => {
                within(ANSWER_TIMEOUT, &self.origin, "answer", requests.monitor(request, &self.origin)).await
            }
        }
    }
}

async fn within<T>(
    limit: Duration,
    origin: &str,
    what: &str,
    work: impl Future<Output = Result<T, ClientError>>,
) -> Result<T, ClientError> {
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(ClientError::Unavailable(format!("{origin} did not {what} within {} s", limit.as_secs())))
    })
}

fn too_large(origin: &str) -> ClientError {
    ClientError::Unavailable(format!(
        "{origin} sent more than {MAX_ANSWER_BYTES} bytes, more than any answer needs"
    ))
}
