//! A push service on loopback that judges a sender.
//!
//! The judgement is that of `webpush_conformance::sender`.
//!
//! | request | response |
//! |---|---|
//! | `GET /` | the addresses, and a subscription for each behavior |
//! | `GET /subscriptions/NAME` | a new subscription; `new` and `201` accept messages, `410` returns 410, and so on |
//! | `GET /subscriptions/NAME?key=KEY` | the same, restricted to a VAPID key |
//! | `GET /report` | the report so far, as JSON |
//! | `/push/…` | judged as a message |

use crate::authority::TestAuthority;
use crate::conform::memory_service;
use crate::server::ca_file::CaFile;
use crate::server::listeners::bind;
use anyhow::{Context as _, anyhow};
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderValue};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use serde_json::{Map, Value, json};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use webpush_conformance::report::{Report, json as report_json};
use webpush_conformance::sender::{EndpointBehavior, SenderRequest, SenderValidator};
use webpush_core::env::Env;
use webpush_core::sender::parse_key;
use webpush_http::body::Body;
use webpush_http::interceptor::{Interception, Interceptor};
use webpush_http::server::{HttpConfig, HttpServer};
use webpush_http::transport::certificate::Certificate;
use webpush_http::transport::connections::{Connections, NetworkLimit};
use webpush_http::transport::listen::{self, Front, FrontProtocol};
use webpush_http::transport::proxies::DirectPeer;
use webpush_http::transport::tls;
use webpush_service::drain::Drain;
use webpush_service::p256::P256;
use webpush_service::service::Service;
use webpush_service::system;

/// Maximum length of a body that is judged.
const MOST_BODY_BYTES: usize = 64 * 1024;

/// How to start.
#[derive(Clone, Debug, Default)]
pub struct SenderTrialConfig {
    /// The port without TLS; 0 for a free one, here and below.
    pub port: u16,
    /// The port with TLS.
    pub https_port: u16,
    /// Where to write the certificate of the authority; `None` for a temporary directory.
    pub ca_file: Option<PathBuf>,
    /// Gives out endpoints without TLS.
    pub plain_http: bool,
}

/// A running push service that judges a sender. It serves as long as the runtime runs.
pub struct SenderTrial {
    shared: Arc<SenderTrialState>,
    _drain: Drain,
}

struct SenderTrialState {
    validator: Mutex<SenderValidator<P256>>,
    env: Env,
    /// The origin without TLS.
    origin: String,
    https: String,
    ca_file: CaFile,
}

impl SenderTrial {
    /// Starts listening on loopback. It is ready when this returns.
    ///
    /// # Errors
    /// If a port is taken or a file cannot be written.
    pub async fn start(config: SenderTrialConfig) -> anyhow::Result<Self> {
        let host = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let http = bind(host, config.port, "--port").await?;
        let https = bind(host, config.https_port, "--https-port").await?;
        let env = system::env();
        let authority = TestAuthority::create(&[], env.now())?;
        let ca_file = CaFile::write(config.ca_file.as_deref(), &authority)?;
        let plain_origin = format!("http://localhost:{}", http[0].local_addr()?.port());
        let tls_origin = format!("https://localhost:{}", https[0].local_addr()?.port());
        let endpoint_origin = if config.plain_http { plain_origin.clone() } else { tls_origin.clone() };
        let shared = Arc::new(SenderTrialState {
            validator: Mutex::new(SenderValidator::new(endpoint_origin, P256)),
            env: env.clone(),
            origin: plain_origin.clone(),
            https: tls_origin,
            ca_file,
        });
        let service = Service::new(memory_service(env, plain_origin)?);
        let interceptor: Arc<dyn Interceptor> = Arc::clone(&shared) as _;
        let connections = Arc::new(Connections::new(None, NetworkLimit::Off, Arc::clone(&service.metrics)));
        let config = HttpConfig { interceptor: Some(interceptor), ..HttpConfig::default() };
        let server = HttpServer::new(service, config);
        let acceptor = tls::acceptor(Certificate::new(authority.certified()))?;
        let drain = Drain::default();
        let all = http.into_iter().map(|one| (one, None));
        for (listener, tls) in all.chain(https.into_iter().map(|one| (one, Some(acceptor.clone())))) {
            let protocol = FrontProtocol::Http;
            let front = Front { connections: Arc::clone(&connections), proxy_protocol: false, tls, protocol };
            // It runs as long as the runtime.
            drop(listen::start(listener, front, Arc::clone(&server), drain.draining()));
        }
        Ok(Self { shared, _drain: drain })
    }

    /// Returns the addresses, and a new subscription for each behavior.
    ///
    /// # Errors
    /// If there are no random bytes.
    pub fn ready(&self) -> anyhow::Result<Value> {
        self.shared.ready()
    }

    /// Returns the variables for a command that runs the sender.
    ///
    /// `ready` is the value that [`SenderTrial::ready`] has returned.
    #[must_use]
    pub fn environment(&self, ready: &Value) -> Vec<(&'static str, String)> {
        let ca = self.shared.ca_file.path().display().to_string();
        let trust = ["NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"];
        let mut variables: Vec<_> = trust.into_iter().map(|name| (name, ca.clone())).collect();
        let local = "localhost,127.0.0.1,::1".to_owned();
        variables.extend([
            ("NO_PROXY", local.clone()),
            ("no_proxy", local),
            ("WEBPUSH_CONFORM_URL", self.shared.origin.clone()),
            ("WEBPUSH_CONFORM_CA", ca),
            ("WEBPUSH_CONFORM_SUBSCRIPTION", ready["subscriptions"]["201"].to_string()),
            ("WEBPUSH_CONFORM_SUBSCRIPTIONS", ready["subscriptions"].to_string()),
        ]);
        variables
    }

    /// Returns the number of messages so far.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.validator().requests()
    }

    /// Returns the report so far. Without a name, the sender has that of its `User-Agent`.
    #[must_use]
    pub fn report(&self, name: Option<&str>) -> Report {
        self.shared.validator().report(name)
    }
}

impl SenderTrialState {
    fn validator(&self) -> MutexGuard<'_, SenderValidator<P256>> {
        self.validator.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ready(&self) -> anyhow::Result<Value> {
        let mut subscriptions = Map::new();
        for behavior in EndpointBehavior::ALL {
            let made = self.validator().subscribe(behavior, None)?.to_json();
            subscriptions.insert(behavior.name().to_owned(), made);
        }
        Ok(json!({
            "api": self.origin,
            "https": self.https,
            "ca": self.ca_file.path().display().to_string(),
            "subscriptions": subscriptions,
        }))
    }

    /// Returns a new subscription with the behavior that a path names.
    fn subscribe(&self, name: &str, query: &str) -> anyhow::Result<Value> {
        let behavior =
            if name == "new" { Some(EndpointBehavior::Accept) } else { EndpointBehavior::from_name(name) };
        let behavior = behavior.ok_or_else(|| {
            let names = EndpointBehavior::ALL.map(EndpointBehavior::name).join(", ");
            anyhow!("there is no subscription named {name:?}: use new, {names}")
        })?;
        let key = query.split('&').find_map(|parameter| parameter.strip_prefix("key="));
        let key = key.map(|key| parse_key(key, &P256)).transpose().context("key")?;
        Ok(self.validator().subscribe(behavior, key)?.to_json())
    }

    async fn answer(&self, head: &Parts, mut body: Body) -> Response<Bytes> {
        let path = head.uri.path();
        if SenderValidator::<P256>::is_push(path) {
            return self.receive(head, body).await;
        }
        body.discard().await;
        if head.method != Method::GET {
            return text(StatusCode::METHOD_NOT_ALLOWED, "GET only\n".to_owned());
        }
        let made = match path.strip_prefix("/subscriptions/") {
            Some(name) => {
                self.subscribe(name, head.uri.query().unwrap_or_default()).map(|json| json.to_string())
            }
            None if path == "/" => self.ready().map(|json| json.to_string()),
            None if path == "/report" => {
                report_json::write(&self.validator().report(None)).map_err(Into::into)
            }
            None => Err(anyhow!("there are /, /subscriptions/NAME and /report")),
        };
        match made {
            Ok(json) => {
                let mut response = text(StatusCode::OK, json);
                response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                response
            }
            Err(error) => text(StatusCode::NOT_FOUND, format!("{error:#}\n")),
        }
    }

    async fn receive(&self, head: &Parts, mut body: Body) -> Response<Bytes> {
        let Ok(body) = body.read(&head.headers, MOST_BODY_BYTES).await else {
            return text(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large or incomplete\n".to_owned());
        };
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let request = SenderRequest {
            method: &head.method,
            target,
            version: head.version,
            headers: &head.headers,
            body: &body,
        };
        self.validator().receive(&request, self.env.now())
    }
}

impl Interceptor for SenderTrialState {
    fn intercept<'a>(
        &'a self,
        _direct_peer: &'a DirectPeer,
        head: &'a Parts,
        body: Body,
    ) -> Pin<Box<dyn Future<Output = Interception> + Send + 'a>> {
        Box::pin(async move { Interception::Answer(self.answer(head, body).await) })
    }
}

fn text(status: StatusCode, text: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(text));
    *response.status_mut() = status;
    response
}
