//! A push service without sockets that judges what it receives.

use super::encryption::{self, KeyHistory};
use super::endpoint::{EndpointBehavior, RETRY_AFTER, TrialSubscription};
use super::reaction;
use super::request::SenderRequest;
use super::token::{self, TokenContext, TokenCount};
use super::{fields, unexercised};
use crate::exchange::request_text;
use crate::report::{Report, Subject, SubjectKind};
use crate::requirements;
use crate::verdicts::Verdicts;
use bytes::Bytes;
use http::header::{LOCATION, RETRY_AFTER as RETRY_AFTER_FIELD, USER_AGENT};
use http::{HeaderValue, Method, Response, StatusCode, Version};
use std::collections::{BTreeMap, BTreeSet};
use webpush_client::encryption::{AgentKeys, CryptoError};
use webpush_client::url::CapabilityUrl;
use webpush_core::sender::Curve;
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

/// Maximum number of subscriptions of a validator.
const MOST_SUBSCRIPTIONS: usize = 10_000;

/// The path that all push resources begin with.
const PUSH: &str = "/push/";

/// Judges the requests of one sender.
///
/// ```
/// use webpush_conformance::report::CheckOutcome;
/// use webpush_conformance::sender::{EndpointBehavior, SenderValidator};
/// use webpush_core::sender::Curve;
/// # use webpush_core::subscription::SenderKey;
/// # struct P256;
/// # impl Curve for P256 {
/// #     fn contains(&self, _: &[u8; 65]) -> bool { true }
/// #     fn verifies(&self, _: &SenderKey, _: &[u8], _: &[u8; 64]) -> bool { true }
/// # }
/// let mut validator = SenderValidator::new("https://push.example".to_owned(), P256);
/// let subscription = validator.subscribe(EndpointBehavior::Accept, None)?;
/// assert!(subscription.endpoint.starts_with("https://push.example/push/201-"));
/// let report = validator.report(Some("my library 1.0"));
/// assert!(report.results.iter().all(|result| matches!(result.outcome, CheckOutcome::Skipped { .. })));
/// # Ok::<(), webpush_client::encryption::CryptoError>(())
/// ```
#[derive(Debug)]
pub struct SenderValidator<C> {
    origin: String,
    curve: C,
    subscriptions: BTreeMap<String, TrialSubscription>,
    verdicts: Verdicts,
    history: KeyHistory,
    tokens: TokenCount,
    requests: usize,
    user_agent: Option<String>,
    versions: BTreeSet<&'static str>,
}

impl<C: Curve> SenderValidator<C> {
    /// Creates a validator whose push resources have this origin.
    pub fn new(origin: String, curve: C) -> Self {
        Self {
            origin,
            curve,
            subscriptions: BTreeMap::new(),
            verdicts: Verdicts::default(),
            history: KeyHistory::default(),
            tokens: TokenCount::default(),
            requests: 0,
            user_agent: None,
            versions: BTreeSet::new(),
        }
    }

    /// Returns true if a path is that of a push resource.
    #[must_use]
    pub fn is_push(path: &str) -> bool {
        path.starts_with(PUSH)
    }

    /// Creates a subscription, which may be restricted to the key of a sender.
    ///
    /// Some endpoints have a query, because senders must not lose it.
    ///
    /// # Errors
    /// [`CryptoError`] if there are no random bytes, or the limit of subscriptions is reached.
    pub fn subscribe(
        &mut self,
        behavior: EndpointBehavior,
        restricted_to: Option<SenderKey>,
    ) -> Result<&TrialSubscription, CryptoError> {
        let number = self.subscriptions.len() + 1;
        if number > MOST_SUBSCRIPTIONS {
            return Err(CryptoError::Randomness);
        }
        let query = if number.is_multiple_of(2) { "?token=a%2Fb%3D&v=1" } else { "" };
        let target = format!("{PUSH}{}-{number}{query}", behavior.name());
        let subscription = TrialSubscription {
            endpoint: format!("{}{target}", self.origin),
            target,
            behavior,
            keys: AgentKeys::generate()?,
            restricted_to,
            refused: None,
            accepted: None,
        };
        let path = subscription.path().to_owned();
        Ok(self.subscriptions.entry(path).or_insert(subscription))
    }

    /// Judges a request to a push resource, and returns the response.
    pub fn receive(&mut self, request: &SenderRequest<'_>, now: Timestamp) -> Response<Bytes> {
        self.requests += 1;
        self.note_client(request);
        let url = CapabilityUrl::parse(&format!("{}{}", self.origin, request.target));
        let exchange = url
            .map(|url| request_text(request.method, &url, request.headers, request.body))
            .unwrap_or_default();
        let path = request.target.split('?').next().unwrap_or_default();
        let expected = "the endpoint of a subscription";
        let Some(subscription) = self.subscriptions.get_mut(path) else {
            self.verdicts.fail("S8030-5-b", expected, request.target, &exchange);
            return response(StatusCode::NOT_FOUND);
        };
        let is_unchanged = subscription.target == request.target;
        let found = || request.target.to_owned();
        self.verdicts.check("S8030-5-b", is_unchanged, &subscription.target, found, &exchange);
        fields::check(&mut self.verdicts, request, &exchange);
        let (verdicts, history) = (&mut self.verdicts, &mut self.history);
        let message_key = encryption::check(verdicts, history, &self.curve, subscription, request, &exchange);
        let origin = &self.origin;
        let context = TokenContext { subscription, request, message_key, origin, now, exchange: &exchange };
        token::check(&mut self.verdicts, &mut self.tokens, &self.curve, &context);
        if *request.method != Method::POST {
            return response(StatusCode::METHOD_NOT_ALLOWED);
        }
        let status = reaction::respond(&mut self.verdicts, subscription, request.body, now, &exchange);
        let mut response = response(status);
        match status {
            StatusCode::CREATED => {
                let location = format!("{}/message/{}", self.origin, self.requests);
                if let Ok(location) = HeaderValue::try_from(location) {
                    response.headers_mut().insert(LOCATION, location);
                }
            }
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                response.headers_mut().insert(RETRY_AFTER_FIELD, HeaderValue::from(RETRY_AFTER.as_secs()));
            }
            _ => {}
        }
        response
    }

    /// Returns the number of requests so far.
    #[must_use]
    pub const fn requests(&self) -> usize {
        self.requests
    }

    /// Returns the result so far. Without a name, the sender has that of its `User-Agent`.
    #[must_use]
    pub fn report(&self, name: Option<&str>) -> Report {
        let name = name.or(self.user_agent.as_deref()).unwrap_or("sender");
        let subject = Subject::new(SubjectKind::Sender, name);
        let mut report = self.verdicts.report(subject, requirements::of_senders(), unexercised::reason);
        let mut fact = |name: &str, value: String| report.facts.push((name.to_owned(), value));
        fact("requests", self.requests.to_string());
        if !self.versions.is_empty() {
            fact("HTTP versions", self.versions.iter().copied().collect::<Vec<_>>().join(", "));
        }
        if self.tokens.messages > 0 {
            let TokenCount { messages, tokens } = &self.tokens;
            fact("VAPID tokens", format!("{} for {messages} messages", tokens.len()));
        }
        report
    }

    fn note_client(&mut self, request: &SenderRequest<'_>) {
        self.versions.insert(if request.version == Version::HTTP_2 { "2" } else { "1.1" });
        if self.user_agent.is_none() {
            let name = request.headers.get(USER_AGENT).and_then(|name| name.to_str().ok());
            self.user_agent = name.map(str::to_owned);
        }
    }
}

fn response(status: StatusCode) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
