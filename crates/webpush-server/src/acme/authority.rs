//! Requests to an authority, over the same client as `send` has: one connection for an order.

use bytes::Bytes;
use http::header::{CONTENT_LENGTH, HeaderValue};
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use instant_acme::{BodyWrapper, BytesResponse, Error, HttpClient};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::Mutex;
use webpush_client::connection::{Answer, Connection, Connector, Protocols};
use webpush_client::error::ClientError;
use webpush_client::trust;
use webpush_client::url::CapabilityUrl;

/// The flag of the file with whom to trust for the authority's HTTPS.
const CA_FLAG: &str = "--acme-directory-ca-file";

/// Looks whether the authority's own certificate could be trusted.
///
/// # Errors
/// When the file can't be used, or nobody is trusted at all.
pub fn check_trust(ca_file: Option<&Path>) -> anyhow::Result<()> {
    trust::tls_config(ca_file, CA_FLAG, &[]).map(drop).map_err(Into::into)
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
        let connector = Connector::with_flag(ca_file.map(Path::to_owned), CA_FLAG);
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
) -> Result<Answer, ClientError> {
    // What the authority says of its resources is only as good as the connection to them.
    let url = CapabilityUrl::parse(&request.uri().to_string())?;
    if !url.is_https() {
        return Err(ClientError::Refused(format!("the authority names {} without https", url.origin())));
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

fn response(answer: Answer) -> BytesResponse {
    let mut response = Response::new(Full::new(answer.body));
    *response.status_mut() = answer.status;
    *response.headers_mut() = answer.headers;
    response.into()
}
