//! Responses, whole or streamed.

use super::error::AdminError;
use bytes::Bytes;
use http::Response;
use http::header::{CONTENT_TYPE, HeaderValue};
use hyper::body::{Body, Frame, SizeHint};
use serde::Serialize;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use webpush_http::answer::Answer;
use webpush_store::StoreError;

/// A response.
pub(super) type Reply = Response<Content>;

/// A response body.
pub(super) enum Content {
    Whole(Option<Bytes>),
    /// Streamed. An error closes the connection, so that the body does not look complete.
    Pieces(mpsc::Receiver<Result<Bytes, StoreError>>),
}

impl Body for Content {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        match self.get_mut() {
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Pieces(pieces) => {
                pieces.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Pieces(_) => SizeHint::default(),
        }
    }
}

pub(super) fn whole(answer: Answer) -> Reply {
    answer.map(|bytes| Content::Whole((!bytes.is_empty()).then_some(bytes)))
}

pub(super) fn json(value: &impl Serialize) -> Result<Reply, AdminError> {
    let json = serde_json::to_vec(value).map_err(|_| AdminError::Internal)?;
    let mut answer = Response::new(Bytes::from(json));
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(whole(answer))
}
