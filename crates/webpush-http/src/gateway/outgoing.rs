//! Sends a message to another push service: one `POST` over TLS. Only the response status counts.

use super::addresses;
use super::error::SendError;
use super::limiter::{GatewayLimiter, NotificationPermit, RequestPermit};
use bytes::Bytes;
use http::header::{HeaderValue, VIA};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
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

/// Bytes to read of a response, of which only the head is needed.
const GATEWAY_ANSWER_BYTES: usize = 16 * 1024;

/// The name of the gateway in `Via` (RFC 9110 §7.6.3), by which it detects loops.
pub const GATEWAY_NAME: &str = "webpush-server-matrix-gateway";
const OUR_VIA: HeaderValue = HeaderValue::from_static("1.1 webpush-server-matrix-gateway");

/// All push services support HTTP/1.1, and a connection has one request.
const PROTOCOLS: &[&[u8]] = &[b"http/1.1"];

/// Sends to other push services.
pub struct Outgoing {
    /// `None` if the system has no trusted certificates.
    tls: Option<Arc<ClientConfig>>,
    allowed: Vec<CidrBlock>,
    patience: Duration,
    /// Limits of concurrent requests.
    pub limiter: GatewayLimiter,
}

impl Outgoing {
    /// Creates a client that connects to public addresses and `allowed`, with the system's certificates.
    #[must_use]
    pub fn new(allowed: Vec<CidrBlock>, patience: Duration) -> Self {
        let tls = trust::tls_config(None, PROTOCOLS).ok().map(Arc::new);
        if tls.is_none() {
            tracing::warn!(
                "the system has no trusted certificates: the Matrix gateway cannot reach other push services (install \
                 ca-certificates, or set --matrix-gateway own)"
            );
        }
        Self { tls, allowed, patience, limiter: GatewayLimiter::default() }
    }

    /// Sends a message and returns the status of the response. Redirects are not followed.
    ///
    /// # Errors
    ///
    /// [`SendError`], no later than `patience`.
    pub async fn post(
        &self,
        notification: &NotificationPermit,
        url: &CapabilityUrl,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, SendError> {
        let posting = async {
            let permit =
                notification.request().await.ok_or(SendError::Temporary("the server is shutting down"))?;
            // On the heap, so that a request that waits for its permit stays small.
            Box::pin(self.try_post(permit, url, headers, body)).await
        };
        let posted = timeout(self.patience, posting).await;
        posted.unwrap_or(Err(SendError::Temporary("no response in time")))
    }

    async fn try_post(
        &self,
        permit: RequestPermit,
        url: &CapabilityUrl,
        headers: &HeaderMap,
        body: Bytes,
    ) -> Result<StatusCode, SendError> {
        let name = ServerName::try_from(url.host().to_owned())
            .map_err(|_| SendError::Permanent("the host is neither a name nor an address"))?;
        let tls = self.tls.clone().ok_or(SendError::Temporary("the system has no trusted certificates"))?;
        let (socket, _permit) = addresses::connect(url.host(), url.port(), &self.allowed, permit).await?;
        let socket = TlsConnector::from(tls).connect(name, socket).await;
        let socket = socket.map_err(|_| SendError::Temporary("TLS failed"))?;
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

/// Sends a request, reads the head of the response and closes the connection.
async fn exchange<S>(socket: S, request: Request<Bytes>) -> Result<StatusCode, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let broken = |_| SendError::Temporary("the connection broke");
    let mut builder = http1::Builder::new();
    builder.max_buf_size(GATEWAY_ANSWER_BYTES);
    let (mut requests, connection) = builder.handshake(TokioIo::new(socket)).await.map_err(broken)?;
    let mut answer = pin!(requests.send_request(request.map(Full::new)));
    let answer = tokio::select! {
        biased;
        answer = &mut answer => answer,
        // The response may have arrived just before the end.
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
    async fn waiting_for_a_permit_counts_as_part_of_the_request() {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let versions = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let nobody = rustls::RootCertStore::empty();
        let tls = versions.unwrap().with_root_certificates(nobody).with_no_client_auth();
        let outgoing = Outgoing {
            tls: Some(Arc::new(tls)),
            allowed: Vec::new(),
            patience: Duration::from_millis(1),
            limiter: GatewayLimiter::default(),
        };
        let url = CapabilityUrl::parse("https://127.0.0.1/x").unwrap();
        let notification = outgoing.limiter.admit(None).unwrap();
        let post = async || outgoing.post(&notification, &url, &HeaderMap::new(), Bytes::new()).await;
        let taken = join_all((0..GATEWAY_REQUESTS).map(|_| notification.request())).await;
        assert!(matches!(post().await, Err(SendError::Temporary(_))));
        let headers = HeaderMap::new();
        let waiting = outgoing.post(&notification, &url, &headers, Bytes::new());
        assert!(size_of_val(&waiting) < 1024, "{} bytes wait for a permit", size_of_val(&waiting));
        drop(taken);
        for _ in 0..2 * GATEWAY_REQUESTS {
            assert!(matches!(post().await, Err(SendError::Permanent(_))), "the permit was returned");
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
