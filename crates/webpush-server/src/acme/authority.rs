//! Requests to an authority, over the same client as `send` has: one connection for an order.

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::fmt;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;
use webpush_client::connection::{Answer, Connection, Connector, Protocols};
use webpush_client::error::ClientError;
use webpush_client::trust;
use webpush_client::url::CapabilityUrl;

/// Looks whether the authority's own certificate could be trusted.
///
/// # Errors
/// When the file can't be used, or nobody is trusted at all.
pub fn check_trust(ca_file: Option<&Path>) -> anyhow::Result<()> {
    trust::tls_config(ca_file, &[]).map(drop).context("cannot use --acme-directory-ca-file")
}

/// Asks an authority.
pub struct Authority {
    connector: Connector,
    open: Arc<Mutex<Option<Connection>>>,
}

impl Authority {
    /// Trusts whom the system trusts, and those of a file.
    #[must_use]
    pub fn new(ca_file: Option<&Path>) -> Self {
        let connector = Connector::new(ca_file.map(Path::to_owned));
        Self { connector, open: Arc::default() }
    }
}

impl HttpClient for Authority {
    fn request(
        &self,
        request: Request<BodyWrapper<Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let (connector, open) = (self.connector.clone(), Arc::clone(&self.open));
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let Ok(body) = body.collect().await;
            let body = body.to_bytes();
            if head.method == Method::POST {
                // Over HTTP/2 nobody else says it, and some authorities want it.
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
            let request = Request::from_parts(head, body);
            let mut open = open.lock().await;
            let answer = exchange(&connector, &mut open, request).await;
            answer.map(response).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

/// Over the connection that is open, if that works, or another.
async fn exchange(
    connector: &Connector,
    open: &mut Option<Connection>,
    request: Request<Bytes>,
) -> Result<Answer, AuthorityError> {
    // What the authority says of its resources is only as good as the connection to them.
    let url = CapabilityUrl::parse(&request.uri().to_string())?;
    if !url.is_https() {
        return Err(AuthorityError::Plaintext(url.origin()));
    }
    if let Some(mut connection) = open.take_if(|connection| connection.origin() == url.origin())
        // It may have been closed meanwhile. A request that is heard twice is refused for its nonce.
        && let Ok(answer) = connection.exchange(request.clone()).await
    {
        *open = Some(connection);
        return Ok(answer);
    }
    let mut connection = connector.connect(&url, Protocols::Any).await?;
    let answer = connection.exchange(request).await?;
    *open = Some(connection);
    Ok(answer)
}

/// A request to an authority failed.
#[derive(Debug)]
enum AuthorityError {
    /// The exchange failed.
    Client(ClientError),
    /// The authority names a resource of this origin, which has no TLS.
    Plaintext(String),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => f.write_str(&error.sentence()),
            Self::Plaintext(origin) => write!(f, "the authority names a resource without https: {origin}"),
        }
    }
}

impl std::error::Error for AuthorityError {}

impl<E: Into<ClientError>> From<E> for AuthorityError {
    fn from(error: E) -> Self {
        Self::Client(error.into())
    }
}

fn response(answer: Answer) -> BytesResponse {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.into()
}
