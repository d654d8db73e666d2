//! Reading request bodies, from either version, never more than a limit.

use bytes::{Bytes, BytesMut};
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use std::time::Duration;
use webpush_core::problem::Problem;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request body that has not been read yet.
pub enum Body {
    /// Of an HTTP/1.1 request.
    Http1(hyper::body::Incoming),
    /// Of an HTTP/2 request.
    Http2(RecvStream),
}

impl Body {
    /// Reads everything.
    ///
    /// # Errors
    /// [`Problem::BodyTooLarge`] as soon as that is known; [`Problem::BodyIncomplete`].
    pub async fn read(self, headers: &HeaderMap, limit: usize) -> Result<Bytes, Problem> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(Problem::BodyTooLarge { limit });
        }
        let read = async {
            match self {
                Self::Http1(body) => read_http1(body, limit).await,
                Self::Http2(body) => read_http2(body, limit).await,
            }
        };
        tokio::time::timeout(PATIENCE, read).await.unwrap_or(Err(Problem::BodyIncomplete))
    }
}

async fn read_http1(mut body: hyper::body::Incoming, limit: usize) -> Result<Bytes, Problem> {
    let mut whole = Whole::new(limit);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Problem::BodyIncomplete)?;
        if let Ok(part) = frame.into_data() {
            whole.add(part)?;
        }
    }
    Ok(whole.finish())
}

async fn read_http2(mut body: RecvStream, limit: usize) -> Result<Bytes, Problem> {
    let mut whole = Whole::new(limit);
    while let Some(part) = body.data().await {
        let part = part.map_err(|_| Problem::BodyIncomplete)?;
        body.flow_control().release_capacity(part.len()).map_err(|_| Problem::BodyIncomplete)?;
        whole.add(part)?;
    }
    Ok(whole.finish())
}

/// The parts so far. Most bodies come in one part, which is then passed on without a copy.
struct Whole {
    limit: usize,
    first: Bytes,
    more: BytesMut,
}

impl Whole {
    fn new(limit: usize) -> Self {
        Self { limit, first: Bytes::new(), more: BytesMut::new() }
    }

    fn add(&mut self, part: Bytes) -> Result<(), Problem> {
        if self.first.len() + self.more.len() + part.len() > self.limit {
            return Err(Problem::BodyTooLarge { limit: self.limit });
        }
        if self.first.is_empty() {
            self.first = part;
        } else {
            self.more.extend_from_slice(&part);
        }
        Ok(())
    }

    fn finish(self) -> Bytes {
        if self.more.is_empty() {
            return self.first;
        }
        let mut whole = BytesMut::with_capacity(self.first.len() + self.more.len());
        whole.extend_from_slice(&self.first);
        whole.extend_from_slice(&self.more);
        whole.freeze()
    }
}
