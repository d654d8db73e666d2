//! HTTP/1.1: one request after another.

use super::streamed::{ResponseStream, StreamedBody};
use super::{FullResponse, MAX_RESPONSE_BYTES, too_large};
use crate::error::{Cause, ClientError, Phase};
use bytes::Bytes;
use http::header::HOST;
use http::{HeaderValue, Request, Response, Uri};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use hyper_util::rt::TokioIo;
use std::io;
use tokio::io::{AsyncRead, AsyncWrite};

pub(super) struct Http1Client(SendRequest<Full<Bytes>>);

impl Http1Client {
    pub(super) async fn start<S>(socket: S, origin: &str) -> Result<Self, ClientError>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(socket))
            .await
            .map_err(|error| broken(origin, error))?;
        // Its errors surface in the requests.
        tokio::spawn(connection);
        Ok(Self(requests))
    }

    pub(super) async fn exchange(
        &mut self,
        request: Request<Bytes>,
        origin: &str,
    ) -> Result<FullResponse, ClientError> {
        let (head, body) = self.begin(request, origin).await?.into_parts();
        let body = Limited::new(body, MAX_RESPONSE_BYTES).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                return too_large(origin);
            }
            let error = error
                .downcast::<hyper::Error>()
                .map_or_else(|other| Cause::Io(io::Error::other(other)), |error| Cause::Http1(*error));
            ClientError::transport(origin, Phase::Exchange, error)
        })?;
        Ok(FullResponse { status: head.status, headers: head.headers, body: body.to_bytes() })
    }

    pub(super) async fn stream(
        &mut self,
        request: Request<Bytes>,
        origin: &str,
    ) -> Result<ResponseStream, ClientError> {
        let (head, body) = self.begin(request, origin).await?.into_parts();
        let (body, origin) = (StreamedBody::Http1(body), origin.to_owned());
        Ok(ResponseStream { status: head.status, headers: head.headers, body, origin })
    }

    async fn begin(
        &mut self,
        mut request: Request<Bytes>,
        origin: &str,
    ) -> Result<Response<Incoming>, ClientError> {
        to_origin_form(&mut request);
        self.0.ready().await.map_err(|error| broken(origin, error))?;
        self.0.send_request(request.map(Full::new)).await.map_err(|error| broken(origin, error))
    }
}

/// Converts a request to origin form, and moves the authority to `Host` (RFC 9112 §3.2.1).
pub fn to_origin_form(request: &mut Request<Bytes>) {
    let uri = request.uri();
    let host = uri.authority().and_then(|authority| HeaderValue::from_str(authority.as_str()).ok());
    let path = uri.path_and_query().cloned().map_or_else(Uri::default, Uri::from);
    *request.uri_mut() = path;
    if let Some(host) = host {
        request.headers_mut().insert(HOST, host);
    }
}

fn broken(origin: &str, error: hyper::Error) -> ClientError {
    ClientError::transport(origin, Phase::Exchange, error)
}
