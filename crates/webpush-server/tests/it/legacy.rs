//! The legacy (2015) API (draft-thomson-webpush-http2), as its clients use it.

mod api;
mod arrival;
mod inbox;
mod refusals;

use crate::support::{Http2Client, Server, header};
use bytes::Bytes;
use http::{Method, Response, StatusCode};
use std::collections::BTreeMap;

/// A device with one channel.
struct Device {
    /// The URL at which it receives.
    url: String,
    /// Returns its links by relation, resolved.
    links: BTreeMap<String, String>,
    channel: String,
    update: String,
}

async fn with_device() -> (Server, Http2Client, Device) {
    let server = Server::start();
    let mut peer = server.connect().await;
    let device = register(&server, &mut peer).await;
    (server, peer, device)
}

async fn register(server: &Server, peer: &mut Http2Client) -> Device {
    let response = peer.post("/devices", &[], "").await;
    assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
    let url = header(&response, "location").to_owned();
    let links = links(&response, &server.origin);
    let (channel, update) = subscribe(server, peer, &links["urn:ietf:params:push:sub"]).await;
    Device { url, links, channel, update }
}

/// Creates a channel; returns its URL for the agent and that for senders.
async fn subscribe(server: &Server, peer: &mut Http2Client, channels: &str) -> (String, String) {
    let response = peer.post(channels, &[], "").await;
    assert_eq!(response.status(), StatusCode::CREATED, "{:?}", response.body());
    let channel = links(&response, &server.origin)["urn:ietf:params:push"].clone();
    (channel, header(&response, "location").to_owned())
}

/// Returns two channels of one device, each with the URL of the agent and that of the senders.
pub(crate) async fn two_channels(
    server: &Server,
    peer: &mut Http2Client,
) -> ((String, String), (String, String)) {
    let device = register(server, peer).await;
    let second = subscribe(server, peer, &device.links["urn:ietf:params:push:sub"]).await;
    ((device.channel, device.update), second)
}

/// Returns the links of a response that has them in one header.
fn links(response: &Response<Bytes>, origin: &str) -> BTreeMap<String, String> {
    assert_eq!(response.headers().get_all("link").iter().count(), 1);
    let parsed = header(response, "link").split(", ").map(|link| {
        let (target, rel) = link.strip_prefix('<').unwrap().split_once(">; rel=\"").unwrap();
        let target = if target.starts_with('/') { format!("{origin}{target}") } else { target.to_owned() };
        (rel.strip_suffix('"').unwrap().to_owned(), target)
    });
    parsed.collect()
}

async fn put(
    peer: &mut Http2Client,
    url: &str,
    headers: &[(&str, &str)],
    body: &'static str,
) -> Response<Bytes> {
    peer.request(Method::PUT, url, headers, body).await
}

/// Sends a message that must be accepted.
pub(crate) async fn send(peer: &mut Http2Client, update: &str, body: &'static str) {
    let response = put(peer, update, &[], body).await;
    assert_eq!(response.status(), StatusCode::OK, "{:?}", response.body());
}

/// Sends a message that asks for a receipt; returns its URL and that of the receipts.
async fn send_for_receipt(peer: &mut Http2Client, update: &str, body: &'static str) -> (String, String) {
    let response = put(peer, update, &[("prefer", "respond-async")], body).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED, "{:?}", response.body());
    let receipts = crate::support::link(response.headers(), "urn:ietf:params:push:receipt");
    (header(&response, "location").to_owned(), receipts)
}
