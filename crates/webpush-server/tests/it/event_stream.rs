//! A reader of server-sent events, over HTTP/2 or handwritten HTTP/1.1.

use crate::support::{Http2Client, Server, soon};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Version {
    Http1,
    Http2,
}

pub(crate) const BOTH: [Version; 2] = [Version::Http1, Version::Http2];

/// A response that is read event by event.
pub(crate) struct Events {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    source: Source,
    read: String,
}

enum Source {
    Http1(BufReader<TcpStream>),
    Http2 {
        body: h2::RecvStream,
        /// Keeps the connection open.
        _peer: Http2Client,
    },
}

/// One event.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: String,
    pub(crate) id: Option<String>,
    pub(crate) data: Value,
}

impl Event {
    pub(crate) fn url(&self) -> &str {
        self.data["url"].as_str().unwrap()
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        use base64::Engine as _;
        let body = self.data["body"].as_str().unwrap();
        base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(body).unwrap()
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body()).unwrap()
    }
}

impl Events {
    /// Requests events.
    pub(crate) async fn open(server: &Server, version: Version, url: &str, more: &[(&str, &str)]) -> Self {
        let headers: Vec<_> = more.iter().copied().chain([("accept", "text/event-stream")]).collect();
        match version {
            Version::Http1 => Self::open_http1(server, url, &headers).await,
            Version::Http2 => Self::open_http2(server.connect().await, url, &headers).await,
        }
    }

    async fn open_http1(server: &Server, url: &str, headers: &[(&str, &str)]) -> Self {
        let path = url.strip_prefix(&server.origin).unwrap();
        let mut request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n", server.address);
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        let mut stream = TcpStream::connect(&server.address).await.unwrap();
        stream.write_all(format!("{request}\r\n").as_bytes()).await.unwrap();
        let mut stream = BufReader::new(stream);
        let first = line(&mut stream).await;
        let status = first.strip_prefix("HTTP/1.1 ").unwrap()[..3].parse().unwrap();
        let mut headers = HeaderMap::new();
        loop {
            let line = line(&mut stream).await;
            let Some((name, value)) = line.split_once(": ") else { break };
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        Self { status, headers, source: Source::Http1(stream), read: String::new() }
    }

    pub(crate) async fn open_http2(mut peer: Http2Client, url: &str, headers: &[(&str, &str)]) -> Self {
        let (head, body) = peer.open(url, headers).await.into_parts();
        let source = Source::Http2 { body, _peer: peer };
        Self { status: head.status, headers: head.headers, source, read: String::new() }
    }

    /// Closes the sending side of HTTP/1.1.
    pub(crate) async fn half_close(&mut self) {
        if let Source::Http1(stream) = &mut self.source {
            stream.shutdown().await.unwrap();
        }
    }

    /// Returns the next block; `None` at the end of the stream.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.read.find("\n\n") {
                let rest = self.read.split_off(end + 2);
                return Some(std::mem::replace(&mut self.read, rest));
            }
            match soon("more of the stream", self.part()).await {
                Some(part) => self.read.push_str(std::str::from_utf8(&part).unwrap()),
                None => {
                    assert_eq!(self.read, "", "it ended within an event");
                    return None;
                }
            }
        }
    }

    async fn part(&mut self) -> Option<Vec<u8>> {
        match &mut self.source {
            Source::Http1(stream) => {
                let length = usize::from_str_radix(&line(stream).await, 16).unwrap();
                let mut part = vec![0; length + 2];
                stream.read_exact(&mut part).await.unwrap();
                part.truncate(length);
                (length > 0).then_some(part)
            }
            Source::Http2 { body, .. } => {
                let part = body.data().await?.unwrap();
                body.flow_control().release_capacity(part.len()).unwrap();
                Some(part.to_vec())
            }
        }
    }

    /// Returns the next event; `None` at the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let field = |name: &str| {
                let prefix = format!("{name}: ");
                block.lines().find_map(|line| line.strip_prefix(&prefix)).map(str::to_owned)
            };
            if let Some(kind) = field("event") {
                let data = serde_json::from_str(&field("data").unwrap()).unwrap();
                return Some(Event { kind, id: field("id"), data });
            }
            assert!(block.starts_with("retry: ") || block.starts_with(':'), "{block}");
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        self.next_or_end().await.expect("an event")
    }

    /// Returns the rest.
    pub(crate) async fn rest(mut self) -> Vec<Event> {
        let mut rest = Vec::new();
        while let Some(event) = self.next_or_end().await {
            rest.push(event);
        }
        rest
    }
}

async fn line(stream: &mut BufReader<TcpStream>) -> String {
    let mut line = String::new();
    soon("a line", stream.read_line(&mut line)).await.unwrap();
    line.trim_end().to_owned()
}

/// Returns the texts of messages, in order.
pub(crate) fn texts(events: &[Event]) -> Vec<String> {
    events.iter().map(Event::text).collect()
}
