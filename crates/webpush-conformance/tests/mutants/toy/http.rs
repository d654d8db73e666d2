//! HTTP/2: requests, and responses of them.

use super::delivery;
use super::requests;
use super::state::Toy;
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{HeaderMap, Method, Request, Response};
use std::sync::Arc;
use tokio::net::TcpStream;

/// A request with its body.
pub(crate) struct ToyRequest {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Status, header fields and body.
pub(crate) type ToyResponse = (u16, Vec<(&'static str, String)>, Bytes);

pub(crate) fn status(status: u16) -> ToyResponse {
    (status, Vec::new(), Bytes::new())
}

impl ToyRequest {
    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap_or_default())
    }

    pub(crate) fn count(&self, name: &str) -> usize {
        self.headers.get_all(name).iter().count()
    }

    pub(crate) fn prefers(&self, preference: &str) -> bool {
        let all = self.field("prefer").unwrap_or_default().to_ascii_lowercase();
        all.split([',', ';']).any(|one| one.trim() == preference)
    }
}

pub(crate) async fn connection(socket: TcpStream, toy: Arc<Toy>) {
    let Ok(mut connection) = h2::server::handshake(socket).await else { return };
    while let Some(Ok((request, respond))) = connection.accept().await {
        tokio::spawn(exchange(request, respond, Arc::clone(&toy)));
    }
}

async fn exchange(request: Request<RecvStream>, mut respond: SendResponse<Bytes>, toy: Arc<Toy>) {
    let (head, mut stream) = request.into_parts();
    let mut body = Vec::new();
    while let Some(Ok(part)) = stream.data().await {
        let _ = stream.flow_control().release_capacity(part.len());
        body.extend_from_slice(&part);
    }
    let path = head.uri.path().to_owned();
    let request = ToyRequest { method: head.method, path, headers: head.headers, body: body.into() };
    if let Some(resource) = delivery::monitored(&request) {
        delivery::monitor(&request, resource, &mut respond, &toy).await;
        return;
    }
    let (status, fields, body) = requests::respond(&request, &toy);
    send(&mut respond, status, &fields, body);
}

pub(crate) fn send(
    respond: &mut SendResponse<Bytes>,
    status: u16,
    fields: &[(&'static str, String)],
    body: Bytes,
) {
    let mut response = Response::builder().status(status);
    for (name, value) in fields {
        response = response.header(*name, value);
    }
    let sent = respond.send_response(response.body(()).unwrap(), body.is_empty());
    if let (Ok(mut stream), false) = (sent, body.is_empty()) {
        let _ = stream.send_data(body, true);
    }
}
