//! A message through a whole service in this process.
//!
//! It is posted over HTTP/1.1, stored durably, delivered on a WebSocket, acknowledged and settled. The clients are
//! blocking sockets of one thread, which allocate nothing.

use super::samples::{self, MASK};
use super::stored;
use crate::body::uuid;
use crate::target::directory_in;
use anyhow::{Context as _, anyhow, bail, ensure};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{self, channel};
use std::thread;
use tokio::runtime;
use webpush_core::websocket::{WebSocketMessage, client};
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::bind;
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_service::drain::Drain;
use webpush_service::service::{Service, Setup};
use webpush_store::Backend;

/// More than any response or frame here needs.
const ROOM_BYTES: usize = 4096;

/// Senders and agents of [`many_on_workers`].
const AT_ONCE: u32 = 64;
/// Threads of a runtime with workers.
const WORKERS: usize = 2;

/// Posts a message and acknowledges it, `times` times.
///
/// The service runs on one thread, so that each run is the same.
///
/// # Errors
/// If one is not delivered.
pub fn one(times: u32) -> anyhow::Result<()> {
    run(runtime::Builder::new_current_thread(), 1, times)
}

/// The same with the runtime of the server.
///
/// # Errors
/// If one is not delivered.
pub fn one_on_workers(times: u32) -> anyhow::Result<()> {
    run(runtime::Builder::new_multi_thread(), 1, times)
}

/// The same with 64 messages at once, each of another sender to another agent.
///
/// # Errors
/// If one is not delivered.
pub fn many_on_workers(times: u32) -> anyhow::Result<()> {
    run(runtime::Builder::new_multi_thread(), AT_ONCE, times)
}

fn run(runtime: runtime::Builder, at_once: u32, times: u32) -> anyhow::Result<()> {
    let directory = directory_in(None)?;
    let store: Arc<Backend> = stored::open(directory.path())?.into();
    let (addresses, address) = channel();
    let serving = Arc::clone(&store);
    let serve = move || serve(runtime, serving, &addresses);
    thread::Builder::new().name("service".to_owned()).spawn(serve)?;
    let address = address.recv().context("the service did not begin")?;

    let mut agents =
        (0..at_once).map(|number| Agent::connect(address, number)).collect::<anyhow::Result<Vec<_>>>()?;
    let mut senders = agents
        .iter()
        .map(|agent| Sender::connect(address, &agent.push))
        .collect::<anyhow::Result<Vec<_>>>()?;
    for _ in 0..times {
        senders.iter_mut().try_for_each(Sender::post)?;
        senders.iter_mut().try_for_each(Sender::created)?;
        agents.iter_mut().try_for_each(Agent::acknowledge_next)?;
    }
    Ok(())
}

/// Serves until the process ends.
fn serve(
    mut runtime: runtime::Builder,
    store: Arc<Backend>,
    addresses: &mpsc::Sender<SocketAddr>,
) -> anyhow::Result<()> {
    runtime.worker_threads(WORKERS).enable_all().build()?.block_on(async {
        let listener = bind::bind("127.0.0.1", 0).await?;
        let address = listener.local_addr()?;
        let service = Service::new(Setup::new(store, samples::keyring()?, format!("http://{address}")));
        addresses.send(address)?;
        let drain = Drain::default();
        // Without `settling::start`, which settles by the clock. So acknowledgements are settled in batches of 64.
        let server = HttpServer::new(Arc::clone(&service), HttpConfig::default());
        let connections =
            Arc::new(Connections::new(Some(256), NetworkLimit::Off, Arc::clone(&service.metrics)));
        let front = Front { connections, proxy_protocol: false, tls: None, protocol: FrontProtocol::Http };
        let _ = listen::start(listener, front, server, drain.draining()).await;
        Ok(())
    })
}

/// The client's side of a connection.
struct Line {
    socket: TcpStream,
    room: [u8; ROOM_BYTES],
    /// The received bytes, and how many of them were consumed.
    filled: usize,
    taken: usize,
}

impl Line {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, address.port()))?;
        socket.set_nodelay(true)?;
        Ok(Self { socket, room: [0; ROOM_BYTES], filled: 0, taken: 0 })
    }

    /// Returns the next part, whose length `measure` returns once it is complete.
    fn take(&mut self, measure: impl Fn(&[u8]) -> anyhow::Result<Option<usize>>) -> anyhow::Result<&[u8]> {
        self.room.copy_within(self.taken..self.filled, 0);
        (self.filled, self.taken) = (self.filled - self.taken, 0);
        loop {
            if let Some(length) = measure(&self.room[..self.filled])? {
                self.taken = length;
                return Ok(&self.room[..length]);
            }
            match self.socket.read(&mut self.room[self.filled..]) {
                Ok(0) => bail!("the service has closed"),
                Ok(length) => self.filled += length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Returns the length of a head without a body, once it is complete.
fn head_bytes(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    bytes.windows(END.len()).position(|window| window == END).map(|start| start + END.len())
}

fn frame_bytes(bytes: &[u8]) -> anyhow::Result<Option<usize>> {
    let frame = client::parse(bytes).map_err(|violation| anyhow!("{}", violation.reason))?;
    Ok(frame.map(|(_, length)| length))
}

/// A sender with the push URL of one agent.
struct Sender {
    line: Line,
    request: Vec<u8>,
}

impl Sender {
    fn connect(address: SocketAddr, push: &str) -> anyhow::Result<Self> {
        let mut request = format!(
            "POST {push} HTTP/1.1\r\nhost: {address}\r\nttl: 3600\r\nurgency: normal\r\ncontent-encoding: aes128gcm\r\n\
             content-length: {}\r\n\r\n",
            samples::BODY.len()
        )
        .into_bytes();
        request.extend_from_slice(&samples::BODY);
        Ok(Self { line: Line::connect(address)?, request })
    }

    fn post(&mut self) -> anyhow::Result<()> {
        Ok(self.line.socket.write_all(&self.request)?)
    }

    fn created(&mut self) -> anyhow::Result<()> {
        let head = self.line.take(|bytes| Ok(head_bytes(bytes)))?;
        ensure!(head.starts_with(b"HTTP/1.1 201 "), "refused: {}", String::from_utf8_lossy(head));
        Ok(())
    }
}

/// A connected agent with one channel.
struct Agent {
    line: Line,
    channel: String,
    /// The path of its push URL.
    push: String,
    said: String,
    frame: Vec<u8>,
}

impl Agent {
    fn connect(address: SocketAddr, number: u32) -> anyhow::Result<Self> {
        let (line, channel) = (Line::connect(address)?, uuid(u64::from(number)));
        let mut agent = Self { line, channel, push: String::new(), said: String::new(), frame: Vec::new() };
        write!(
            agent.line.socket,
            "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: push-notification\r\n\r\n"
        )?;
        let head = agent.line.take(|bytes| Ok(head_bytes(bytes)))?;
        ensure!(head.starts_with(b"HTTP/1.1 101 "), "no WebSocket: {}", String::from_utf8_lossy(head));
        agent.say(format_args!(r#"{{"messageType":"hello","use_webpush":true}}"#))?;
        ensure!(text(agent.line.take(frame_bytes)?)?.contains(r#""status":200"#), "no hello");
        let register = format!(r#"{{"messageType":"register","channelID":"{}"}}"#, agent.channel);
        agent.say(format_args!("{register}"))?;
        let registered = text(agent.line.take(frame_bytes)?)?;
        let endpoint = after(registered, r#""pushEndpoint":""#).context("no push URL")?;
        agent.push = endpoint.parse::<http::Uri>()?.path().to_owned();
        Ok(agent)
    }

    fn acknowledge_next(&mut self) -> anyhow::Result<()> {
        let notification = text(self.line.take(frame_bytes)?)?;
        let version = after(notification, r#""version":""#).context("no message")?;
        self.said.clear();
        let channel = &self.channel;
        write!(
            self.said,
            r#"{{"messageType":"ack","updates":[{{"channelID":"{channel}","version":"{version}"}}]}}"#
        )?;
        self.send()
    }

    fn say(&mut self, what: std::fmt::Arguments<'_>) -> anyhow::Result<()> {
        self.said.clear();
        self.said.write_fmt(what)?;
        self.send()
    }

    fn send(&mut self) -> anyhow::Result<()> {
        self.frame.clear();
        client::text(&mut self.frame, &self.said, MASK);
        Ok(self.line.socket.write_all(&self.frame)?)
    }
}

fn text(frame: &[u8]) -> anyhow::Result<&str> {
    match client::parse(frame) {
        Ok(Some((WebSocketMessage::Text(text), _))) => Ok(text),
        other => bail!("no text: {other:?}"),
    }
}

/// Returns the text between `start` and the next quote.
fn after<'a>(json: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = json.split_once(start)?;
    Some(rest.split_once('"')?.0)
}
