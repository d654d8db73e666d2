//! HTTP/2: requests, and server push while a request is open.

use super::streamed::{ResponseStream, StreamedBody};
use super::{FullResponse, MAX_RESPONSE_BYTES, RESPONSE_TIMEOUT, too_large, within};
use crate::error::{ClientError, Phase, ProtocolError};
use crate::url::CapabilityUrl;
use bytes::{Bytes, BytesMut};
use futures_util::future::BoxFuture;
use h2::client::{PushPromises, PushedResponseFuture, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, RecvStream};
use http::{Request, Response};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Maximum number of pushed messages in flight.
const MAX_PUSHED_STREAMS: u32 = 64;
const STREAM_WINDOW_BYTES: u32 = 65_535;
/// Connection-level window: streams are read one by one, and none must block another.
const CONNECTION_WINDOW_BYTES: u32 = STREAM_WINDOW_BYTES * (MAX_PUSHED_STREAMS + 1);
/// A connection without activity is closed after the interval and the timeout.
const PING_INTERVAL: Duration = Duration::from_secs(60);
const PONG_TIMEOUT: Duration = Duration::from_secs(30);

pub(super) struct Http2Client(SendRequest<Bytes>);

/// An open monitoring request (RFC 8030 §6).
pub struct PushStream {
    origin: String,
    promises: PushPromises,
    /// False once the server can no longer push.
    can_push: bool,
    response: BoxFuture<'static, Result<FullResponse, ClientError>>,
    /// The response, until all promises are returned.
    answer: Option<FullResponse>,
}

/// An event of a monitoring request.
pub enum PushEvent {
    /// The server pushes a message.
    Promise(PromisedMessage),
    /// The response to the monitoring request. The server pushes no more messages.
    Response(FullResponse),
}

/// A promised message. Dropping it cancels the push.
pub struct PromisedMessage {
    request: Box<Request<()>>,
    url: Result<CapabilityUrl, ClientError>,
    response: PushedResponseFuture,
    origin: String,
}

impl Http2Client {
    pub(super) async fn start<S>(socket: S, origin: &str, push: bool) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, mut connection) = h2::client::Builder::new()
            .enable_push(push)
            .max_concurrent_streams(MAX_PUSHED_STREAMS)
            .initial_window_size(STREAM_WINDOW_BYTES)
            .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
            .handshake(socket)
            .await
            .map_err(|error| broken(origin, error))?;
        let pings = connection.ping_pong();
        tokio::spawn(async move {
            // Dropping the connection ends every stream on it, with an error that its reader sees.
            tokio::select! {
                _ = connection => {}
                () = silent(pings) => {}
            }
        });
        Ok(Self(requests))
    }

    async fn begin(
        &self,
        request: Request<()>,
        body: Bytes,
        origin: &str,
    ) -> Result<ResponseFuture, ClientError> {
        let broken = |error| broken(origin, error);
        let mut ready = self.0.clone().ready().await.map_err(broken)?;
        let (response, mut stream) = ready.send_request(request, body.is_empty()).map_err(broken)?;
        if !body.is_empty() {
            // A server may respond and close the stream before it has read the body (RFC 9113 §8.1). The response then
            // has the error.
            let _ = stream.send_data(body, true);
        }
        Ok(response)
    }

    pub(super) async fn exchange(
        &self,
        request: Request<Bytes>,
        origin: &str,
    ) -> Result<FullResponse, ClientError> {
        let (head, body) = request.into_parts();
        let response = self.begin(Request::from_parts(head, ()), body, origin).await?;
        whole(response.await.map_err(|error| broken(origin, error))?, origin).await
    }

    pub(super) async fn stream(
        &self,
        request: Request<Bytes>,
        origin: &str,
    ) -> Result<ResponseStream, ClientError> {
        let (head, body) = request.into_parts();
        let response = self.begin(Request::from_parts(head, ()), body, origin).await?;
        let (head, body) = response.await.map_err(|error| broken(origin, error))?.into_parts();
        let (body, origin) = (StreamedBody::Http2(body), origin.to_owned());
        Ok(ResponseStream { status: head.status, headers: head.headers, body, origin })
    }

    pub(super) async fn monitor(
        &self,
        request: Request<()>,
        origin: &str,
    ) -> Result<PushStream, ClientError> {
        let mut response = self.begin(request, Bytes::new(), origin).await?;
        let promises = response.push_promises();
        let origin = origin.to_owned();
        let answer = {
            let origin = origin.clone();
            async move { whole(response.await.map_err(|error| broken(&origin, error))?, &origin).await }
        };
        Ok(PushStream { origin, promises, can_push: true, response: Box::pin(answer), answer: None })
    }
}

impl PushStream {
    /// Waits for the next message or the end. Cancel safe.
    ///
    /// # Errors
    /// [`ClientError::Transport`] if the connection ended first.
    pub async fn next(&mut self) -> Result<PushEvent, ClientError> {
        loop {
            let is_answered = self.answer.is_some();
            // Promises that precede the response must not be lost, so they are polled first.
            tokio::select! {
                biased;
                promise = self.promises.push_promise(), if self.can_push => match promise {
                    Some(Ok(promise)) => return Ok(PushEvent::Promise(self.promise(promise))),
                    Some(Err(error)) => return Err(broken(&self.origin, error)),
                    None => self.can_push = false,
                },
                answer = &mut self.response, if !is_answered => self.answer = Some(answer?),
                else => {}
            }
            if !self.can_push
                && let Some(answer) = self.answer.take()
            {
                return Ok(PushEvent::Response(answer));
            }
        }
    }

    fn promise(&self, promise: h2::client::PushPromise) -> PromisedMessage {
        let (request, response) = promise.into_parts();
        let url = CapabilityUrl::parse(&request.uri().to_string()).map_err(ClientError::from);
        let url = url.and_then(|url| {
            // A server may push resources of its own origin only (RFC 9113 §8.4).
            if url.origin() == self.origin {
                return Ok(url);
            }
            Err(ClientError::protocol(&*self.origin, ProtocolError::ForeignMessage(url.origin())))
        });
        PromisedMessage { request: Box::new(request), url, response, origin: self.origin.clone() }
    }
}

impl PromisedMessage {
    /// Returns the promised request.
    #[must_use]
    pub fn request(&self) -> &Request<()> {
        &self.request
    }

    /// Receives the message.
    ///
    /// # Errors
    /// [`ProtocolError::ForeignMessage`]; otherwise see [`super::Connection::exchange`].
    pub async fn receive(self) -> Result<(CapabilityUrl, FullResponse), ClientError> {
        let Self { url, response, origin, .. } = self;
        let url = url?;
        let work = async { whole(response.await.map_err(|error| broken(&origin, error))?, &origin).await };
        Ok((url, within(RESPONSE_TIMEOUT, &origin, Phase::Exchange, work).await?))
    }
}

/// Reads the body to its end and releases flow-control capacity.
async fn whole(response: Response<RecvStream>, origin: &str) -> Result<FullResponse, ClientError> {
    let (head, mut stream) = response.into_parts();
    let mut body = BytesMut::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|error| broken(origin, error))?;
        if body.len() + data.len() > MAX_RESPONSE_BYTES {
            return Err(too_large(origin));
        }
        body.extend_from_slice(&data);
        // Fails only if the stream has ended, which needs no more capacity.
        let _ = stream.flow_control().release_capacity(data.len());
    }
    Ok(FullResponse { status: head.status, headers: head.headers, body: body.freeze() })
}

/// Completes when the peer does not acknowledge a ping in time.
async fn silent(pings: Option<PingPong>) {
    let Some(mut pings) = pings else { return std::future::pending().await };
    loop {
        tokio::time::sleep(PING_INTERVAL).await;
        match tokio::time::timeout(PONG_TIMEOUT, pings.ping(Ping::opaque())).await {
            Ok(Ok(_)) => {}
            Ok(Err(_)) | Err(_) => return,
        }
    }
}

fn broken(origin: &str, error: h2::Error) -> ClientError {
    // `h2` itself sends GOAWAY only for bytes that are not HTTP/2.
    if error.is_library() && error.is_go_away() {
        return ClientError::protocol(origin, ProtocolError::NotHttp2(error));
    }
    ClientError::transport(origin, Phase::Exchange, error)
}
