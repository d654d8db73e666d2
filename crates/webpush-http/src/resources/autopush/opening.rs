//! The opening of a WebSocket (RFC 6455 §4.2), over HTTP/1.1.

use crate::answer::{Answer, empty};
use crate::problem::ServiceError;
use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{CONNECTION, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_KEY};
use http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, StatusCode, Version};
use webpush_core::problem::Problem;
use webpush_service::client_addr::ClientAddr;

/// The subprotocol that Firefox offers. Other clients offer none, and nothing depends on it.
const SUBPROTOCOL: &str = "push-notification";
/// The GUID that is hashed with the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// A valid WebSocket handshake.
#[derive(Debug)]
pub struct Opening {
    accept: HeaderValue,
    subprotocol: bool,
    /// The client's address; from a trusted proxy if the connection came through one.
    pub client: ClientAddr,
    /// The client has presented a subscribe token, or needs none.
    pub may_subscribe: bool,
}

/// Returns true if a request is a WebSocket handshake.
pub(crate) fn is_requested(head: &Parts) -> bool {
    head.version == Version::HTTP_11 && names(&head.headers, &UPGRADE, "websocket")
}

impl Opening {
    /// Parses the head of the request.
    ///
    /// # Errors
    ///
    /// [`Problem::WebSocketVersion`], [`Problem::UpgradeMalformed`].
    pub(crate) fn parse(head: &Parts, client: ClientAddr, may_subscribe: bool) -> Result<Self, Problem> {
        let headers = &head.headers;
        if headers.get(SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
            return Err(Problem::WebSocketVersion);
        }
        if !names(headers, &CONNECTION, "upgrade") {
            return Err(Problem::UpgradeMalformed { detail: "Connection does not name Upgrade" });
        }
        let malformed =
            Problem::UpgradeMalformed { detail: "Sec-WebSocket-Key is not the base64 of 16 bytes" };
        let key = headers.get(SEC_WEBSOCKET_KEY).ok_or_else(|| malformed.clone())?;
        let bytes = STANDARD.decode(key).map_err(|_| malformed.clone())?;
        if bytes.len() != 16 {
            return Err(malformed);
        }
        let accept = STANDARD.encode(digest(&SHA1_FOR_LEGACY_USE_ONLY, &[key.as_bytes(), GUID].concat()));
        let accept = HeaderValue::try_from(accept).map_err(|_| malformed)?;
        let subprotocol = names(headers, &SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        Ok(Self { accept, subprotocol, client, may_subscribe })
    }

    /// Returns the response that switches protocols.
    ///
    /// It accepts no extensions, such as compression (RFC 6455 §9.1).
    pub(crate) fn answer(&self) -> Answer {
        let mut answer = empty(StatusCode::SWITCHING_PROTOCOLS);
        let headers = answer.headers_mut();
        headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_ACCEPT, self.accept.clone());
        if self.subprotocol {
            headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        answer
    }
}

/// Returns the error for an upgrade over HTTP/2, which has none (RFC 9113 §8.6).
pub(crate) fn unsupported_upgrade() -> ServiceError {
    Problem::UpgradeMalformed { detail: "HTTP/2 has no Upgrade" }.into()
}

/// Returns true if a list header has this item, ignoring case (RFC 6455 §4.2.1).
fn names(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|item| item.trim().eq_ignore_ascii_case(wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

    fn head(headers: &[(&str, &str)]) -> Parts {
        let mut request = Request::get("/");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn parse(head: &Parts) -> Result<Opening, Problem> {
        Opening::parse(head, ClientAddr::new([192, 0, 2, 1].into()), true)
    }

    #[test]
    fn r6455_1_3_the_example_of_the_standard() {
        let head = head(&[
            ("upgrade", "WebSocket"),
            ("connection", "keep-alive, Upgrade"),
            ("sec-websocket-key", KEY),
            ("sec-websocket-version", "13"),
            ("sec-websocket-protocol", "chat, push-notification"),
            ("sec-websocket-extensions", "permessage-deflate"),
        ]);
        assert!(is_requested(&head));
        let answer = parse(&head).unwrap().answer();
        assert_eq!(answer.status(), 101);
        assert_eq!(answer.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(answer.headers()["sec-websocket-protocol"], "push-notification");
        assert!(!answer.headers().contains_key("sec-websocket-extensions"));
    }

    #[test]
    fn without_a_subprotocol_none_is_named() {
        let head =
            head(&[("connection", "upgrade"), ("sec-websocket-key", KEY), ("sec-websocket-version", "13")]);
        let opening = parse(&head).unwrap();
        assert!(!opening.answer().headers().contains_key("sec-websocket-protocol"));
    }

    #[test]
    fn malformed_handshakes_are_refused() {
        let version = ("sec-websocket-version", "13");
        let connection = ("connection", "Upgrade");
        assert_eq!(parse(&head(&[connection])).unwrap_err(), Problem::WebSocketVersion);
        let old = head(&[connection, ("sec-websocket-version", "8")]);
        assert_eq!(parse(&old).unwrap_err(), Problem::WebSocketVersion);
        for headers in [
            &[version, ("sec-websocket-key", KEY)][..],
            &[version, connection],
            &[version, connection, ("sec-websocket-key", "short")],
            &[version, connection, ("sec-websocket-key", "c2hvcnQ=")],
        ] {
            let problem = parse(&head(headers)).unwrap_err();
            assert!(matches!(problem, Problem::UpgradeMalformed { .. }), "{problem:?}");
        }
    }
}
