//! Request bodies of both HTTP versions, read within a limit.

use bytes::{Bytes, BytesMut};
use futures_util::poll;
use h2::RecvStream;
use http::HeaderMap;
use http::header::CONTENT_LENGTH;
use http_body_util::BodyExt as _;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::time::timeout;
use webpush_core::problem::Problem;
use webpush_service::error::ServiceError;
use webpush_service::memory_budget::MemoryBudget;

/// Maximum bytes of a body to read and discard.
const MOST_DISCARDED_BYTES: usize = 64 * 1024;

/// A request body that has not been read yet.
pub struct Body {
    source: Source,
    patience: Duration,
    /// True while the client waits for the server's consent to send (RFC 9110 §10.1.1).
    is_awaited: bool,
}

enum Source {
    /// In memory; `None` after it was read.
    Whole(Option<Bytes>),
    Http1(hyper::body::Incoming),
    Http2(RecvStream),
}

impl Body {
    /// Creates the body of an HTTP/1.1 request. `patience` bounds the time until it has arrived.
    ///
    /// With `expects_continue` the client sends it once it is read.
    #[must_use]
    pub const fn http1(body: hyper::body::Incoming, patience: Duration, expects_continue: bool) -> Self {
        Self { source: Source::Http1(body), patience, is_awaited: expects_continue }
    }

    /// Creates the body of an HTTP/2 request. `patience` bounds the time until it has arrived.
    #[must_use]
    pub const fn http2(body: RecvStream, patience: Duration) -> Self {
        Self { source: Source::Http2(body), patience, is_awaited: false }
    }

    /// Creates a body that was read before.
    #[must_use]
    pub const fn whole(bytes: Bytes) -> Self {
        Self { source: Source::Whole(Some(bytes)), patience: Duration::MAX, is_awaited: false }
    }

    /// Reads the whole body.
    ///
    /// # Errors
    ///
    /// [`Problem::BodyTooLarge`] as soon as that is known; [`Problem::BodyIncomplete`].
    pub async fn read(&mut self, headers: &HeaderMap, limit: usize) -> Result<Bytes, Problem> {
        let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
        if declared.is_some_and(|length| length > limit as u64) {
            return Err(Problem::BodyTooLarge { limit });
        }
        let patience = self.patience;
        let read = async {
            let mut whole = Whole::new(limit);
            while let Some(part) = self.part().await? {
                whole.add(part)?;
            }
            Ok(whole.finish())
        };
        timeout(patience, read).await.unwrap_or(Err(Problem::BodyIncomplete))
    }

    /// Reads the whole body, unless memory is or becomes low.
    ///
    /// # Errors
    ///
    /// [`ServiceError::MemoryLow`], and those of [`Body::read`].
    pub async fn read_or_shed(
        &mut self,
        headers: &HeaderMap,
        limit: usize,
        memory: &MemoryBudget,
    ) -> Result<Bytes, ServiceError> {
        let mut read = pin!(self.read(headers, limit));
        // Most bodies have arrived with their head.
        if let Poll::Ready(body) = poll!(read.as_mut()) {
            return Ok(body?);
        }
        // On the heap, because few wait.
        let low = Box::pin(memory.low());
        tokio::select! {
            biased;
            body = read => Ok(body?),
            () = low => Err(ServiceError::MemoryLow),
        }
    }

    /// Reads and discards the rest of a body, up to a bound.
    ///
    /// Some clients lose a response that arrives while they still send, for example curl 7.88. A client that waits for
    /// consent does not send, and gets none.
    pub async fn discard(&mut self) {
        if self.is_awaited {
            return;
        }
        let patience = self.patience;
        let read = async {
            let mut length = 0;
            while let Ok(Some(part)) = self.part().await {
                length += part.len();
                if length > MOST_DISCARDED_BYTES {
                    break;
                }
            }
        };
        drop(timeout(patience, read).await);
    }

    /// Returns the next part, for bodies that are not kept in memory; `None` at the end.
    ///
    /// # Errors
    ///
    /// [`Problem::BodyIncomplete`].
    pub async fn next_part(&mut self) -> Result<Option<Bytes>, Problem> {
        let patience = self.patience;
        timeout(patience, self.part()).await.unwrap_or(Err(Problem::BodyIncomplete))
    }

    async fn part(&mut self) -> Result<Option<Bytes>, Problem> {
        self.is_awaited = false;
        match &mut self.source {
            Source::Whole(bytes) => Ok(bytes.take()),
            Source::Http1(body) => loop {
                match body.frame().await {
                    Some(Ok(frame)) => {
                        if let Ok(part) = frame.into_data() {
                            return Ok(Some(part));
                        }
                    }
                    Some(Err(_)) => return Err(Problem::BodyIncomplete),
                    None => return Ok(None),
                }
            },
            Source::Http2(body) => match body.data().await {
                Some(Ok(part)) => {
                    let released = body.flow_control().release_capacity(part.len());
                    released.map_err(|_| Problem::BodyIncomplete)?;
                    Ok(Some(part))
                }
                Some(Err(_)) => Err(Problem::BodyIncomplete),
                None => Ok(None),
            },
        }
    }
}

/// The parts so far. Most bodies have one part, which is passed on without a copy.
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
