//! A message through a whole service in this process.
//!
//! It is posted over HTTP/1.1, stored durably, delivered on a WebSocket, acknowledged and settled. Only one message is in
//! flight, and the clients are blocking sockets that allocate nothing.

use super::samples::{self, AGENT, CHANNEL, KEY, MASK, SUBSCRIPTION};
use super::stored;
use crate::target::directory_in;
use anyhow::{Context as _, anyhow, bail, ensure};
use std::fmt::Write as _;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel, sync_channel};
use std::thread;
use webpush_core::capability::Capability;
use webpush_core::protocol::autopush::names;
use webpush_core::subscription::Protocol;
use webpush_core::websocket::{WebSocketMessage, client};
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::bind;
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_service::drain::Drain;
use webpush_service::service::{Service, Setup};
use webpush_store::{Backend, Durability};

/// More than any response or frame here needs.
const ROOM_BYTES: usize = 4096;

/// Posts a message and acknowledges it, `times` times.
///
/// # Errors
/// If one is not delivered, or not settled at the end.
pub fn run(times: u32) -> anyhow::Result<()> {
    let directory = directory_in(None)?;
    let store: Arc<Backend> = stored::open(directory.path())?.into();
    let (answers, answered) = sync_channel(1);
    let seed = stored::seed(Protocol::Autopush(CHANNEL));
    stored::commit(&*store, seed, Durability::Durable, &answers, &answered)?;
    let push = samples::keyring()?.path(&Capability::Push(AGENT, SUBSCRIPTION), KEY).context("no URL")?;
    let (addresses, address) = channel();
    let serving = Arc::clone(&store);
    thread::Builder::new().name("service".to_owned()).spawn(move || serve(serving, &addresses))?;
    let address = address.recv().context("the service did not begin")?;

    let mut agent = Agent::connect(address)?;
    let mut sender = Line::connect(address)?;
    let mut request = format!(
        "POST {push} HTTP/1.1\r\nhost: {address}\r\nttl: 3600\r\nurgency: normal\r\ncontent-encoding: aes128gcm\r\n\
         content-length: {}\r\n\r\n",
        samples::BODY.len()
    )
    .into_bytes();
    request.extend_from_slice(&samples::BODY);
    for _ in 0..times {
        sender.socket.write_all(&request)?;
        let head = sender.take(|bytes| Ok(head_bytes(bytes)))?;
        ensure!(head.starts_with(b"HTTP/1.1 201 "), "refused: {}", String::from_utf8_lossy(head));
        agent.acknowledge_next()?;
    }
    Ok(())
}

/// Serves until the process ends.
fn serve(store: Arc<Backend>, addresses: &Sender<SocketAddr>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = bind::bind("127.0.0.1", 0).await?;
        let address = listener.local_addr()?;
        let service = Service::new(Setup::new(store, samples::keyring()?, format!("http://{address}")));
        addresses.send(address)?;
        let drain = Drain::default();
        // Without `settling::start`, which settles by the clock. So acknowledgements are settled in batches of 64.
        let server = HttpServer::new(Arc::clone(&service), HttpConfig::default());
        let connections =
            Arc::new(Connections::new(Some(8), NetworkLimit::Off, Arc::clone(&service.metrics)));
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

/// A connected agent.
struct Agent {
    line: Line,
    said: String,
    frame: Vec<u8>,
}

impl Agent {
    fn connect(address: SocketAddr) -> anyhow::Result<Self> {
        let mut agent = Self { line: Line::connect(address)?, said: String::new(), frame: Vec::new() };
        write!(
            agent.line.socket,
            "GET / HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             sec-websocket-protocol: push-notification\r\n\r\n"
        )?;
        let head = agent.line.take(|bytes| Ok(head_bytes(bytes)))?;
        ensure!(head.starts_with(b"HTTP/1.1 101 "), "no WebSocket: {}", String::from_utf8_lossy(head));
        let uaid = names::uaid(AGENT);
        agent.say(format_args!(r#"{{"messageType":"hello","uaid":"{uaid}","use_webpush":true}}"#))?;
        let hello = agent.line.take(frame_bytes)?;
        ensure!(text(hello)?.contains(&uaid), "it is taken for another agent");
        Ok(agent)
    }

    fn acknowledge_next(&mut self) -> anyhow::Result<()> {
        let notification = text(self.line.take(frame_bytes)?)?;
        let version = notification.split_once(r#""version":""#).and_then(|(_, rest)| rest.split_once('"'));
        let (version, _) = version.context("no message")?;
        self.said.clear();
        let channel = "c4c4c4c4-c4c4-c4c4-c4c4-c4c4c4c4c4c4";
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
