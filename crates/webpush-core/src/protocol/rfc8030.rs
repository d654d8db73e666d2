//! The agent's side of RFC 8030: monitoring requests, promised requests and pushed responses.

use super::push_promise::{Acknowledgement, PushPromise};
use crate::capability::{Capability, KeyId, Keyring};
use crate::header::{Link, Preferences, links};
use crate::id::EntryRef;
use crate::message::Draft;
use crate::problem::Problem;
use crate::publish;
use crate::receipt::{Receipt, ReceiptStatus};
use crate::session::WaitMode;
use crate::time::Timestamp;
use crate::urgency::Urgency;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, DATE, HeaderValue, LAST_MODIFIED, LINK};
use http::{HeaderMap, Response, StatusCode};

/// The link relation of a push resource (RFC 8030 §2.1).
pub const PUSH_REL: &str = "urn:ietf:params:push";
/// The link relation of a subscription set (RFC 8030 §4.1).
pub const SET_REL: &str = "urn:ietf:params:push:set";
/// The link relation of a receipt subscription (RFC 8030 §5.1).
pub const RECEIPT_REL: &str = publish::RECEIPT_REL;

/// Formats a link as `<uri>; rel="…"`. Some clients accept only this form.
#[must_use]
pub fn link(origin: &str, path: &str, rel: &str) -> String {
    format!("<{origin}{path}>; rel=\"{rel}\"")
}

/// Returns the link to a subscription set in a subscribe request (RFC 8030 §4.1).
///
/// # Errors
/// [`Problem::HeaderMalformed`] if `Link` is malformed.
pub fn set_link(headers: &HeaderMap) -> Result<Option<Link>, Problem> {
    Ok(links(headers)?.into_iter().find(|link| link.has_rel(SET_REL)))
}

/// A GET on a subscription, a set or a receipt subscription (RFC 8030 §6).
#[derive(Clone, Copy, Debug)]
pub struct MonitorRequest {
    /// How long the request is held.
    pub wait_mode: WaitMode,
    /// The minimum urgency (RFC 8030 §5.3).
    pub min_urgency: Urgency,
    /// The requested wait in seconds, for `Preference-Applied` (RFC 7240 §3).
    pub wait: Option<u64>,
}

impl MonitorRequest {
    /// Parses the headers of the request.
    ///
    /// # Errors
    /// [`Problem::UrgencyMalformed`].
    pub fn parse(headers: &HeaderMap, now: Timestamp) -> Result<Self, Problem> {
        let wait = Preferences::parse(headers).wait;
        let wait_mode = match wait {
            None => WaitMode::Indefinite,
            Some(wait) if wait.is_zero() => WaitMode::UntilEmpty,
            Some(wait) => WaitMode::Until(now.after(wait)),
        };
        let min_urgency = publish::urgency(headers)?.unwrap_or(Urgency::VeryLow);
        Ok(Self { wait_mode, min_urgency, wait: wait.map(|wait| wait.as_secs()) })
    }
}

/// Renders a message as a promised GET of its URL, with a link to its subscription (RFC 8030 §6, §6.1).
pub(super) fn push_message(
    message: &Draft,
    entry: EntryRef,
    subscription_key: KeyId,
    keyring: &Keyring,
    origin: &str,
    now: Timestamp,
) -> Option<PushPromise> {
    let push = Capability::Push(message.agent, message.subscription);
    let push_link = link(origin, &keyring.path(&push, subscription_key)?, PUSH_REL);
    let push_link = HeaderValue::try_from(push_link).ok()?;
    let mut response = message_response(message);
    response.headers_mut().insert(DATE, http_date(now)?);
    response.headers_mut().insert(LINK, push_link.clone());
    let path = keyring.path(&Capability::Message(entry), message.key)?;
    Some(PushPromise { path, link: Some(push_link), response, acknowledgement: Acknowledgement::ByAgent })
}

/// Renders a receipt as a status under the URL of its message (RFC 8030 §6.3).
pub(super) fn push_receipt(receipt: &Receipt, keyring: &Keyring, now: Timestamp) -> Option<PushPromise> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = match receipt.status {
        ReceiptStatus::Acknowledged => StatusCode::NO_CONTENT,
        ReceiptStatus::Failed => StatusCode::GONE,
    };
    response.headers_mut().insert(DATE, http_date(now)?);
    let path = keyring.path(&Capability::Message(receipt.about), receipt.key)?;
    Some(PushPromise { path, link: None, response, acknowledgement: Acknowledgement::ByPings(1) })
}

/// Returns a message as the representation of its URL: the body and the forwarded headers.
///
/// `Urgency` and `Topic` are not forwarded (RFC 8030 §5.3, §5.4).
#[must_use]
pub fn message_response(message: &Draft) -> Response<Bytes> {
    let mut response = Response::new(message.body.clone());
    let headers = response.headers_mut();
    for (name, value) in message.encoding.headers() {
        headers.insert(name, value.clone());
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from(message.body.len()));
    if let Some(accepted) = http_date(message.accepted) {
        headers.insert(LAST_MODIFIED, accepted);
    }
    response
}

pub(super) fn http_date(time: Timestamp) -> Option<HeaderValue> {
    HeaderValue::try_from(time.http_date()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const PREFER: HeaderName = HeaderName::from_static("prefer");

    #[test]
    fn wait_zero_reads_the_inbox_before_it_ends() {
        let wait_mode = |prefer: &'static str| {
            let headers = HeaderMap::from_iter([(PREFER, HeaderValue::from_static(prefer))]);
            MonitorRequest::parse(&headers, Timestamp::from_millis(1000)).unwrap().wait_mode
        };
        assert_eq!(wait_mode("wait=0"), WaitMode::UntilEmpty);
        assert_eq!(wait_mode("wait=1"), WaitMode::Until(Timestamp::from_millis(2000)));
        assert_eq!(wait_mode("respond-async"), WaitMode::Indefinite);
    }
}
