//! The record of one push.

use crate::namespace::Namespace;
use crate::service_name::ServiceName;
use bytes::Bytes;
use http::HeaderMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use std::collections::BTreeMap;
use webpush_core::base64url;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::message::Outcome;
use webpush_core::sender::Credentials;
use webpush_core::time::Timestamp;

/// The subscription that a push is for.
pub(crate) type PushTarget = (InboxId, SubscriptionId);

/// A push that was sent to this server, accepted or not.
#[derive(Clone, Serialize)]
pub(crate) struct PushRecord {
    /// `m` and the number.
    pub(crate) id: String,
    /// Counts all records. Later ones have larger numbers.
    pub(crate) number: u64,
    pub(crate) namespace: Namespace,
    /// The ID of the subscription; `None` if no namespace has it.
    pub(crate) subscription: Option<String>,
    pub(crate) service: ServiceName,
    pub(crate) endpoint: String,
    #[serde(serialize_with = "time")]
    pub(crate) sent: Timestamp,
    /// The status of the response.
    pub(crate) status: u16,
    /// The reason of a refusal, as the response gave it.
    pub(crate) problem: Option<String>,
    pub(crate) state: State,
    #[serde(serialize_with = "optional_time")]
    pub(crate) delivered: Option<Timestamp>,
    /// The acknowledgement of a virtual agent.
    pub(crate) acknowledged: Option<AgentAck>,
    #[serde(flatten)]
    pub(crate) request: SentRequest,
    #[serde(flatten)]
    pub(crate) content: PushContent,
    /// The ID of the fault that was injected.
    pub(crate) fault: Option<String>,
    /// How often it was delivered: twice after a fault.
    pub(crate) deliveries: usize,
    #[serde(skip)]
    pub(crate) target: Option<PushTarget>,
    /// The messages that the push became, two after a fault, and how each ended.
    #[serde(skip)]
    pub(crate) messages: Vec<(MessageId, Option<State>)>,
}

impl PushRecord {
    /// Returns the bytes of its texts and its body.
    pub(crate) fn weight(&self) -> usize {
        let headers = self.request.headers.iter().map(|(name, value)| name.len() + value.len());
        let text = self.content.text.as_ref().map_or(0, String::len);
        let problem = self.problem.as_ref().map_or(0, String::len);
        // The JSON of a text is a second copy.
        self.endpoint.len() + headers.sum::<usize>() + 2 * text + problem + self.content.body.len()
    }

    /// Records how one of its messages ended. Returns false if that was known.
    pub(crate) fn end(&mut self, message: MessageId, state: State, at: Timestamp) -> bool {
        let Some((_, end)) = self.messages.iter_mut().find(|(id, _)| *id == message) else { return false };
        if *end == Some(State::Delivered) || *end == Some(state) {
            return false;
        }
        *end = Some(state);
        self.deliveries = self.messages.iter().filter(|(_, end)| *end == Some(State::Delivered)).count();
        let has_ended = self.messages.iter().all(|(_, end)| end.is_some());
        if state == State::Delivered && self.state != State::Delivered {
            (self.state, self.delivered) = (state, Some(at));
        } else if has_ended && self.state == State::Accepted {
            self.state = state;
        }
        true
    }
}

/// Where a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    /// It waits for its agent.
    Accepted,
    /// Its agent acknowledged it.
    Delivered,
    /// The response was an error.
    Refused,
    /// A fault discarded it after it was accepted.
    Lost,
    /// Its TTL elapsed.
    Expired,
    /// A message with the same topic replaced it.
    Replaced,
    /// Its sender canceled it, or its subscription was removed.
    Canceled,
    /// A quota discarded it.
    Dropped,
}

impl From<Outcome> for State {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Expired => Self::Expired,
            Outcome::Replaced => Self::Replaced,
            Outcome::Canceled => Self::Canceled,
            Outcome::Dropped => Self::Dropped,
        }
    }
}

/// The acknowledgement of a virtual agent, with the codes of autopush.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AgentAck {
    /// It was decrypted and shown.
    #[default]
    Delivered,
    /// It could not be decrypted.
    DecryptionFailed,
    /// The service worker failed.
    NotDisplayed,
    /// There is none, so that the message is delivered again.
    Never,
}

impl AgentAck {
    /// Returns the code of `ack`; `None` to send none.
    pub(crate) const fn code(self) -> Option<u16> {
        match self {
            Self::Delivered => Some(100),
            Self::DecryptionFailed => Some(101),
            Self::NotDisplayed => Some(102),
            Self::Never => None,
        }
    }
}

/// The request of a sender.
#[derive(Clone, Serialize)]
pub(crate) struct SentRequest {
    ttl: Option<u64>,
    pub(crate) urgency: String,
    pub(crate) topic: Option<String>,
    encoding: Option<String>,
    headers: BTreeMap<String, String>,
    pub(crate) vapid: Option<ClaimsView>,
}

impl SentRequest {
    pub(crate) fn new(headers: &HeaderMap) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let lossy = |value: &[u8]| String::from_utf8_lossy(value).into_owned();
        let mut all = BTreeMap::<String, String>::new();
        for (name, value) in headers {
            let values = all.entry(name.as_str().to_owned()).or_default();
            if !values.is_empty() {
                values.push_str(", ");
            }
            values.push_str(&lossy(value.as_bytes()));
        }
        Self {
            ttl: text("ttl").and_then(|ttl| ttl.trim().parse().ok()),
            urgency: text("urgency").unwrap_or_else(|| "normal".to_owned()),
            topic: text("topic"),
            encoding: text("content-encoding"),
            headers: all,
            vapid: ClaimsView::read(headers),
        }
    }
}

impl SentRequest {
    /// Returns the TTL in seconds, if it is a number.
    pub(crate) const fn ttl(&self) -> Option<u64> {
        self.ttl
    }

    /// Returns true if the message is delivered at once or not at all (RFC 8030 §5.2).
    pub(crate) fn is_offered(&self) -> bool {
        self.ttl == Some(0)
    }
}

/// The claims of a VAPID token, which may be invalid.
#[derive(Clone, Serialize)]
pub(crate) struct ClaimsView {
    pub(crate) aud: Option<Value>,
    sub: Option<Value>,
    exp: Option<Value>,
    pub(crate) key: String,
}

impl ClaimsView {
    fn read(headers: &HeaderMap) -> Option<Self> {
        let credentials = Credentials::parse(headers).ok()??;
        let claims = credentials.token().split('.').nth(1)?;
        let mut claims: Value = serde_json::from_slice(&base64url::decode_lenient(claims)?).ok()?;
        let mut take = |name| claims.get_mut(name).map(Value::take);
        Some(Self { aud: take("aud"), sub: take("sub"), exp: take("exp"), key: credentials.key().to_owned() })
    }
}

/// The body of a push, and its plaintext if this server has the keys.
#[derive(Clone, Serialize)]
pub(crate) struct PushContent {
    pub(crate) size: usize,
    #[serde(serialize_with = "base64")]
    pub(crate) body: Bytes,
    pub(crate) text: Option<String>,
    json: Option<Value>,
    /// Why there is no plaintext.
    decryption: Option<String>,
}

impl PushContent {
    /// Creates the content of a body that was decrypted, or was not for a reason.
    pub(crate) fn new(body: Bytes, plaintext: Result<Vec<u8>, String>) -> Self {
        let (text, decryption) = match plaintext.map(String::from_utf8) {
            Ok(Ok(text)) => (Some(text), None),
            Ok(Err(_)) => (None, Some("the plaintext is not UTF-8".to_owned())),
            Err(reason) => (None, Some(reason)),
        };
        let json = text.as_deref().and_then(|text| serde_json::from_str(text).ok());
        Self { size: body.len(), body, text, json, decryption }
    }
}

fn time<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.rfc3339())
}

fn optional_time<S: Serializer>(time: &Option<Timestamp>, serializer: S) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::rfc3339).serialize(serializer)
}

fn base64<S: Serializer>(body: &Bytes, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&base64url::encode(body))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    #[test]
    fn a_request_is_described_with_its_claims() {
        let claims =
            base64url::encode(br#"{"aud":"https://push.example","exp":5,"sub":"mailto:a@b.example"}"#);
        let authorization = format!("vapid t=x.{claims}.y, k=BKey");
        let headers = HeaderMap::from_iter([
            ("authorization".parse().unwrap(), HeaderValue::from_str(&authorization).unwrap()),
            ("ttl".parse().unwrap(), HeaderValue::from_static("60")),
            ("topic".parse().unwrap(), HeaderValue::from_static("news")),
        ]);
        let json = serde_json::to_value(SentRequest::new(&headers)).unwrap();
        assert_eq!(
            (&json["ttl"], &json["topic"], &json["urgency"]),
            (&60.into(), &"news".into(), &"normal".into())
        );
        assert_eq!(json["vapid"]["aud"], "https://push.example");
        assert_eq!((&json["vapid"]["exp"], &json["vapid"]["key"]), (&5.into(), &"BKey".into()));
        assert_eq!(json["headers"]["ttl"], "60");
        assert!(SentRequest::new(&HeaderMap::new()).vapid.is_none());
    }

    #[test]
    fn content_is_text_and_json_if_it_can_be() {
        let content = |plaintext: Result<&[u8], &str>| {
            let plaintext = plaintext.map(<[u8]>::to_vec).map_err(str::to_owned);
            serde_json::to_value(PushContent::new(Bytes::from_static(b"\xff"), plaintext)).unwrap()
        };
        let json = content(Ok(br#"{"a":1}"#));
        assert_eq!((&json["json"]["a"], &json["body"], &json["size"]), (&1.into(), &"_w".into(), &1.into()));
        assert_eq!(content(Ok(b"hello"))["json"], Value::Null);
        assert!(content(Ok(b"\xff"))["decryption"].is_string());
        assert_eq!(content(Err("no keys"))["decryption"], "no keys");
    }
}
