//! Server-sent events over HTTP/2, paced by the peer's flow control and its socket.

use crate::delivery::events::{EventRequest, EventStream};
use crate::delivery::server_push::PushConnection;
use crate::h2::flow::{LEAST_PROGRESS_BYTES, Responder};
use crate::server::HttpServer;
use bytes::Bytes;
use h2::SendStream;
use h2::server::SendResponse;
use http::header::{DATE, HeaderValue};
use std::future::poll_fn;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// Serves one request for events until it ends.
pub(crate) async fn run(
    server: Arc<HttpServer>,
    request: EventRequest,
    mut respond: SendResponse<Bytes>,
    connection: PushConnection<'_>,
) {
    let PushConnection { backlog, lifetime, close_deadline, page_share, .. } = connection;
    let (begun, now) = (server.service.monotonic(), server.service.now());
    let patience = server.service.limits.load().timeouts.stall;
    let (mut head, mut events) =
        match EventStream::begin(server, request, Some(page_share), close_deadline).await {
            Ok(begun) => begun,
            Err(answer) => return Responder { respond, patience, now }.send(answer).await,
        };
    if let Ok(date) = HeaderValue::try_from(now.http_date()) {
        head.headers_mut().insert(DATE, date);
    }
    // The peer has reset the stream or is gone.
    let Ok(mut stream) = respond.send_response(head, false) else { return };
    loop {
        let Some(part) = unless_reset(&mut stream, events.next()).await else { break };
        let sent = match part {
            Some(part) => send(&mut stream, part, patience).await,
            None => return drop(stream.send_data(Bytes::new(), true)),
        };
        if sent.is_err() {
            return;
        }
        // Flow control alone would let the parts of all streams pile up in memory: the peer's windows may be huge.
        backlog.record_body();
        if unless_reset(&mut stream, backlog.written()).await.is_none() {
            break;
        }
    }
    lifetime.record_session_reset(begun, events.server().service.monotonic());
}

/// Waits for a future; returns `None` if the peer resets the stream before.
async fn unless_reset<T>(stream: &mut SendStream<Bytes>, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        _ = poll_fn(|cx| stream.poll_reset(cx)) => None,
        output = future => Some(output),
    }
}

/// Sends a part as flow control permits.
///
/// # Errors
///
/// If the peer reads too little for `patience`, has reset the stream or is gone.
async fn send(stream: &mut SendStream<Bytes>, mut part: Bytes, patience: Duration) -> Result<(), h2::Error> {
    let (mut deadline, mut progress) = (Instant::now() + patience, 0);
    while !part.is_empty() {
        stream.reserve_capacity(part.len());
        let Ok(Some(granted)) = timeout_at(deadline, poll_fn(|cx| stream.poll_capacity(cx))).await else {
            return Err(h2::Reason::CANCEL.into());
        };
        let granted = granted?;
        let piece = part.split_to(granted.min(part.len()));
        progress += piece.len();
        if progress >= LEAST_PROGRESS_BYTES {
            (deadline, progress) = (Instant::now() + patience, 0);
        }
        if !piece.is_empty() {
            stream.send_data(piece, false)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
