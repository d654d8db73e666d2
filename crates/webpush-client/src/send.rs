//! Sending (RFC 8030 §5): one encrypted message to one subscription.

use super::clock;
use super::connection::{Answer, Connection, Connector, Protocols};
use super::encryption::encrypt;
use super::error::ClientError;
use super::problem;
use super::subscribe::{linked, location, request};
use super::subscription::PushSubscription;
use super::url::CapabilityUrl;
use super::vapid::VapidKey;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

const RECEIPT: &str = "urn:ietf:params:push:receipt";

/// How a message is to be handled.
#[derive(Debug, Default)]
pub struct Delivery {
    /// How long it is worth keeping, in seconds (RFC 8030 §5.2).
    pub ttl_seconds: u32,
    /// How much it matters (§5.3).
    pub urgency: Option<Urgency>,
    /// Which outstanding message it replaces (§5.4).
    pub topic: Option<Topic>,
    /// Whether its delivery is to be confirmed (§5.1).
    pub receipt: bool,
}

/// Who sends (RFC 8292).
#[derive(Debug)]
pub struct Sender {
    /// The application server's key.
    pub key: VapidKey,
    /// How to reach its operator: a `mailto:` or `https:` URL.
    pub subject: Option<String>,
}

/// The service has the message; nothing is said about its delivery.
#[derive(Debug)]
pub struct Accepted {
    /// 201, or 202 when a receipt is promised.
    pub status: StatusCode,
    /// The message, to withdraw it; some services give none.
    pub message: Option<CapabilityUrl>,
    /// Where to listen for receipts.
    pub receipt: Option<CapabilityUrl>,
    /// How long it is kept, if the service says so.
    pub ttl_seconds: Option<u64>,
}

/// Encrypts and sends a message.
///
/// # Errors
/// [`ClientError::Local`] before anything was sent when the text is too large; then as the service answers.
pub async fn send(
    connector: &Connector,
    to: &PushSubscription,
    text: &[u8],
    delivery: &Delivery,
    sender: Option<&Sender>,
) -> Result<Accepted, ClientError> {
    let request = message_request(to, text, delivery, sender)?;
    let mut connection = connector.connect(&to.endpoint, Protocols::Any).await?;
    exchange(&mut connection, to, request).await
}

/// [`send`] on a connection that is there.
///
/// # Errors
/// As there.
pub async fn send_over(
    connection: &mut Connection,
    to: &PushSubscription,
    text: &[u8],
    delivery: &Delivery,
    sender: Option<&Sender>,
) -> Result<Accepted, ClientError> {
    exchange(connection, to, message_request(to, text, delivery, sender)?).await
}

async fn exchange(
    connection: &mut Connection,
    to: &PushSubscription,
    request: Request<Bytes>,
) -> Result<Accepted, ClientError> {
    let answer = connection.exchange(request).await?;
    if answer.status.is_success() {
        Ok(accepted(&to.endpoint, &answer))
    } else {
        Err(problem::failure(connection.origin(), "take the message", &answer))
    }
}

fn message_request(
    to: &PushSubscription,
    text: &[u8],
    delivery: &Delivery,
    sender: Option<&Sender>,
) -> Result<Request<Bytes>, ClientError> {
    let body = encrypt(&to.keys, text).map_err(|error| ClientError::Local(error.to_string()))?;
    let mut request = request(Method::POST, &to.endpoint)?.map(|_| body.into());
    let headers = request.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(HeaderName::from_static("ttl"), delivery.ttl_seconds.into());
    if let Some(urgency) = delivery.urgency {
        headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(urgency.as_str()));
    }
    if let Some(topic) = delivery.topic {
        headers.insert(HeaderName::from_static("topic"), value(topic.as_bytes())?);
    }
    if delivery.receipt {
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static("respond-async"));
    }
    if let Some(Sender { key, subject }) = sender {
        let token = key.authorization(&to.endpoint.origin(), subject.as_deref(), clock::now())?;
        let mut token = value(token.as_bytes())?;
        token.set_sensitive(true);
        headers.insert(AUTHORIZATION, token);
    }
    Ok(request)
}

fn value(bytes: &[u8]) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_bytes(bytes).map_err(|_| ClientError::Local("the request cannot be made".to_owned()))
}

/// What an answer adds is taken if it is there: the message is accepted either way.
fn accepted(endpoint: &CapabilityUrl, answer: &Answer) -> Accepted {
    let ttl = answer.headers.get("ttl").and_then(|value| value.to_str().ok());
    Accepted {
        status: answer.status,
        message: location(endpoint, answer).ok(),
        receipt: linked(endpoint, answer, RECEIPT).ok().flatten(),
        ttl_seconds: ttl.and_then(|ttl| ttl.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::AgentKeys;
    use http::HeaderMap;
    use http::header::{LINK, LOCATION};

    fn subscription() -> PushSubscription {
        let keys = AgentKeys::generate().unwrap().recipient().clone();
        PushSubscription { endpoint: CapabilityUrl::parse("https://push.example/push/p").unwrap(), keys }
    }

    fn headers(delivery: &Delivery, sender: Option<&Sender>) -> HeaderMap {
        message_request(&subscription(), b"", delivery, sender).unwrap().headers().clone()
    }

    #[test]
    fn r8030_5_a_request_says_no_more_than_it_was_told() {
        let headers = headers(&Delivery { ttl_seconds: 60, ..Delivery::default() }, None);
        assert_eq!(
            (headers["ttl"].as_bytes(), headers["content-encoding"].as_bytes()),
            (&b"60"[..], &b"aes128gcm"[..])
        );
        for name in ["urgency", "topic", "prefer", "authorization"] {
            assert!(!headers.contains_key(name), "{name}");
        }
    }

    #[test]
    fn r8030_5_every_wish_has_its_header() {
        let sender = Sender { key: VapidKey::generate().unwrap(), subject: None };
        let delivery = Delivery {
            ttl_seconds: 0,
            urgency: Some(Urgency::VeryLow),
            topic: Topic::parse(b"upd"),
            receipt: true,
        };
        let headers = headers(&delivery, Some(&sender));
        for (name, value) in
            [("ttl", "0"), ("urgency", "very-low"), ("topic", "upd"), ("prefer", "respond-async")]
        {
            assert_eq!(headers[name], value);
        }
        assert!(headers["authorization"].is_sensitive());
        assert!(headers["authorization"].to_str().unwrap().starts_with("vapid t="));
    }

    #[test]
    fn r8030_5_1_b_the_answer_names_message_and_receipt() {
        let mut headers = HeaderMap::new();
        headers.insert(LOCATION, "/message/m".parse().unwrap());
        headers.insert(
            LINK,
            r#"</receipt-subscription/r>; rel="urn:ietf:params:push:receipt""#.parse().unwrap(),
        );
        headers.insert("ttl", "30".parse().unwrap());
        let answer = Answer { status: StatusCode::ACCEPTED, headers, body: Bytes::new() };
        let accepted = accepted(&subscription().endpoint, &answer);
        assert_eq!(accepted.message.unwrap().expose(), "https://push.example/message/m");
        assert_eq!(accepted.receipt.unwrap().expose(), "https://push.example/receipt-subscription/r");
        assert_eq!(accepted.ttl_seconds, Some(30));
    }

    #[tokio::test]
    async fn too_large_a_text_is_refused_before_anything_is_sent() {
        let text = vec![0; 5000];
        let error = send(&Connector::default(), &subscription(), &text, &Delivery::default(), None)
            .await
            .unwrap_err();
        assert!(
            matches!(&error, ClientError::Local(text) if text.contains("5000") && text.contains("3993")),
            "{error}"
        );
    }
}
