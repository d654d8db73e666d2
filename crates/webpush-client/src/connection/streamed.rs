//! An answer whose body is read as it comes.

use super::{Answer, MAX_ANSWER_BYTES, too_large};
use crate::error::ClientError;
use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::{HeaderMap, StatusCode};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use std::time::Duration;

/// A service that streams says something at least twice in this time; one that doesn't has gone away without a word.
const SILENCE_TIMEOUT: Duration = Duration::from_secs(90);

/// An answer that has begun.
pub struct Streamed {
    /// The status code.
    pub status: StatusCode,
    /// The header fields.
    pub headers: HeaderMap,
    pub(super) body: Body,
    pub(super) origin: String,
}

pub(super) enum Body {
    Http1(Incoming),
    Http2(RecvStream),
}

impl Streamed {
    /// The next part of the body; `None` at its end. May be dropped and called again while it waits.
    ///
    /// # Errors
    /// [`ClientError::Unavailable`] when the connection ended first, or nothing came for too long.
    pub async fn part(&mut self) -> Result<Option<Bytes>, ClientError> {
        let part = tokio::time::timeout(SILENCE_TIMEOUT, self.body.part()).await.map_err(|_| {
            ClientError::Unavailable(format!(
                "{} has said nothing for {} s",
                self.origin,
                SILENCE_TIMEOUT.as_secs()
            ))
        })?;
        part.map_err(|error| {
            ClientError::Unavailable(format!("the connection to {} ended: {error}", self.origin))
        })
    }

    /// Reads the body to its end.
    ///
    /// # Errors
    /// As [`Streamed::part`]; and when it is too large for an answer.
    pub async fn whole(mut self) -> Result<Answer, ClientError> {
        let mut body = BytesMut::new();
        while let Some(part) = self.part().await? {
            if body.len() + part.len() > MAX_ANSWER_BYTES {
                return Err(too_large(&self.origin));
            }
            body.extend_from_slice(&part);
        }
        Ok(Answer { status: self.status, headers: self.headers, body: body.freeze() })
    }
}

impl Body {
    async fn part(&mut self) -> Result<Option<Bytes>, String> {
        match self {
            Self::Http1(body) => loop {
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(part) = frame.into_data() {
                            return Ok(Some(part));
                        }
                    }
                    Some(Err(error)) => return Err(error.to_string()),
                    None => return Ok(None),
                }
            },
            Self::Http2(body) => match body.data().await {
                Some(Ok(part)) => {
                    // A stream that has ended meanwhile needs no more room.
                    let _ = body.flow_control().release_capacity(part.len());
                    Ok(Some(part))
                }
                Some(Err(error)) => Err(error.to_string()),
                None => Ok(None),
            },
        }
    }
}
