//! The WebSocket server.

use crate::server::listeners::bind;
use anyhow::{Context as _, bail};
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep_until};
use webpush_conformance::agent::{AgentReply, AutopushValidator, FromAgent};
use webpush_conformance::report::Report;
use webpush_core::env::Env;
use webpush_core::websocket::{WebSocketMessage, WebSocketReader, write};
use webpush_service::p256::P256;
use webpush_service::system;

/// The GUID that is hashed with the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Maximum length of the head of a request.
const MOST_HEAD_BYTES: usize = 16 * 1024;
const READ_BYTES: usize = 4096;
/// How long it takes until a sender has a new push URL: Firefox loses earlier notifications.
const PAUSE: Duration = Duration::from_millis(500);

/// A WebSocket server that judges a user agent.
pub(super) struct WebSocketTrial {
    shared: Arc<WebSocketState>,
    port: u16,
}

struct WebSocketState {
    validator: Mutex<AutopushValidator<P256>>,
    env: Env,
}

impl WebSocketTrial {
    /// Starts listening.
    pub(super) async fn start(port: u16) -> anyhow::Result<Self> {
        let listeners = bind(IpAddr::V4(Ipv4Addr::LOCALHOST), port, "--port").await?;
        let port = listeners[0].local_addr()?.port();
        let validator = AutopushValidator::new(format!("http://localhost:{port}"), P256);
        let shared = Arc::new(WebSocketState { validator: Mutex::new(validator), env: system::env() });
        for listener in listeners {
            // It runs as long as the runtime.
            drop(tokio::spawn(accept(listener, Arc::clone(&shared))));
        }
        Ok(Self { shared, port })
    }

    /// Returns its URL.
    pub(super) fn url(&self) -> String {
        format!("ws://localhost:{}/", self.port)
    }

    /// Returns the report so far; `None` if no user agent connected.
    pub(super) fn report(&self, name: Option<&str>) -> Option<Report> {
        let validator = self.shared.validator();
        (validator.connections() > 0).then(|| validator.report(name))
    }
}

impl WebSocketState {
    fn validator(&self) -> MutexGuard<'_, AutopushValidator<P256>> {
        self.validator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn receive(&self, arrived: FromAgent<'_>) -> AgentReply {
        self.validator().receive(arrived, self.env.now())
    }
}

async fn accept(listener: TcpListener, state: Arc<WebSocketState>) {
    while let Ok((stream, _)) = listener.accept().await {
        let state = Arc::clone(&state);
        drop(tokio::spawn(async move {
            if let Err(error) = serve(stream, &state).await {
                tracing::debug!(%error, "a connection ended");
            }
        }));
    }
}

async fn serve(mut stream: TcpStream, state: &WebSocketState) -> anyhow::Result<()> {
    open(&mut stream).await?;
    state.validator().connected();
    let (mut reader, mut bytes) = (WebSocketReader::default(), [0; READ_BYTES]);
    let mut due: Option<Instant> = None;
    loop {
        let read = tokio::select! {
            read = stream.read(&mut bytes) => Some(read?),
            () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
        };
        let Some(length) = read else {
            due = None;
            let mut out = Vec::new();
            state.validator().notifications().iter().for_each(|text| write::text(&mut out, text));
            stream.write_all(&out).await?;
            continue;
        };
        if length == 0 {
            return Ok(());
        }
        reader.feed(&bytes[..length]);
        let (out, notifies, is_over) = respond(&mut reader, state);
        if notifies {
            due = due.or_else(|| Some(Instant::now() + PAUSE));
        }
        stream.write_all(&out).await?;
        if is_over {
            return Ok(stream.shutdown().await?);
        }
    }
}

/// Returns the bytes to write, and whether notifications follow and the connection ends then.
fn respond(reader: &mut WebSocketReader, state: &WebSocketState) -> (Vec<u8>, bool, bool) {
    let (mut out, mut notifies) = (Vec::new(), false);
    loop {
        let reply = match reader.next() {
            Ok(None) => return (out, notifies, false),
            Ok(Some(WebSocketMessage::Close(_))) => {
                write::close(&mut out, None, "");
                return (out, notifies, true);
            }
            Ok(Some(WebSocketMessage::Ping(payload))) => {
                write::pong(&mut out, payload);
                continue;
            }
            Ok(Some(WebSocketMessage::Text(text))) => state.receive(FromAgent::Text(text)),
            Ok(Some(WebSocketMessage::Binary(_))) => state.receive(FromAgent::Violation("a binary message")),
            Ok(Some(WebSocketMessage::Pong)) => state.receive(FromAgent::Pong),
            Err(_) => state.receive(FromAgent::Violation("a frame that violates RFC 6455")),
        };
        for text in &reply.texts {
            write::text(&mut out, text);
        }
        notifies |= reply.notifies;
        if reply.ping {
            write::ping(&mut out);
        }
        if reply.close {
            write::close(&mut out, Some(1001), "");
            return (out, notifies, true);
        }
    }
}

/// Reads the head of a request, and opens a WebSocket (RFC 6455 §4.2).
async fn open(stream: &mut TcpStream) -> anyhow::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == MOST_HEAD_BYTES {
            bail!("the head of the request is too long");
        }
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let field = |wanted: &str| {
        let fields = head.lines().filter_map(|line| line.split_once(':'));
        let mut named = fields.filter(|(name, _)| name.eq_ignore_ascii_case(wanted));
        named.next().map(|(_, value)| value.trim())
    };
    let Some(key) = field("sec-websocket-key") else {
        stream
            .write_all(b"HTTP/1.1 426 Upgrade Required\r\nupgrade: websocket\r\ncontent-length: 0\r\n\r\n")
            .await?;
        bail!("a request is not for a WebSocket");
    };
    let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat()));
    let protocol = field("sec-websocket-protocol").filter(|offered| offered.contains("push-notification"));
    let protocol = protocol.map_or("", |_| "sec-websocket-protocol: push-notification\r\n");
    let response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: Upgrade\r\n\
         sec-websocket-accept: {accept}\r\n{protocol}\r\n"
    );
    stream.write_all(response.as_bytes()).await.context("the user agent is gone")
}
