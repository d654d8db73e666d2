//! Responses on HTTP/2 streams, paced by the peer's flow control.

use crate::answer::Answer;
use bytes::Bytes;
use h2::server::{SendPushedResponse, SendResponse};
use h2::{Reason, SendStream};
use http::header::{CONTENT_LENGTH, DATE, HeaderValue};
use http::{Response, StatusCode};
use std::future::poll_fn;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};
use webpush_core::time::Timestamp;

/// Sends the response to a request.
pub struct Responder {
    /// The stream of the request.
    pub respond: SendResponse<Bytes>,
    /// How long the peer may read nothing of the response.
    pub patience: Duration,
    /// The time of the response, for its `Date`.
    pub now: Timestamp,
}

impl Responder {
    /// Sends the response. Errors are ignored: they mean that the peer is gone.
    pub async fn send(mut self, answer: Answer) {
        let (response, body) = with_date_and_length(answer, self.now);
        if let Ok(stream) = self.respond.send_response(response, body.is_empty()) {
            drop(Flow::new(stream, body, self.patience).run().await);
        }
    }

    /// Responds to HEAD: as to GET, without the body (RFC 9110 §9.3.2).
    pub(crate) fn send_head(mut self, answer: Answer) {
        let (response, _) = with_date_and_length(answer, self.now);
        drop(self.respond.send_response(response, true));
    }
}

fn with_date_and_length(answer: Answer, now: Timestamp) -> (Response<()>, Bytes) {
    let (mut head, body) = answer.into_parts();
    if let Ok(date) = HeaderValue::try_from(now.http_date()) {
        head.headers.insert(DATE, date);
    }
    if head.status != StatusCode::NO_CONTENT {
        head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
    }
    (Response::from_parts(head, ()), body)
}

/// A response body that is sent as flow control permits.
pub struct Flow {
    stream: SendStream<Bytes>,
    rest: Bytes,
    patience: Duration,
    /// When the peer must have read more.
    deadline: Instant,
    /// Bytes since the deadline was set.
    progress: usize,
}

/// Bytes that a peer must read within its patience. Less is a stall: each message would last for hours.
pub(crate) const LEAST_PROGRESS_BYTES: usize = 1024;

impl Flow {
    fn new(stream: SendStream<Bytes>, rest: Bytes, patience: Duration) -> Self {
        Self { stream, rest, patience, deadline: Instant::now() + patience, progress: 0 }
    }

    /// Begins a pushed response; `None` if the peer has reset the promise.
    ///
    /// `patience` is how long the peer may read nothing of it.
    #[must_use]
    pub fn begin(
        mut promised: SendPushedResponse<Bytes>,
        response: Response<Bytes>,
        patience: Duration,
    ) -> Option<Self> {
        let (head, body) = response.into_parts();
        let response = Response::from_parts(head, ());
        let stream = promised.send_response(response, body.is_empty()).ok()?;
        Some(Self::new(stream, body, patience))
    }

    /// Waits until the first part of the body may be sent, without sending it.
    ///
    /// # Errors
    ///
    /// If the peer has reset the stream, reads nothing or is gone.
    pub async fn open(&mut self) -> Result<(), h2::Error> {
        while !self.rest.is_empty() && self.stream.capacity() == 0 {
            self.more_capacity().await?;
        }
        Ok(())
    }

    /// Sends the rest of the body, and returns true if there was any. Cancel safe.
    ///
    /// # Errors
    ///
    /// If the peer has reset the stream, reads nothing or is gone.
    pub async fn run(&mut self) -> Result<bool, h2::Error> {
        let any = !self.rest.is_empty();
        while !self.rest.is_empty() {
            let granted = match self.stream.capacity() {
                0 => self.more_capacity().await?,
                granted => granted,
            };
            let part = self.rest.split_to(granted.min(self.rest.len()));
            if !part.is_empty() {
                self.progress += part.len();
                self.stream.send_data(part, self.rest.is_empty())?;
                if self.progress >= LEAST_PROGRESS_BYTES {
                    (self.progress, self.deadline) = (0, Instant::now() + self.patience);
                }
            }
        }
        Ok(any)
    }

    async fn more_capacity(&mut self) -> Result<usize, h2::Error> {
        self.stream.reserve_capacity(self.rest.len());
        match timeout_at(self.deadline, poll_fn(|cx| self.stream.poll_capacity(cx))).await {
            Ok(Some(granted)) => granted,
            Ok(None) => Err(Reason::CANCEL.into()),
            Err(_) => {
                self.stream.send_reset(Reason::CANCEL);
                Err(Reason::CANCEL.into())
            }
        }
    }
}
