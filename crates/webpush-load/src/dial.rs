//! Connections to one server on this machine.

use anyhow::{Context as _, ensure};
use rustls::client::Resumption;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;

/// A connection, with TLS or without.
pub trait Io: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Io for S {}
/// See [`Io`].
pub type Stream = Box<dyn Io>;

/// The protocol of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speak {
    /// HTTP/1.1, perhaps to become a WebSocket.
    Http1,
    /// HTTP/2; without TLS by prior knowledge.
    Http2,
}

/// Connects to one origin.
#[derive(Clone)]
pub struct Dialer {
    /// Host and port for `Host`.
    pub authority: String,
    /// `http` or `https`.
    pub scheme: &'static str,
    address: SocketAddr,
    /// The local address, if it is chosen.
    source: Option<Ipv4Addr>,
    tls: Option<Tls>,
}

#[derive(Clone)]
struct Tls {
    name: ServerName<'static>,
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Dialer {
    /// Creates a dialer for an origin on this machine. With TLS it trusts the certificate in `ca`.
    ///
    /// # Errors
    /// If it is not a loopback origin, or the certificate cannot be read.
    pub fn new(origin: &str, trusted: Option<&Path>) -> anyhow::Result<Self> {
        let uri: http::Uri = origin.parse().with_context(|| format!("{origin} is no URL"))?;
        let authority = uri.authority().with_context(|| format!("{origin} has no host"))?;
        let (scheme, port) = match uri.scheme_str() {
            Some("https" | "wss") => ("https", 443),
            Some("http" | "ws") => ("http", 80),
            _ => anyhow::bail!("{origin} begins with neither http:// nor https://"),
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']');
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            host => host.parse().with_context(|| format!("{host} is neither localhost nor an address"))?,
        };
        ensure!(ip.is_loopback(), "{host} is another machine: a load is for this one only");
        let tls = (scheme == "https").then(|| Tls::new(ip, trusted)).transpose()?;
        let address = SocketAddr::new(ip, authority.port_u16().unwrap_or(port));
        Ok(Self { authority: authority.to_string(), scheme, address, source: None, tls })
    }

    /// Returns the origin for tokens and absolute URLs.
    #[must_use]
    pub fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// Returns a dialer that connects from another loopback address.
    #[must_use]
    pub fn with_source(&self, source: Ipv4Addr) -> Self {
        Self { source: Some(source), ..self.clone() }
    }

    /// Opens a connection without TLS.
    ///
    /// # Errors
    /// If it is refused, or the machine has no port or descriptor for it.
    pub async fn connect_tcp(&self) -> anyhow::Result<TcpStream> {
        let stream = match self.source {
            None => TcpStream::connect(self.address).await,
            Some(source) => {
                let socket = TcpSocket::new_v4()?;
                socket.bind((source, 0).into())?;
                socket.connect(self.address).await
            }
        };
        let stream = stream.with_context(|| format!("no connection to {}", self.address))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Opens a connection.
    ///
    /// # Errors
    /// If the connection or the TLS handshake fails.
    pub async fn connect(&self, speak: Speak) -> anyhow::Result<Stream> {
        let stream = self.connect_tcp().await?;
        let Some(tls) = &self.tls else { return Ok(Box::new(stream)) };
        let config = match speak {
            Speak::Http1 => &tls.http1,
            Speak::Http2 => &tls.http2,
        };
        let stream = TlsConnector::from(Arc::clone(config)).connect(tls.name.clone(), stream).await;
        Ok(Box::new(stream.context("the TLS handshake failed")?))
    }
}

impl Tls {
    fn new(ip: IpAddr, trusted: Option<&Path>) -> anyhow::Result<Self> {
        let file = trusted.context("TLS needs the server's certificate (--ca)")?;
        let certificate = CertificateDer::from_pem_file(file)
            .with_context(|| format!("{} holds no certificate", file.display()))?;
        let mut roots = RootCertStore::empty();
        roots.add(certificate)?;
        let mut http1 = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        // Each agent stands for a separate machine, which has no session ticket of another one.
        http1.resumption = Resumption::disabled();
        let mut http2 = http1.clone();
        http1.alpn_protocols = vec![b"http/1.1".to_vec()];
        http2.alpn_protocols = vec![b"h2".to_vec()];
        Ok(Self { name: ServerName::IpAddress(ip.into()), http1: Arc::new(http1), http2: Arc::new(http2) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_machines_are_left_alone() {
        for origin in
            ["http://192.0.2.1:8080", "http://push.example", "http://[2001:db8::1]/", "ftp://127.0.0.1", "x"]
        {
            assert!(Dialer::new(origin, None).is_err(), "{origin}");
        }
        for origin in ["http://127.0.0.1:8080", "ws://localhost:1/", "http://[::1]:80"] {
            assert!(Dialer::new(origin, None).is_ok(), "{origin}");
        }
        assert!(Dialer::new("https://127.0.0.1:1", None).is_err(), "without a certificate to trust");
    }
}
