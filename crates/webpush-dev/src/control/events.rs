//! Server-sent events about pushes.

use super::error::ControlError;
use crate::namespace::NamespaceScope;
use crate::state::Dev;
use bytes::Bytes;
use futures_util::stream::unfold;
use http::Response;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;
use webpush_http::interceptor::{Interception, PieceStream};

/// The interval of comments, which show that the stream is alive.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Streams every record that is new or has changed.
pub(super) fn stream(dev: &Arc<Dev>, scope: NamespaceScope) -> Result<Interception, ControlError> {
    let state = (Arc::clone(dev), dev.records.changes(), scope);
    let later = unfold(state, |(dev, mut changes, scope)| async move {
        loop {
            let number = match timeout(KEEPALIVE, changes.recv()).await {
                Err(_) => return Some((Bytes::from_static(b": alive\n\n"), (dev, changes, scope))),
                Ok(Ok(number)) => number,
                // A slow reader misses states, but lists records whenever it likes.
                Ok(Err(RecvError::Lagged(_))) => continue,
                Ok(Err(RecvError::Closed)) => return None,
            };
            let record = dev.records.get(number).filter(|record| scope.includes(&record.namespace));
            let Some(json) = record.and_then(|record| serde_json::to_string(&record).ok()) else { continue };
            let event = Bytes::from(format!("event: message\ndata: {json}\n\n"));
            return Some((event, (dev, changes, scope)));
        }
    });
    let first = futures_util::stream::once(async { Bytes::from_static(b": open\n\n") });
    let stream: PieceStream = Box::pin(futures_util::StreamExt::chain(first, later));
    let mut response = Response::new(stream);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Interception::Stream(Box::new(response)))
}
