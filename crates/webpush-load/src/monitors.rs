//! RFC 8030 agents over HTTP/2 server push.
//!
//! Each keeps a GET open, and acknowledges every pushed message with DELETE.

use crate::body;
use crate::dial::{Dialer, Speak};
use crate::tally::Tally;
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use h2::client::{PushedResponseFuture, SendRequest};
use http::{Method, Request, StatusCode, Uri};
use std::future::poll_fn;
use std::sync::Arc;

/// Concurrent pushes that a client allows on one connection.
const PUSHED_STREAMS: u32 = 256;

/// The connection of an agent, or of a proxy with many agents behind it. Clones share it.
#[derive(Clone)]
pub struct Connection {
    send: SendRequest<Bytes>,
    origin: String,
}

/// The subscription of an agent.
#[derive(Clone, Debug)]
pub struct Subscription {
    /// The push resource for senders, a URL.
    pub push: String,
    /// The subscription resource, a URL.
    resource: String,
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    /// If there is no connection.
    pub async fn open(dialer: &Dialer) -> anyhow::Result<Self> {
        let stream = dialer.connect(Speak::Http2).await?;
        let mut builder = h2::client::Builder::new();
        let (send, connection) = builder.max_concurrent_streams(PUSHED_STREAMS).handshake(stream).await?;
        // Every request on it notices its end.
        tokio::spawn(connection);
        Ok(Self { send, origin: dialer.origin() })
    }

    /// Subscribes (RFC 8030 §4).
    ///
    /// # Errors
    /// If the server refuses.
    pub async fn subscribe(&self) -> anyhow::Result<Subscription> {
        let request = Request::post(format!("{}/subscribe", self.origin)).body(())?;
        let answer = self.send.clone().ready().await?.send_request(request, true)?.0.await?;
        ensure!(answer.status() == StatusCode::CREATED, "subscribing returned {}", answer.status());
        let headers = answer.headers();
        let resource = headers.get("location").and_then(|value| value.to_str().ok()).map(str::to_owned);
        let links = headers.get_all("link").iter().filter_map(|value| value.to_str().ok());
        let push = links.filter_map(push_link).next().map(str::to_owned);
        Ok(Subscription {
            push: push.context("a subscription has no push resource")?,
            resource: resource.context("a subscription has no resource")?,
        })
    }

    /// Keeps a request for a subscription open, and receives pushed messages endlessly.
    ///
    /// # Errors
    /// If the server responds to the request, after which it pushes no more.
    pub async fn listen(self, subscription: Subscription, tally: Arc<Tally>) -> anyhow::Result<()> {
        let request = Request::get(subscription.resource.as_str()).body(())?;
        drop(subscription);
        let mut answer = self.send.clone().ready().await?.send_request(request, true)?.0;
        let mut promises = answer.push_promises();
        while let Some(promise) = poll_fn(|cx| promises.poll_push_promise(cx)).await {
            let (request, response) = promise?.into_parts();
            let (send, tally) = (self.send.clone(), Arc::clone(&tally));
            // The next one must not wait for the acknowledgement of this one.
            tokio::spawn(async move { take(send, request.uri().clone(), response, &tally).await });
        }
        anyhow::bail!("the held request returned {}", answer.await?.status())
    }
}

/// Reads a message and acknowledges it (RFC 8030 §6.2).
///
/// A message that is lost with its connection is missing from the tally.
async fn take(
    mut send: SendRequest<Bytes>,
    message: Uri,
    response: PushedResponseFuture,
    tally: &Tally,
) -> anyhow::Result<()> {
    let mut stream = response.await?.into_body();
    let mut bytes = Vec::new();
    while let Some(part) = stream.data().await {
        let part = part?;
        bytes.extend_from_slice(&part);
        stream.flow_control().release_capacity(part.len())?;
    }
    body::stamp(&bytes).into_iter().for_each(|stamp| tally.received(stamp));
    let request = Request::builder().method(Method::DELETE).uri(message).body(())?;
    send = send.ready().await?;
    let answer = send.send_request(request, true)?.0.await?;
    ensure!(answer.status() == StatusCode::NO_CONTENT, "an acknowledgement returned {}", answer.status());
    tally.acknowledged();
    Ok(())
}

/// `<URL>; rel="urn:ietf:params:push"`.
fn push_link(link: &str) -> Option<&str> {
    let (url, rest) = link.strip_prefix('<')?.split_once('>')?;
    rest.contains("\"urn:ietf:params:push\"").then_some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_push_resource_is_found_among_links() {
        assert_eq!(push_link(r#"</p/1>; rel="urn:ietf:params:push""#), Some("/p/1"));
        assert_eq!(push_link(r#"</s/1>; rel="urn:ietf:params:push:set""#), None);
        assert_eq!(push_link("nothing"), None);
    }
}
