//! A message for a device of another push service: one `POST` over TLS, whose answer counts by its status alone.

use super::addresses;
use super::limiter::{DeliveryPermit, GatewayLimiter, NotificationPermit};
use bytes::Bytes;
use http::header::{HeaderValue, VIA};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use std::error::Error;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use webpush_client::connection::to_origin_form;
use webpush_client::trust;
use webpush_client::url::CapabilityUrl;
use webpush_core::address::CidrBlock;

/// The most that is read of such an answer: only its head is of interest.
const GATEWAY_ANSWER_BYTES: usize = 16 * 1024;

/// How the gateway names itself to whom it sends (RFC 9110 §7.6.3). A gateway that finds it in what it was sent is one
/// end of a loop.
pub const GATEWAY_NAME: &str = "webpush-server-matrix-gateway";
const OUR_VIA: HeaderValue = HeaderValue::from_static("1.1 webpush-server-matrix-gateway");

/// Every push service speaks it, and the one request of a connection gains nothing by HTTP/2.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// Sends to other push services.
pub struct Outgoing {
    /// `None` when this system trusts nobody.
    tls: Option<Arc<ClientConfig>>,
    allowed: Vec<CidrBlock>,
    patience: Duration,
    /// What may be under way.
    pub room: GatewayLimiter,
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// It will be so the next time.
    Lasting(&'static str),
    /// It may be better the next time.
    Passing(&'static str),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self::Lasting(reason) | Self::Passing(reason)) = self;
        write!(f, "the push service did not answer: {reason}")
    }
}

impl Error for SendError {}

impl Outgoing {
    /// Reaches public addresses and these; trusts whom the system trusts.
    #[must_use]
    pub fn new(allowed: Vec<CidrBlock>, patience: Duration) -> Self {
        let tls = trust::tls_config(None, PROTOCOLS).ok().map(Arc::new);
        if tls.is_none() {
            tracing::warn!(
                "this system has no trusted certificates: the Matrix gateway reaches no other push service (install \
                 ca-certificates, or set --matrix-gateway own)"
            );
        }
        Self { tls, allowed, patience, room: GatewayLimiter::default() }
    }

    /// Posts a message; the status of the answer. Redirects are not followed: a push URL has one owner.
    ///
    /// # Errors
    /// [`SendError`], within the time that such a request may take.
    pub async fn post(
        &self,
        seat: &DeliveryPermit,
        url: &CapabilityUrl,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, SendError> {
        let posting = async {
            let place = seat.place().await.ok_or(SendError::Passing("the service stops"))?;
            // On the heap, and only now: whoever waits for a place has no use for the room that TLS takes.
            Box::pin(self.try_post(place, url, headers, body)).await
        };
        let posted = timeout(self.patience, posting).await;
        posted.unwrap_or(Err(SendError::Passing("there was no answer in time")))
    }

    async fn try_post(
        &self,
        place: NotificationPermit,
        url: &CapabilityUrl,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, SendError> {
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| SendError::Lasting("the host is neither a name nor an address"))?;
        let tls = self.tls.clone().ok_or(SendError::Passing("no certificates are trusted here"))?;
        let (socket, _place) = addresses::connect(url.host(), url.port(), &self.allowed, place).await?;
        let socket = TlsConnector::from(tls).connect(name, socket).await;
        let socket = socket.map_err(|_| SendError::Passing("TLS failed"))?;
        exchange(socket, request(url, headers, body)).await
    }
}

fn request(url: &CapabilityUrl, headers: &HeaderMap, body: Bytes) -> Request<Bytes> {
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = url.uri().clone();
    *request.headers_mut() = headers.clone();
    request.headers_mut().insert(VIA, OUR_VIA);
    to_origin_form(&mut request);
    request
}

/// Reads the head of the answer and hangs up: nothing in a body would change what the homeserver is told.
async fn exchange<S>(socket: S, request: Request<Bytes>) -> Result<StatusCode, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| SendError::Passing("the connection broke");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(GATEWAY_ANSWER_BYTES);
    let (mut requests, connection) = builder.handshake(TokioIo::new(socket)).await.map_err(broken)?;
    let mut answer = pin!(requests.send_request(request.map(Full::new)));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // It may have handed the answer over just before its end.
        _ = connection => answer.await,
    };
    answer.map(|answer| answer.status()).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::GATEWAY_REQUESTS;
    use futures_util::future::join_all;

    #[tokio::test]
    async fn a_request_waits_for_a_place_no_longer_than_it_may_take() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let nobody = rustls::RootCertStore::empty();
        let tls = versions.unwrap().with_root_certificates(nobody).with_no_client_auth();
        let outgoing = Outgoing {
            tls: Some(Arc::new(tls)),
            allowed: Vec::new(),
            patience: Duration::from_millis(1),
            room: GatewayLimiter::default(),
        };
        let url = CapabilityUrl::parse("https://127.0.0.1/x").unwrap();
        let seat = outgoing.room.admit(None).unwrap();
        let post = async || outgoing.post(&seat, &url, &HeaderMap::new(), Bytes::new()).await;
        let taken = join_all((0..GATEWAY_REQUESTS).map(|_| seat.place())).await;
        assert!(matches!(post().await, Err(SendError::Passing(_))));
        let headers = HeaderMap::new();
        let waiting = outgoing.post(&seat, &url, &headers, Bytes::new());
        assert!(size_of_val(&waiting) < 1024, "{} bytes wait for a place", size_of_val(&waiting));
        drop(taken);
        for _ in 0..2 * GATEWAY_REQUESTS {
            assert!(matches!(post().await, Err(SendError::Lasting(_))), "the place is free again");
        }
    }

    #[test]
    fn a_request_names_the_host_and_the_gateway() {
        assert!(OUR_VIA.to_str().unwrap().ends_with(GATEWAY_NAME));
        let url = CapabilityUrl::parse("https://ntfy.example:8443/up?up=1#x").unwrap();
        let headers =
            HeaderMap::from_iter([(http::HeaderName::from_static("ttl"), HeaderValue::from(86_400))]);
        let request = request(&url, &headers, Bytes::from_static(b"x"));
        assert_eq!((request.method(), request.uri().to_string().as_str()), (&Method::POST, "/up?up=1"));
        for (name, value) in
            [("host", "ntfy.example:8443"), ("ttl", "86400"), ("via", OUR_VIA.to_str().unwrap())]
        {
            assert_eq!(request.headers()[name], value);
        }
    }
}
