//! Requests over HTTP/2, several at once on one connection.
//!
//! [`crate::post`] is the sender whose cost is measured; this one is for everything else.

use crate::dial::{Dialer, Speak};
use anyhow::{Context as _, ensure};
use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, StatusCode};

/// Streams that the server may push.
const PUSHED_STREAMS: u32 = 4096;

/// A connection. Clones share it.
#[derive(Clone)]
pub struct Client {
    send: SendRequest<Bytes>,
    origin: String,
}

/// A complete response.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Bytes,
}

impl Client {
    /// Connects, with this flow-control window for each stream.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn connect(dialer: &Dialer, window: u32) -> anyhow::Result<Self> {
        let stream = dialer.connect(Speak::Http2).await?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).max_concurrent_streams(PUSHED_STREAMS);
        let (send, connection) = builder.handshake(stream).await?;
        // Every request on it notices its end.
        tokio::spawn(connection);
        Ok(Self { send, origin: dialer.origin() })
    }

    /// Begins a request for a URL or path, when the server allows another stream.
    ///
    /// # Errors
    /// If the connection ends, or the request is invalid.
    pub async fn begin(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        has_body: bool,
    ) -> anyhow::Result<(ResponseFuture, SendStream<Bytes>)> {
        let origin = if url.starts_with('/') { self.origin.as_str() } else { "" };
        let mut request = Request::builder().method(method).uri(format!("{origin}{url}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Ok(self.send.clone().ready().await?.send_request(request.body(())?, !has_body)?)
    }

    /// Sends a request and reads its response.
    ///
    /// # Errors
    /// If the connection ends, or the request is invalid.
    pub async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        finish(self.begin(method, url, headers, !body.is_empty()).await?, body).await
    }

    /// Sends a request that must succeed.
    ///
    /// # Errors
    /// If it does not.
    pub async fn must(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let answer = self.ask(method, url, headers, body).await?;
        ensure!(answer.status.is_success(), "{method} returned {}", answer.status);
        Ok(answer)
    }
}

impl Answer {
    /// Returns the URL in `Location`.
    ///
    /// # Errors
    /// If there is none.
    pub fn location(&self) -> anyhow::Result<&str> {
        let value = self.headers.get("location").and_then(|value| value.to_str().ok());
        value.context("a response has no Location")
    }

    /// Returns the target of a link relation.
    ///
    /// # Errors
    /// If there is none.
    pub fn link(&self, relation: &str) -> anyhow::Result<&str> {
        let values = self.headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
        let wanted = format!("rel=\"{relation}\"");
        let link = values.flat_map(|value| value.split(", ")).find(|link| link.contains(&wanted));
        let target = link.and_then(|link| link.strip_prefix('<')?.split_once('>'));
        target.map(|(target, _)| target).with_context(|| format!("a response has no link {relation}"))
    }
}

/// Sends the body of a request that has begun, and reads the response.
///
/// # Errors
/// If the connection ends, or the stream is reset.
pub async fn finish(
    (response, mut stream): (ResponseFuture, SendStream<Bytes>),
    body: Bytes,
) -> anyhow::Result<Answer> {
    if !body.is_empty() {
        // Fails if the server has refused the request before it read the body (RFC 9113 §8.1). The response says why.
        stream.send_data(body, true).ok();
    }
    let (head, body) = response.await?.into_parts();
    Ok(Answer { status: head.status, headers: head.headers, body: read(body).await? })
}

/// Reads a body.
///
/// # Errors
/// If the connection ends, or the stream is reset.
pub async fn read(mut body: RecvStream) -> anyhow::Result<Bytes> {
    let mut whole = BytesMut::new();
    while let Some(data) = body.data().await {
        let data = data?;
        body.flow_control().release_capacity(data.len())?;
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}
