//! Another push service: TLS on loopback, and scripted responses.

use crate::support::soon;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio_rustls::TlsAcceptor;

/// A push service that responds with the status in the path.
///
/// `/silent` never responds; `/endless-head` and `/endless-body` never end.
pub(crate) struct PushService {
    /// `https://localhost:PORT`
    pub(crate) origin: String,
    pub(crate) identity: Identity,
    arrivals: UnboundedReceiver<ReceivedRequest>,
}

/// A self-signed certificate for localhost and 127.0.0.1.
pub(crate) struct Identity {
    dir: TempDir,
    config: Arc<ServerConfig>,
}

/// One request.
pub(crate) struct ReceivedRequest {
    /// The first line and the header fields, in lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Identity {
    pub(crate) fn new() -> Self {
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("cert.pem"), cert.pem()).unwrap();
        std::fs::write(dir.path().join("key.pem"), signing_key.serialize_pem()).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        Self { dir, config: Arc::new(config) }
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.dir.path().join("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.dir.path().join("key.pem")
    }
}

impl PushService {
    pub(crate) async fn start() -> Self {
        let identity = Identity::new();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (sender, arrivals) = unbounded_channel();
        let acceptor = TlsAcceptor::from(Arc::clone(&identity.config));
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                // The test observes the other end of the connection.
                tokio::spawn(connection(acceptor.clone(), socket, sender.clone()));
            }
        });
        Self { origin, identity, arrivals }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}/{path}", self.origin)
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.identity.certificate()
    }

    /// Returns the next request.
    pub(crate) async fn next(&mut self) -> ReceivedRequest {
        soon("a request to the other push service", self.arrivals.recv()).await.unwrap()
    }

    /// Returns the number of pending requests.
    pub(crate) fn waiting(&self) -> usize {
        self.arrivals.len()
    }
}

async fn connection(
    acceptor: TlsAcceptor,
    socket: TcpStream,
    arrivals: UnboundedSender<ReceivedRequest>,
) -> std::io::Result<()> {
    let mut stream = acceptor.accept(socket).await?;
    let mut read = Vec::new();
    let head = loop {
        if let Some(end) = read.windows(4).position(|four| four == b"\r\n\r\n") {
            break String::from_utf8(read.drain(..end + 4).collect()).unwrap().to_lowercase();
        }
        if stream.read_buf(&mut read).await? == 0 {
            return Ok(());
        }
    };
    let length = head.split("content-length: ").nth(1).unwrap().split("\r\n").next().unwrap();
    let length: usize = length.parse().unwrap();
    while read.len() < length && stream.read_buf(&mut read).await? > 0 {}
    let path = head.split(' ').nth(1).unwrap();
    let name = Path::new(path).file_name().unwrap().to_str().unwrap().split('?').next().unwrap().to_owned();
    arrivals.send(ReceivedRequest { head, body: read }).unwrap_or(());
    match name.as_str() {
        "silent" => while stream.read_u8().await.is_ok() {},
        "endless-head" => {
            stream.write_all(b"HTTP/1.1 201 Created\r\n").await?;
            loop {
                stream
                    .write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n")
                    .await?;
            }
        }
        "endless-body" => {
            stream.write_all(b"HTTP/1.1 201 Created\r\n\r\n").await?;
            loop {
                stream.write_all(&[b'x'; 1024]).await?;
            }
        }
        status => {
            let answer = format!("HTTP/1.1 {status} X\r\nlocation: /201\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(answer.as_bytes()).await?;
            stream.shutdown().await?;
        }
    }
    Ok(())
}
