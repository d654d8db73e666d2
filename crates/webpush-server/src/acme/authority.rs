//! Requests to the CA, with the HTTP client of `send`: one connection per order.

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
use webpush_client::connection::{Connection, Connector, FullResponse, Protocols};
use webpush_client::error::ClientError;
use webpush_client::trust;
use webpush_client::url::CapabilityUrl;

/// Checks that there are trusted certificates for HTTPS to the CA.
///
/// # Errors
/// Fails if the file cannot be used, or if there are no trusted certificates.
pub fn check_trust(ca_file: Option<&Path>) -> anyhow::Result<()> {
    trust::tls_config(ca_file, &[]).map(drop).context("cannot use --acme-directory-ca-file")
}

/// An HTTP client for a CA.
pub struct Authority {
    connector: Connector,
    open: Arc<Mutex<Option<Connection>>>,
}

impl Authority {
    /// Creates a client that trusts the certificates of the system and those in a file.
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
                // Not added over HTTP/2, and some CAs require it.
                head.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
            }
            let request = Request::from_parts(head, body);
            let mut open = open.lock().await;
            let answer = exchange(&connector, &mut open, request).await;
            answer.map(response).map_err(|error| Error::Other(Box::new(error)))
        })
    }
}

/// Sends the request over the open connection if it still works, otherwise over a new one.
async fn exchange(
    connector: &Connector,
    open: &mut Option<Connection>,
    request: Request<Bytes>,
) -> Result<FullResponse, AuthorityError> {
    // Resource URLs come from the CA, and must not lead to plain HTTP.
    let url = CapabilityUrl::parse(&request.uri().to_string())?;
    if !url.is_https() {
        return Err(AuthorityError::Plaintext(url.origin()));
    }
    if let Some(mut connection) = open.take_if(|connection| connection.origin() == url.origin())
        // It may be closed by now. If the CA did receive the request, the nonce prevents a second effect.
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
    /// A resource at this origin, which has no TLS.
    Plaintext(String),
}

impl fmt::Display for AuthorityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client(error) => f.write_str(&error.sentence()),
            Self::Plaintext(origin) => write!(f, "the CA returned a URL without https: {origin}"),
        }
    }
}

impl std::error::Error for AuthorityError {}

impl<E: Into<ClientError>> From<E> for AuthorityError {
    fn from(error: E) -> Self {
        Self::Client(error.into())
    }
}

fn response(answer: FullResponse) -> BytesResponse {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.into()
}
