//! An autopush agent that writes its own frames, including invalid ones.

use crate::support::{Http2Client, Server, soon};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

/// The first byte of an unfragmented text message.
pub(crate) const TEXT: u8 = 0x81;
pub(crate) const BINARY: u8 = 0x82;
pub(crate) const CLOSE: u8 = 0x88;
pub(crate) const PING: u8 = 0x89;
pub(crate) const PONG: u8 = 0x8a;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A connection after the WebSocket handshake.
pub(crate) struct Agent<S = TcpStream> {
    stream: BufReader<S>,
}

/// A frame from the server.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    Text(String),
    Ping,
    Pong(Vec<u8>),
    Close(Option<u16>, String),
}

/// A received message.
#[derive(Debug)]
pub(crate) struct Notification {
    pub(crate) channel: String,
    pub(crate) version: String,
    /// The body, if it is text.
    pub(crate) text: String,
}

/// Starts a server; returns it with a sender and an agent with one channel.
pub(crate) async fn with_channel(args: &[&str]) -> (Server, Http2Client, Registered) {
    let server = Server::start_with(args);
    let sender = server.connect().await;
    let registered = Registered::new(&server).await;
    (server, sender, registered)
}

/// An agent with one channel.
pub(crate) struct Registered {
    pub(crate) agent: Agent,
    pub(crate) uaid: String,
    pub(crate) push: String,
}

impl Registered {
    pub(crate) async fn new(server: &Server) -> Self {
        let (mut agent, uaid) = Agent::new(server).await;
        let push = agent.register(0).await;
        Self { agent, uaid, push }
    }
}

/// A `channelID`.
pub(crate) fn channel(number: u32) -> String {
    format!("c0ffee00-0123-4567-89ab-{number:012x}")
}

/// A masked frame with this first byte.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | u8::try_from(short).unwrap()),
        middle @ 126..=0xffff => {
            bytes.push(0x80 | 126);
            bytes.extend_from_slice(&u16::try_from(middle).unwrap().to_be_bytes());
        }
        long => {
            bytes.push(0x80 | 127);
            bytes.extend_from_slice(&(long as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(&MASK);
    bytes.extend(payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// Requests a WebSocket; returns the head of the response, and the socket if it was opened.
pub(crate) async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    path: &str,
    headers: &str,
) -> (String, Option<Agent<S>>) {
    let mut stream = BufReader::new(stream);
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(soon("the head of an answer", stream.read_u8()).await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    let opened = head.starts_with("HTTP/1.1 101 ").then_some(Agent { stream });
    (head, opened)
}

impl Agent {
    /// Opens a WebSocket.
    pub(crate) async fn open(server: &Server) -> Self {
        let stream = TcpStream::connect(&server.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        open(stream, "/", "").await.1.expect("a WebSocket")
    }

    /// Connects as a new agent; returns its `uaid`.
    pub(crate) async fn new(server: &Server) -> (Self, String) {
        let mut agent = Self::open(server).await;
        let uaid = agent.hello(None).await;
        (agent, uaid)
    }

    /// Connects as a known agent.
    pub(crate) async fn again(server: &Server, uaid: &str) -> Self {
        let mut agent = Self::open(server).await;
        assert_eq!(agent.hello(Some(uaid)).await, uaid);
        agent
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Agent<S> {
    /// Uses a stream without a handshake.
    pub(crate) fn on(stream: S) -> Self {
        Self { stream: BufReader::new(stream) }
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.try_send(bytes).await.unwrap();
    }

    /// Sends to a server that may have closed the connection.
    pub(crate) async fn try_send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.flush().await
    }

    /// Sends a text message.
    pub(crate) async fn send_text(&mut self, text: impl ToString) {
        self.send(&frame(TEXT, text.to_string().as_bytes())).await;
    }

    /// Returns the next frame; `None` at the end of the connection.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        soon("a frame or the end", self.read_frame()).await
    }

    async fn read_frame(&mut self) -> Option<Frame> {
        let first = self.stream.read_u8().await.ok()?;
        let length = match self.stream.read_u8().await.ok()? {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            short @ 0..126 => u64::from(short),
            masked => panic!("a service does not mask: {masked:#x}"),
        };
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        Some(match first {
            TEXT => Frame::Text(text(&payload)),
            PING if payload.is_empty() => Frame::Ping,
            PONG => Frame::Pong(payload),
            CLOSE => match payload.split_first_chunk() {
                Some((code, reason)) => Frame::Close(Some(u16::from_be_bytes(*code)), text(reason)),
                None => Frame::Close(None, text(&payload)),
            },
            other => panic!("a frame that begins with {other:#x}"),
        })
    }

    /// Returns the next frame, which must be a text message.
    pub(crate) async fn text(&mut self) -> String {
        match self.next().await {
            Some(Frame::Text(text)) => text,
            other => panic!("{other:?} came instead of a text message"),
        }
    }

    /// [`Agent::text`], which is JSON.
    pub(crate) async fn receive(&mut self) -> Value {
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Sends a request and returns the response.
    pub(crate) async fn ask(&mut self, request: &Value) -> Value {
        self.send_text(request).await;
        self.receive().await
    }

    /// Waits for a close frame and the end of the connection; returns code and reason.
    pub(crate) async fn closed(&mut self) -> (Option<u16>, String) {
        match self.next().await {
            Some(Frame::Close(code, reason)) => {
                let answer = code.map(|code| code.to_be_bytes().to_vec()).unwrap_or_default();
                // After a violation the server may have stopped reading.
                let _ = self.try_send(&frame(CLOSE, &answer)).await;
                assert_eq!(self.next().await, None, "nothing follows a close");
                (code, reason)
            }
            other => panic!("{other:?} came instead of a close"),
        }
    }

    pub(crate) async fn assert_closed(&mut self, code: u16, why: &str) {
        let (closed, reason) = self.closed().await;
        assert!(closed == Some(code) && reason.contains(why), "{closed:?} {reason}");
    }

    /// Says hello; returns the `uaid`.
    pub(crate) async fn hello(&mut self, uaid: Option<&str>) -> String {
        let hello = json!({"messageType": "hello", "uaid": uaid, "broadcasts": {}, "use_webpush": true});
        let reply = self.ask(&hello).await;
        assert_eq!((&reply["messageType"], &reply["status"]), (&json!("hello"), &json!(200)));
        reply["uaid"].as_str().unwrap().to_owned()
    }

    /// Registers a channel; returns its push URL.
    pub(crate) async fn register(&mut self, number: u32) -> String {
        let reply = self.try_register(&channel(number), None).await;
        assert_eq!(reply["status"], 200, "{reply}");
        reply["pushEndpoint"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn try_register(&mut self, channel: &str, key: Option<&str>) -> Value {
        let reply = self.ask(&json!({"messageType": "register", "channelID": channel, "key": key})).await;
        assert_eq!((&reply["messageType"], &reply["channelID"]), (&json!("register"), &json!(channel)));
        reply
    }

    pub(crate) async fn unregister(&mut self, number: u32) {
        let request = json!({"messageType": "unregister", "channelID": channel(number), "code": 200});
        let expected = json!({"messageType": "unregister", "channelID": channel(number), "status": 200});
        assert_eq!(self.ask(&request).await, expected);
    }

    /// Returns the next frame, which must be a notification.
    pub(crate) async fn notification(&mut self) -> Notification {
        notification(&self.receive().await)
    }

    /// Receives a number of notifications.
    pub(crate) async fn notifications(&mut self, number: usize) -> Vec<Notification> {
        let mut all = Vec::with_capacity(number);
        for _ in 0..number {
            all.push(self.notification().await);
        }
        all
    }

    pub(crate) async fn urgency(&mut self, min: &str) {
        let reply = self.ask(&json!({"messageType": "urgency", "min": min})).await;
        assert_eq!(reply, json!({"messageType": "urgency", "status": 200}));
    }

    /// Acknowledges as Sunup and KUnifiedPush do, without a code.
    pub(crate) async fn ack(&mut self, notifications: impl IntoIterator<Item = &Notification>) {
        let updates: Vec<_> = notifications
            .into_iter()
            .map(|it| json!({"channelID": it.channel, "version": it.version}))
            .collect();
        self.send_text(json!({"messageType": "ack", "updates": updates})).await;
    }

    /// Waits until the server has handled everything sent so far.
    pub(crate) async fn ping(&mut self) {
        self.send_text("{}").await;
        assert_eq!(self.text().await, "{}");
    }

    /// Disconnects without a close frame after the server has read everything. Ignores earlier frames.
    pub(crate) async fn leave(mut self) {
        self.send_text("{}").await;
        while self.text().await != "{}" {}
    }
}

/// Returns the texts of notifications, in order.
/// Reads a frame that must be a notification.
pub(crate) fn notification(frame: &Value) -> Notification {
    assert_eq!(frame["messageType"], "notification", "{frame}");
    let data = URL_SAFE_NO_PAD.decode(frame["data"].as_str().unwrap_or_default()).unwrap();
    Notification {
        channel: frame["channelID"].as_str().unwrap().to_owned(),
        version: frame["version"].as_str().unwrap().to_owned(),
        text: String::from_utf8(data).unwrap(),
    }
}

pub(crate) fn texts(notifications: &[Notification]) -> Vec<&str> {
    notifications.iter().map(|it| it.text.as_str()).collect()
}

/// Pushes numbered messages in order.
pub(crate) async fn push_many(sender: &mut Http2Client, url: &str, numbers: std::ops::Range<usize>) {
    for number in numbers {
        push(sender, url, &[("ttl", "600")], number.to_string()).await;
    }
}

/// Pushes a message that must be accepted; returns its URL.
pub(crate) async fn push(
    sender: &mut Http2Client,
    url: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> String {
    let response = sender.request(Method::POST, url, headers, body).await;
    assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
    crate::support::header(&response, "location").to_owned()
}

/// Asserts that no message is waiting: a message that is pushed now arrives next.
pub(crate) async fn assert_nothing_before(agent: &mut Agent, sender: &mut Http2Client, url: &str) {
    push(sender, url, &[("ttl", "60"), ("urgency", "high")], "the next").await;
    let next = agent.notification().await;
    assert_eq!(next.text, "the next");
    agent.ack([&next]).await;
    agent.ping().await;
}
