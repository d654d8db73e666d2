//! The listener for HTTP-01 challenges (RFC 8555 §8.3).
//!
//! It answers the CA, and redirects everybody else to HTTPS.

use anyhow::Context as _;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, LOCATION};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

const PREFIX: &str = "/.well-known/acme-challenge/";
/// Connections at a time. Further ones wait.
const CONNECTIONS: usize = 64;
/// Limits a connection.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// The answers to open challenges. Clones share them.
#[derive(Clone, Default)]
pub struct HttpChallenges(Arc<Mutex<HashMap<String, String>>>);

impl HttpChallenges {
    /// Begins to answer a challenge.
    pub(super) fn answer(&self, token: &str, key_authorization: &str) {
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(token.to_owned(), key_authorization.to_owned());
    }

    /// Ends all answers.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Listens on an address. Requests for other paths are redirected to `origin`.
    ///
    /// # Errors
    /// Fails if the address cannot be used.
    pub async fn listen(&self, address: &str, origin: String) -> anyhow::Result<JoinHandle<()>> {
        let listener = TcpListener::bind(address).await.with_context(|| {
            format!(
                "cannot listen on {address} (--acme-http-listen); ports below 1024 need CAP_NET_BIND_SERVICE"
            )
        })?;
        Ok(tokio::spawn(self.clone().run(listener, Arc::from(origin))))
    }

    async fn run(self, listener: TcpListener, origin: Arc<str>) {
        let permits = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
            let Ok((stream, _)) = listener.accept().await else {
                sleep(REFUSED_PAUSE).await;
                continue;
            };
            let (challenges, origin) = (self.clone(), Arc::clone(&origin));
            tokio::spawn(async move {
                // The client is told nothing more if it takes too long or breaks the protocol.
                let _ = timeout(CONNECTION_TIMEOUT, challenges.serve(stream, &origin)).await;
                drop(permit);
            });
        }
    }

    async fn serve(&self, stream: TcpStream, origin: &str) -> hyper::Result<()> {
        let service = service_fn(async |request: Request<Incoming>| {
            Ok::<_, Infallible>(self.respond(&request, origin))
        });
        let mut server = http1::Builder::new();
        server.timer(TokioTimer::new()).keep_alive(false).max_buf_size(16 * 1024);
        server.serve_connection(TokioIo::new(stream), service).await
    }

    fn respond<B>(&self, request: &Request<B>, origin: &str) -> Response<Full<Bytes>> {
        let mut response = Response::new(Full::default());
        if let Some(token) = request.uri().path().strip_prefix(PREFIX) {
            let answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            match answers.get(token) {
                Some(answer) => {
                    let octets = HeaderValue::from_static("application/octet-stream");
                    response.headers_mut().insert(CONTENT_TYPE, octets);
                    *response.body_mut() = answer.clone().into();
                }
                None => *response.status_mut() = StatusCode::NOT_FOUND,
            }
            return response;
        }
        let target = request.uri().path_and_query().map_or("/", |path| path.as_str());
        match HeaderValue::from_str(&format!("{origin}{target}")) {
            Ok(location) => {
                *response.status_mut() = StatusCode::PERMANENT_REDIRECT;
                response.headers_mut().insert(LOCATION, location);
            }
            Err(_) => *response.status_mut() = StatusCode::BAD_REQUEST,
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(challenges: &HttpChallenges, target: &str) -> Response<Full<Bytes>> {
        challenges.respond(&Request::get(target).body(()).unwrap(), "https://push.example")
    }

    /// D: validation over plain HTTP.
    #[test]
    fn only_open_challenges_are_answered() {
        let challenges = HttpChallenges::default();
        challenges.answer("token", "token.thumbprint");
        assert_eq!(get(&challenges, "/.well-known/acme-challenge/token").status(), StatusCode::OK);
        for other in ["/.well-known/acme-challenge/", "/.well-known/acme-challenge/other"] {
            assert_eq!(get(&challenges, other).status(), StatusCode::NOT_FOUND);
        }
        challenges.clear();
        let after = get(&challenges, "/.well-known/acme-challenge/token");
        assert_eq!(after.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn everything_else_is_redirected_to_https() {
        let response = get(&HttpChallenges::default(), "/errors?a=b");
        assert_eq!(response.status(), StatusCode::PERMANENT_REDIRECT);
        assert_eq!(response.headers()[LOCATION], "https://push.example/errors?a=b");
    }

    #[tokio::test]
    async fn a_busy_address_is_named() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let error = HttpChallenges::default().listen(&address, String::new()).await.unwrap_err();
        assert!(error.to_string().contains(&format!("{address} (--acme-http-listen)")), "{error}");
    }
}
