//! Encrypts and sends messages (RFC 8030 §5).

use crate::connection::{Connection, Connector, FullResponse, Protocols};
use crate::encryption::encrypt;
use crate::error::{ClientError, Operation, StatusError};
use crate::subscribe::{linked, location, request};
use crate::subscription::PushSubscription;
use crate::url::CapabilityUrl;
use crate::vapid::VapidKey;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_ENCODING, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method, Request, StatusCode};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

const RECEIPT: &str = "urn:ietf:params:push:receipt";

/// Options of a message.
#[derive(Debug, Default)]
pub struct SendOptions {
    /// TTL in seconds (RFC 8030 §5.2).
    pub ttl_seconds: u32,
    /// Urgency (§5.3).
    pub urgency: Option<Urgency>,
    /// Topic. The message replaces an undelivered one with the same topic (§5.4).
    pub topic: Option<Topic>,
    /// True to request a receipt (§5.1).
    pub receipt: bool,
}

/// An application server that identifies itself (RFC 8292).
#[derive(Debug)]
pub struct Sender {
    /// Its key.
    pub key: VapidKey,
    /// The contact of its operator, a `mailto:` or `https:` URL.
    pub subject: Option<String>,
}

/// The response to an accepted message.
#[derive(Debug)]
pub struct SendResponse {
    /// 201, or 202 if the service will send a receipt.
    pub status: StatusCode,
    /// The URL of the message, to cancel it. Optional: some services return none.
    pub message: Option<CapabilityUrl>,
    /// The URL at which to receive receipts.
    pub receipt: Option<CapabilityUrl>,
    /// The granted TTL.
    pub ttl_seconds: Option<u64>,
}

/// Encrypts and sends a message. `now` determines the expiry of the VAPID token.
///
/// ```no_run
/// use webpush_client::connection::Connector;
/// use webpush_client::send::{SendOptions, Sender, send};
/// use webpush_client::subscription::PushSubscription;
/// use webpush_client::vapid::VapidKey;
///
/// # async fn example(json: &str, now: webpush_core::time::Timestamp) -> Result<(), webpush_client::error::ClientError> {
/// let subscription = PushSubscription::read(json)?;
/// let sender = Sender { key: VapidKey::generate()?, subject: Some("mailto:ops@example.net".to_owned()) };
/// let options = SendOptions { ttl_seconds: 3600, ..SendOptions::default() };
/// let connector = Connector::default();
/// let accepted = send(&connector, &subscription, b"Dinner is ready", &options, Some(&sender), now).await?;
/// println!("{}", accepted.status);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ClientError::Crypto`] if the text is too large, before anything is sent; [`ClientError::Status`] if the service
/// rejects the message.
pub async fn send(
    connector: &Connector,
    to: &PushSubscription,
    text: &[u8],
    options: &SendOptions,
    sender: Option<&Sender>,
    now: Timestamp,
) -> Result<SendResponse, ClientError> {
    let request = message_request(to, text, options, sender, now)?;
    let mut connection = connector.connect(&to.endpoint, Protocols::Any).await?;
    exchange(&mut connection, to, request).await
}

/// Sends a message on an open connection; see [`send`].
///
/// # Errors
/// See [`send`].
pub async fn send_over(
    connection: &mut Connection,
    to: &PushSubscription,
    text: &[u8],
    options: &SendOptions,
    sender: Option<&Sender>,
    now: Timestamp,
) -> Result<SendResponse, ClientError> {
    exchange(connection, to, message_request(to, text, options, sender, now)?).await
}

async fn exchange(
    connection: &mut Connection,
    to: &PushSubscription,
    request: Request<Bytes>,
) -> Result<SendResponse, ClientError> {
    let answer = connection.exchange(request).await?;
    if answer.status.is_success() {
        Ok(accepted(&to.endpoint, &answer))
    } else {
        Err(StatusError::new(connection.origin(), Operation::Send, &answer).into())
    }
}

fn message_request(
    to: &PushSubscription,
    text: &[u8],
    options: &SendOptions,
    sender: Option<&Sender>,
    now: Timestamp,
) -> Result<Request<Bytes>, ClientError> {
    let body = encrypt(&to.keys, text)?;
    let mut request = request(Method::POST, &to.endpoint)?.map(|_| body.into());
    let headers = request.headers_mut();
    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(HeaderName::from_static("ttl"), options.ttl_seconds.into());
    if let Some(urgency) = options.urgency {
        headers.insert(HeaderName::from_static("urgency"), HeaderValue::from_static(urgency.as_str()));
    }
    if let Some(topic) = options.topic {
        headers.insert(HeaderName::from_static("topic"), value(topic.as_bytes())?);
    }
    if options.receipt {
        headers.insert(HeaderName::from_static("prefer"), HeaderValue::from_static("respond-async"));
    }
    if let Some(Sender { key, subject }) = sender {
        let token = key.authorization(&to.endpoint.origin(), subject.as_deref(), now)?;
        let mut token = value(token.as_bytes())?;
        token.set_sensitive(true);
        headers.insert(AUTHORIZATION, token);
    }
    Ok(request)
}

fn value(bytes: &[u8]) -> Result<HeaderValue, ClientError> {
    HeaderValue::from_bytes(bytes).map_err(|error| ClientError::Request(error.into()))
}

/// Parses the response to an accepted message. Malformed headers are ignored.
fn accepted(endpoint: &CapabilityUrl, answer: &FullResponse) -> SendResponse {
    let ttl = answer.headers.get("ttl").and_then(|value| value.to_str().ok());
    SendResponse {
        status: answer.status,
        message: location(endpoint, answer).ok(),
        receipt: linked(endpoint, answer, RECEIPT).ok().flatten(),
        ttl_seconds: ttl.and_then(|ttl| ttl.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encryption::{AgentKeys, CryptoError};
    use http::HeaderMap;
    use http::header::{LINK, LOCATION};

    fn subscription() -> PushSubscription {
        let keys = AgentKeys::generate().unwrap().recipient().clone();
        PushSubscription { endpoint: CapabilityUrl::parse("https://push.example/push/p").unwrap(), keys }
    }

    fn headers(options: &SendOptions, sender: Option<&Sender>) -> HeaderMap {
        message_request(&subscription(), b"", options, sender, Timestamp::default())
            .unwrap()
            .headers()
            .clone()
    }

    #[test]
    fn r8030_5_a_request_says_no_more_than_it_was_told() {
        let headers = headers(&SendOptions { ttl_seconds: 60, ..SendOptions::default() }, None);
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
        let options = SendOptions {
            ttl_seconds: 0,
            urgency: Some(Urgency::VeryLow),
            topic: Topic::parse(b"upd"),
            receipt: true,
        };
        let headers = headers(&options, Some(&sender));
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
        let answer = FullResponse { status: StatusCode::ACCEPTED, headers, body: Bytes::new() };
        let accepted = accepted(&subscription().endpoint, &answer);
        assert_eq!(accepted.message.unwrap().expose(), "https://push.example/message/m");
        assert_eq!(accepted.receipt.unwrap().expose(), "https://push.example/receipt-subscription/r");
        assert_eq!(accepted.ttl_seconds, Some(30));
    }

    #[tokio::test]
    async fn large_texts_are_refused_before_anything_is_sent() {
        let text = vec![0; 5000];
        let (connector, options, now) = (Connector::default(), SendOptions::default(), Timestamp::default());
        let sent = send(&connector, &subscription(), &text, &options, None, now).await;
        assert!(matches!(sent, Err(ClientError::Crypto(CryptoError::TooLarge(5000)))), "{sent:?}");
    }
}
