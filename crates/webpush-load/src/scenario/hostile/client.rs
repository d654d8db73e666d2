//! A connection of an attacker over HTTP/2.

use crate::dial::{Dialer, Speak};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};

/// Streams that the server may push.
const PUSHED_STREAMS: u32 = 4096;

/// A connection. Clones share it.
#[derive(Clone)]
pub(super) struct Client {
    send: SendRequest<Bytes>,
    origin: String,
}

/// A complete response.
pub(super) struct Answer {
    pub(super) headers: HeaderMap,
}

impl Client {
    /// Connects, with this flow-control window for each stream.
    pub(super) async fn connect(dialer: &Dialer, window: u32) -> anyhow::Result<Self> {
        let stream = dialer.connect(Speak::Http2).await?;
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(window).max_concurrent_streams(PUSHED_STREAMS);
        let (send, connection) = builder.handshake(stream).await?;
        // Every request on it notices its end.
        tokio::spawn(connection);
        Ok(Self { send, origin: dialer.origin() })
    }

    /// Begins a request for a URL or path, when the server allows another stream.
    pub(super) async fn begin(
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
    pub(super) async fn ask(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Response<()>> {
        finish(self.begin(method, url, headers, !body.is_empty()).await?, body).await
    }

    /// Sends a request that must succeed.
    pub(super) async fn must(
        &self,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Bytes,
    ) -> anyhow::Result<Answer> {
        let response = self.ask(method, url, headers, body).await?;
        let status = response.status();
        ensure!(status.is_success(), "{method} returned {status}");
        Ok(Answer { headers: response.into_parts().0.headers })
    }
}

impl Answer {
    /// Returns the URL in `Location`.
    pub(super) fn location(&self) -> anyhow::Result<&str> {
        let value = self.headers.get("location").and_then(|value| value.to_str().ok());
        value.context("a response has no Location")
    }

    /// Returns the target of a link relation.
    pub(super) fn link(&self, relation: &str) -> anyhow::Result<&str> {
        let values = self.headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
        let wanted = format!("rel=\"{relation}\"");
        let link = values.flat_map(|value| value.split(", ")).find(|link| link.contains(&wanted));
        let target = link.and_then(|link| link.strip_prefix('<')?.split_once('>'));
        target.map(|(target, _)| target).with_context(|| format!("a response has no link {relation}"))
    }
}

/// Sends the body of a request that has begun, and reads the response.
pub(super) async fn finish(
    (response, mut stream): (ResponseFuture, SendStream<Bytes>),
    body: Bytes,
) -> anyhow::Result<Response<()>> {
    if !body.is_empty() {
        stream.send_data(body, true)?;
    }
    let (head, body) = response.await?.into_parts();
    read(body).await?;
    Ok(Response::from_parts(head, ()))
}

async fn read(mut body: RecvStream) -> anyhow::Result<()> {
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    Ok(())
}
