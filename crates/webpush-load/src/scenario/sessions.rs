//! Memory of idle sessions in this process, on in-memory transports.
//!
//! Shows the memory of the service for an idle agent, with more sessions than a machine has sockets.
//!
//! The transport has no buffer: it only has the read position in hello, and with TLS the client until the response to hello.
//! The user-space part of a socket (its registration, `hyper`'s upgraded connection) is in the figures of `idle`. Bytes are
//! counted as anonymous memory of the process: a counting allocator would need `unsafe`, and miss the overhead of the
//! allocator.

use crate::certificates::Certificate;
use crate::figures::Figures;
use crate::process::Process;
use crate::target::directory_in;
use anyhow::{Context as _, ensure};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use webpush_core::capability::{KeyId, Keyring};
use webpush_http::delivery::websocket::{self, Handshake};
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::certificate;
use webpush_http::transport::tls::{self, Identity};
use webpush_http::transport::tls_stream::TlsAcceptor;
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Drain;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_store::memory::MemoryStore;

/// Sessions started together; the next wave follows their responses.
const WAVE: usize = 1000;
/// Longest wait for the responses of a wave.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(2);

/// Sessions with a response to hello.
///
/// A static, because a pointer in each session would count as its memory.
static ANSWERED: AtomicUsize = AtomicUsize::new(0);
static HELLO: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut frame = Vec::new();
    webpush_core::websocket::client::text(
        &mut frame,
        r#"{"messageType":"hello","broadcasts":{},"use_webpush":true}"#,
        [1, 2, 3, 4],
    );
    frame
});

/// Options.
#[derive(clap::Args)]
pub struct Args {
    /// Sessions
    #[arg(long, value_name = "N", default_value_t = 1_000_000)]
    count: usize,
    /// Use TLS
    #[arg(long)]
    tls: bool,
    /// Seconds of idleness to measure
    #[arg(long, value_name = "N", default_value_t = 10)]
    rest: u64,
}

/// Runs the measurement.
///
/// # Errors
/// If a session gets no response to hello.
pub async fn run(args: &Args) -> anyhow::Result<Figures> {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [7; 32])]).context("a keyring needs a key")?;
    let service = Service::new(Setup::new(MemoryStore::default(), keyring, "http://127.0.0.1"));
    let server = HttpServer::new(service, HttpConfig::default());
    let drain = Drain::default();
    let directory = directory_in(None)?;
    let encryption = if args.tls { Some(Encryption::new(directory.path())?) } else { None };
    let begin = |count| wave(count, &server, &drain, encryption.as_ref());
    let process = Process::this();
    begin(WAVE).await?;
    process.wait_until_quiet()?;

    let (memory, before) = (process.memory()?, process.sample()?);
    let mut left = args.count;
    while left > 0 {
        let now = left.min(WAVE);
        begin(now).await?;
        left -= now;
    }
    process.wait_until_quiet()?;
    let (full, connecting) = (process.memory()?, process.usage_since(&before)?);
    let before = process.sample()?;
    tokio::time::sleep(Duration::from_secs(args.rest)).await;
    let resting = process.usage_since(&before)?;

    let count = args.count as f64;
    let mut figures = Figures::default();
    figures.note("sessions", count);
    figures.note("user_memory_kib_per_session", (full.anonymous - memory.anonymous) / count);
    figures.note("cpu_us_per_connect_with_load", connecting.total.as_secs_f64() * 1e6 / count);
    figures.note("rest_percent_of_a_core", resting.percent_of_a_core());
    figures.note("rss_kib", full.resident);
    Ok(figures)
}

/// Starts `count` sessions and waits for their responses to hello.
async fn wave(
    count: usize,
    server: &Arc<HttpServer>,
    drain: &Drain,
    encryption: Option<&Encryption>,
) -> anyhow::Result<()> {
    let expected = ANSWERED.load(Ordering::Relaxed) + count;
    for _ in 0..count {
        let handshake = Handshake {
            client: ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            may_subscribe: true,
            early: Vec::new(),
            permit: None,
        };
        let (server, draining) = (Arc::clone(server), drain.draining());
        match encryption {
            None => drop(tokio::spawn(websocket::run(Plain { said: 0 }, handshake, server, draining))),
            Some(encryption) => {
                let (acceptor, line) = (encryption.acceptor.clone(), encryption.line()?);
                tokio::spawn(async move {
                    // A failed one is missing from the count.
                    let Ok(stream) = acceptor.accept(line).await else { return };
                    // As in the service: a task of its own, without the state of the opening.
                    tokio::spawn(websocket::run(Box::new(stream), handshake, server, draining));
                });
            }
        }
    }
    let begun = Instant::now();
    while ANSWERED.load(Ordering::Relaxed) < expected {
        ensure!(begun.elapsed() < PATIENCE, "some sessions were not answered");
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// A transport that says hello, and nothing more.
struct Plain {
    said: usize,
}

impl AsyncRead for Plain {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let rest = HELLO.get(self.said..).unwrap_or_default();
        if rest.is_empty() {
            // Nothing will arrive, so no waker is needed.
            return Poll::Pending;
        }
        let length = rest.len().min(buf.remaining());
        buf.put_slice(&rest[..length]);
        self.said += length;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Plain {
    /// The first write is the response to hello.
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.said != usize::MAX {
            self.said = usize::MAX;
            ANSWERED.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Both sides of TLS.
struct Encryption {
    acceptor: TlsAcceptor,
    client: Arc<ClientConfig>,
}

impl Encryption {
    fn new(directory: &Path) -> anyhow::Result<Self> {
        let Certificate { certificate, key } = Certificate::generate(directory)?;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(&certificate)?)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let client = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            acceptor: tls::acceptor(certificate::Certificate::new(tls::load(&Identity::Pem {
                key,
                cert: certificate,
            })?))?,
            client: Arc::new(client),
        })
    }

    fn line(&self) -> anyhow::Result<Encrypted> {
        let name = ServerName::IpAddress(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
        let client = ClientConnection::new(Arc::clone(&self.client), name)?;
        Ok(Encrypted { client: Some(Box::new(Client { connection: client, greeted: false, reader: None })) })
    }
}

/// A transport that has its TLS client until the response. The client acts when the server writes.
struct Encrypted {
    client: Option<Box<Client>>,
}

struct Client {
    connection: ClientConnection,
    greeted: bool,
    reader: Option<Waker>,
}

impl AsyncRead for Encrypted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let Some(client) = &mut self.client else { return Poll::Pending };
        if !client.connection.wants_write() {
            client.reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut room = buf.initialize_unfilled();
        let length = client.connection.write_tls(&mut room)?;
        buf.advance(length);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Encrypted {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(client) = &mut self.client else { return Poll::Ready(Ok(bytes.len())) };
        let length = client.hear(bytes)?;
        if client.greeted && client.is_answered()? {
            self.client = None;
            ANSWERED.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Client {
    fn hear(&mut self, mut bytes: &[u8]) -> io::Result<usize> {
        let length = self.connection.read_tls(&mut bytes)?;
        self.connection.process_new_packets().map_err(io::Error::other)?;
        if !self.greeted && !self.connection.is_handshaking() {
            self.connection.writer().write_all(&HELLO)?;
            self.greeted = true;
        }
        if self.connection.wants_write()
            && let Some(reader) = self.reader.take()
        {
            reader.wake();
        }
        Ok(length)
    }

    /// Session tickets precede the response.
    fn is_answered(&mut self) -> io::Result<bool> {
        let state = self.connection.process_new_packets().map_err(io::Error::other)?;
        Ok(state.plaintext_bytes_to_read() > 0)
    }
}
