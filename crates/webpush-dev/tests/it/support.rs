//! A server, its control API, and an application server.

use serde_json::Value;
use std::collections::HashMap;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use webpush_client::encryption::{AuthSecret, PublicKey, RecipientKeys, encrypt};
use webpush_client::vapid::VapidKey;
use webpush_core::base64url;
use webpush_core::time::Timestamp;
use webpush_dev::server::{DevConfig, DevServer};

/// Far more than a response takes, so that a test that hangs fails.
const PATIENCE: Duration = Duration::from_secs(90);

/// A response.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HashMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or(Value::Null)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// A server for development.
pub(crate) struct Server {
    server: DevServer,
    /// `127.0.0.1:PORT`.
    pub(crate) authority: String,
}

impl Server {
    pub(crate) async fn start() -> Self {
        Self::start_with(DevConfig::default()).await
    }

    pub(crate) async fn start_with(config: DevConfig) -> Self {
        let server = DevServer::start(config).await.unwrap();
        let authority = server.addresses().origin().trim_start_matches("http://").to_owned();
        Self { server, authority }
    }

    pub(crate) fn ready(&self) -> Value {
        serde_json::from_str(self.server.ready_line()).unwrap()
    }

    /// Sends a request with these headers, of which `host` replaces that of the server.
    pub(crate) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Reply {
        timeout(PATIENCE, self.exchange(method, path, headers, body)).await.expect("a response in time")
    }

    async fn exchange(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.authority).await.unwrap();
        let mut head =
            format!("{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
        if !headers.iter().any(|(name, _)| *name == "host") {
            head.push_str(&format!("host: {}\r\n", self.authority));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).await.unwrap();
        let end = response.windows(4).position(|four| four == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8(response[..end].to_vec()).unwrap();
        let mut lines = head.lines();
        let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
        let mut headers = HashMap::<String, String>::new();
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            headers.entry(name.to_owned()).or_default().push_str(value);
        }
        Reply { status, headers, body: response[end + 4..].to_vec() }
    }

    /// Calls the control API with JSON. The status must be this one.
    pub(crate) async fn control(&self, method: &str, path: &str, body: Value, status: u16) -> Value {
        let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
        let reply = self.request(method, &format!("/dev{path}"), &[], &body).await;
        assert_eq!(reply.status, status, "{method} {path}: {}", reply.text());
        reply.json()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.control("GET", path, Value::Null, 200).await
    }

    /// Returns the only message that a query finds within the server's longest wait.
    pub(crate) async fn wait_for(&self, query: &str) -> Value {
        let mut found = self.get(&format!("/messages?wait=60s&{query}")).await;
        found["messages"].get_mut(0).map(Value::take).unwrap_or_else(|| panic!("no message: {query}"))
    }

    /// Returns the message that a query finds, once it is as expected.
    pub(crate) async fn wait_until(&self, query: &str, is_expected: impl Fn(&Value) -> bool) -> Value {
        let changed = async {
            let mut events = self.events("/events").await;
            loop {
                let message = self.wait_for(query).await;
                if is_expected(&message) {
                    return message;
                }
                events.next().await;
            }
        };
        timeout(PATIENCE, changed).await.expect("the message in time")
    }

    /// Opens a stream of events.
    pub(crate) async fn events(&self, path: &str) -> Events {
        let mut stream = TcpStream::connect(&self.authority).await.unwrap();
        let head = format!("GET /dev{path} HTTP/1.1\r\nhost: {}\r\n\r\n", self.authority);
        stream.write_all(head.as_bytes()).await.unwrap();
        let mut events = Events { stream, unread: String::new() };
        // The first comment: from here on nothing is missed.
        events.read_to("\n\n\r\n").await;
        events
    }

    /// Pushes a text to a subscription, as its endpoint says.
    pub(crate) async fn push(&self, subscription: &Value, text: &str, more: &[(&str, &str)]) -> Reply {
        let body = encrypt(&keys(subscription), text.as_bytes()).unwrap();
        self.push_body(subscription, &body, more).await
    }

    pub(crate) async fn push_body(&self, subscription: &Value, body: &[u8], more: &[(&str, &str)]) -> Reply {
        let (host, path) = split(subscription["endpoint"].as_str().unwrap());
        let mut headers = vec![("host", host), ("content-encoding", "aes128gcm")];
        if !more.iter().any(|(name, _)| *name == "ttl") {
            headers.push(("ttl", "60"));
        }
        headers.extend(more);
        self.request("POST", path, &headers, body).await
    }
}

/// A stream of server-sent events, in chunks of HTTP/1.1.
pub(crate) struct Events {
    stream: TcpStream,
    unread: String,
}

impl Events {
    /// Waits for the next message.
    pub(crate) async fn next(&mut self) -> Value {
        loop {
            let chunk = self.read_to("\n\n\r\n").await;
            if let Some((_, data)) = chunk.split_once("event: message\ndata: ") {
                return serde_json::from_str(data).unwrap();
            }
        }
    }

    async fn read_to(&mut self, end: &str) -> String {
        loop {
            if let Some(at) = self.unread.find(end) {
                let rest = self.unread.split_off(at + end.len());
                let mut read = std::mem::replace(&mut self.unread, rest);
                read.truncate(at);
                return read;
            }
            let mut buffer = [0; 4096];
            let length = self.stream.read(&mut buffer).await.unwrap();
            assert_ne!(length, 0, "the stream has ended");
            self.unread.push_str(std::str::from_utf8(&buffer[..length]).unwrap());
        }
    }
}

/// An application server with a key.
pub(crate) struct Application(VapidKey);

impl Application {
    pub(crate) fn new() -> Self {
        Self(VapidKey::generate().unwrap())
    }

    pub(crate) fn key(&self) -> String {
        self.0.public()
    }

    /// Returns the header for an endpoint, at a time.
    pub(crate) fn authorization(&self, subscription: &Value, now: Timestamp) -> String {
        let endpoint = subscription["endpoint"].as_str().unwrap();
        let (host, _) = split(endpoint);
        let scheme = endpoint.split("://").next().unwrap();
        self.0.authorization(&format!("{scheme}://{host}"), Some("mailto:dev@example.com"), now).unwrap()
    }
}

/// The real time, at which tests sign.
pub(crate) fn now() -> Timestamp {
    webpush_service::system::env().now()
}

/// Splits a URL into authority and path.
fn split(url: &str) -> (&str, &str) {
    let rest = url.split("://").nth(1).unwrap();
    rest.split_at(rest.find('/').unwrap())
}

fn keys(subscription: &Value) -> RecipientKeys {
    let bytes = |name| base64url::decode_lenient(subscription["keys"][name].as_str().unwrap()).unwrap();
    RecipientKeys {
        p256dh: PublicKey::from_bytes(&bytes("p256dh")).unwrap(),
        auth: AuthSecret::from_bytes(&bytes("auth")).unwrap(),
    }
}
