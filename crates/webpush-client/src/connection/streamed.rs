//! Streamed responses.

use super::{FullResponse, MAX_RESPONSE_BYTES, too_large};
use crate::error::{Cause, ClientError, Phase};
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;

/// Idle timeout of a stream. A push service sends at least two comments in this time.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);

/// A response whose body is read part by part.
pub struct ResponseStream {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    pub(super) body: StreamedBody,
    pub(super) origin: String,
}

pub(super) enum StreamedBody {
    Http1(Incoming),
    Http2(RecvStream),
}

impl ResponseStream {
    /// Returns the next part of the body; `None` at its end. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the connection failed, or nothing arrived for 90 s.
    pub async fn part(&mut self) -> Result<Option<Bytes>, ClientError> {
        let part = tokio::time::timeout(SILENCE_TIMEOUT, self.body.part()).await;
        let part = part.unwrap_or(Err(Cause::TimedOut(SILENCE_TIMEOUT)));
        part.map_err(|cause| ClientError::transport(&*self.origin, Phase::Stream, cause))
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// See [`ResponseStream::part`]; [`ProtocolError::TooLarge`](crate::error::ProtocolError::TooLarge).
    pub async fn whole(mut self) -> Result<FullResponse, ClientError> {
        let mut body = BytesMut::new();
        while let Some(part) = self.part().await? {
            if body.len() + part.len() > MAX_RESPONSE_BYTES {
                return Err(too_large(&self.origin));
            }
            body.extend_from_slice(&part);
        }
        Ok(FullResponse { status: self.status, headers: self.headers, body: body.freeze() })
    }
}

impl StreamedBody {
    async fn part(&mut self) -> Result<Option<Bytes>, Cause> {
        match self {
            Self::Http1(body) => loop {
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(part) = frame.into_data() {
                            return Ok(Some(part));
                        }
                    }
                    Some(Err(error)) => return Err(error.into()),
                    None => return Ok(None),
                }
            },
            Self::Http2(body) => match body.data().await {
                Some(Ok(part)) => {
                    // Fails only if the stream has ended, which needs no more capacity.
                    let _ = body.flow_control().release_capacity(part.len());
                    Ok(Some(part))
                }
                Some(Err(error)) => Err(error.into()),
                None => Ok(None),
            },
        }
    }
}
