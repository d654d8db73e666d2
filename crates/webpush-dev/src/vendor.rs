//! The push services of browser vendors, as application servers see them.
//!
//! Our server accepts a message or refuses it. A preset adds what the vendor is stricter about ([`Vendor::refuse`]) and turns
//! our server's responses into the vendor's ([`Vendor::translate`]). `docs/testing/vendors.md` says what is imitated, from
//! which source, and what is not.
//!
//! | step | call |
//! |---|---|
//! | recognize the vendor and the subscription | [`Vendor::from_host`], [`Vendor::token`] |
//! | refuse a request that the vendor would not accept | [`Vendor::refuse`] |
//! | let our server process it, and translate its response | [`Vendor::translate`] |
//! | or respond with an injected failure instead | [`Vendor::fault`] |

mod apple;
mod fcm;
mod mozilla;
mod server_answer;
mod testing;
mod vapid;
mod wns;

use crate::access::authority;
use bytes::Bytes;
use http::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use http::request::Parts;
use http::uri::Authority;
use http::{Method, Response, StatusCode, Uri};
use server_answer::Refusal;
use webpush_core::time::Timestamp;
use webpush_http::answer::Answer;

/// Names in the certificate of this server, for the hosts of vendors.
pub const CERTIFICATE_NAMES: [&str; 5] = [
    "fcm.googleapis.com",
    // Of Chromium builds without keys of Google.
    "jmt17.google.com",
    "updates.push.services.mozilla.com",
    "*.push.apple.com",
    "*.notify.windows.com",
];

/// The push service of a browser vendor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vendor {
    /// Firebase Cloud Messaging, of Google: Chrome and most browsers based on Chromium.
    Fcm,
    /// autopush, of Mozilla: Firefox.
    Mozilla,
    /// Apple Push Notification service: Safari.
    Apple,
    /// Windows Push Notification Services, of Microsoft: Edge.
    Wns,
}

/// A push request, as a preset looks at it.
struct PushRequest<'a> {
    headers: &'a HeaderMap,
    body: &'a Bytes,
    /// The origin of the push URL, which is the audience of VAPID tokens.
    origin: String,
    now: Timestamp,
}

impl Vendor {
    /// All vendors.
    pub const ALL: [Self; 4] = [Self::Fcm, Self::Mozilla, Self::Apple, Self::Wns];

    /// Returns the name of the preset.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fcm => "fcm",
            Self::Mozilla => "mozilla",
            Self::Apple => "apple",
            Self::Wns => "wns",
        }
    }

    /// Returns the vendor whose push service has this host name.
    ///
    /// A final dot and the case make no difference.
    #[must_use]
    pub fn from_host(host: &str) -> Option<Self> {
        let host = canonical(host);
        let subdomain = |parent: &str| {
            let label = host.strip_suffix(parent).and_then(|rest| rest.strip_suffix('.'));
            label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
        };
        let number = host.strip_prefix("jmt").and_then(|rest| rest.strip_suffix(".google.com"));
        let is_numbered = number
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
        match &*host {
            "fcm.googleapis.com" => Some(Self::Fcm),
            "updates.push.services.mozilla.com" => Some(Self::Mozilla),
            _ if is_numbered => Some(Self::Fcm),
            _ if subdomain("push.apple.com") => Some(Self::Apple),
            _ if subdomain("notify.windows.com") => Some(Self::Wns),
            _ => None,
        }
    }

    /// Returns the origin of push URLs on a host, which is the audience of VAPID tokens.
    #[must_use]
    pub fn origin_for(host: &str) -> String {
        format!("https://{}", canonical(host))
    }

    /// Returns the origin of the push URLs that browsers get today.
    #[must_use]
    pub fn usual_origin(self) -> String {
        let [host, _] = self.place();
        Self::origin_for(host)
    }

    /// Returns the push URL with a token.
    #[must_use]
    pub fn endpoint(self, token: &str) -> String {
        let [_, path] = self.place();
        format!("{}{path}{token}", self.usual_origin())
    }

    /// Returns the token in a push URL; `None` if the path is not that of one.
    #[must_use]
    pub fn token(self, uri: &Uri) -> Option<String> {
        let path = uri.path();
        let prefixes: &[&str] = match self {
            Self::Fcm => &["/fcm/send/", "/wp/", "/preprod/wp/"],
            Self::Mozilla => &["/wpush/v1/", "/wpush/v2/", "/wpush/"],
            Self::Apple => &["/"],
            Self::Wns => return wns::token(uri),
        };
        let token = prefixes.iter().find_map(|prefix| path.strip_prefix(prefix))?;
        (!token.is_empty() && !token.contains('/')).then(|| token.to_owned())
    }

    /// Returns the vendor's response to a push request that our server accepts and the vendor does not.
    ///
    /// Our server checks whether the key is that of the subscription.
    #[must_use]
    pub fn refuse(self, head: &Parts, body: &Bytes, now: Timestamp) -> Option<Answer> {
        if head.method != Method::POST {
            return None;
        }
        let origin = self.origin(head);
        let request = PushRequest { headers: &head.headers, body, origin, now };
        match self {
            Self::Fcm => fcm::refuse(&request),
            Self::Mozilla => mozilla::refuse(&request),
            Self::Apple => apple::refuse(&request),
            Self::Wns => wns::refuse(&request),
        }
    }

    /// Turns our server's response into the vendor's.
    ///
    /// Successful responses to methods other than `POST` are returned unchanged.
    #[must_use]
    pub fn translate(self, head: &Parts, answer: Answer) -> Answer {
        if answer.status().is_success() {
            return if head.method == Method::POST { self.accepted(head, &answer) } else { answer };
        }
        let refusal = Refusal::from_answer(&answer);
        let mut translated = match self {
            Self::Fcm => fcm::refused(&refusal),
            Self::Mozilla => mozilla::refused(&refusal),
            Self::Apple => apple::refused(&refusal),
            Self::Wns => wns::refused(&refusal),
        };
        if let Some(when) = answer.headers().get(RETRY_AFTER) {
            translated.headers_mut().entry(RETRY_AFTER).or_insert_with(|| when.clone());
        }
        translated
    }

    /// Returns a failure with this status in the vendor's form. `retry_after` is in seconds.
    #[must_use]
    pub fn fault(self, status: StatusCode, retry_after: Option<u64>) -> Answer {
        let mut answer = match self {
            Self::Fcm => fcm::fault(status),
            Self::Mozilla => mozilla::fault(status),
            Self::Apple => apple::fault(status),
            Self::Wns => wns::fault(status),
        };
        if let Some(seconds) = retry_after {
            answer.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }

    fn accepted(self, head: &Parts, answer: &Answer) -> Answer {
        let text =
            |name: &str| answer.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("");
        let location = text("location");
        match self {
            Self::Fcm => fcm::accepted(location),
            Self::Mozilla => mozilla::accepted(location, text("ttl")),
            Self::Apple => apple::accepted(location),
            Self::Wns => wns::accepted(&head.headers, location),
        }
    }

    /// Returns the host and the beginning of the path of push URLs that browsers get today.
    const fn place(self) -> [&'static str; 2] {
        match self {
            Self::Fcm => ["fcm.googleapis.com", "/fcm/send/"],
            Self::Mozilla => ["updates.push.services.mozilla.com", "/wpush/v2/"],
            Self::Apple => ["web.push.apple.com", "/"],
            Self::Wns => ["wns2-par02p.notify.windows.com", "/w/?token="],
        }
    }

    /// Returns the origin that a request is for.
    fn origin(self, head: &Parts) -> String {
        let authority = authority(head);
        let own = authority.as_ref().map(Authority::host).filter(|host| Self::from_host(host) == Some(self));
        own.map_or_else(|| self.usual_origin(), Self::origin_for)
    }
}

/// Returns a host name in lower case without a final dot.
fn canonical(host: &str) -> String {
    host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase()
}

/// Returns a response with these headers. A value that is no header value is left out.
fn response(status: StatusCode, headers: &[(&'static str, &str)], body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(body.into());
    *answer.status_mut() = status;
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(value) {
            answer.headers_mut().append(HeaderName::from_static(name), value);
        }
    }
    answer
}

/// Returns an identifier in upper-case hexadecimal that depends only on `text`.
fn identifier(text: &str) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, text.as_bytes());
    digest.as_ref().iter().take(16).map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_belong_to_vendors() {
        for (host, vendor) in [
            ("fcm.googleapis.com", Some(Vendor::Fcm)),
            ("FCM.googleapis.com.", Some(Vendor::Fcm)),
            ("jmt17.google.com", Some(Vendor::Fcm)),
            ("updates.push.services.mozilla.com", Some(Vendor::Mozilla)),
            ("web.push.apple.com", Some(Vendor::Apple)),
            ("wns2-par02p.notify.windows.com", Some(Vendor::Wns)),
            ("db5p.notify.windows.com", Some(Vendor::Wns)),
            ("jmt.google.com", None),
            ("jmtx.google.com", None),
            ("xfcm.googleapis.com", None),
            ("push.apple.com", None),
            (".push.apple.com", None),
            ("a.b.push.apple.com", None),
            ("webpush.apple.com", None),
            ("web.push.apple.com.example.org", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(Vendor::from_host(host), vendor, "{host}");
        }
    }

    #[test]
    fn the_token_of_an_endpoint_is_found_again() {
        for vendor in Vendor::ALL {
            let uri: Uri = vendor.endpoint("dG9rZW4-_x").parse().unwrap();
            assert_eq!(vendor.token(&uri).as_deref(), Some("dG9rZW4-_x"), "{uri}");
            assert_eq!(Vendor::from_host(uri.host().unwrap()), Some(vendor));
        }
        for (vendor, path, token) in [
            (Vendor::Fcm, "/wp/a", Some("a")),
            (Vendor::Fcm, "/preprod/wp/a", Some("a")),
            (Vendor::Fcm, "/fcm/send/", None),
            (Vendor::Fcm, "/fcm/send/a/b", None),
            (Vendor::Fcm, "/v1/projects/x/messages:send", None),
            (Vendor::Mozilla, "/wpush/v1/a", Some("a")),
            (Vendor::Mozilla, "/wpush/a", Some("a")),
            (Vendor::Mozilla, "/m/a", None),
            (Vendor::Apple, "/", None),
            (Vendor::Apple, "/3/device/a", None),
            (Vendor::Wns, "/w/?token=a%2bb%2Fc%3d", Some("a+b/c=")),
            (Vendor::Wns, "/?token=a", Some("a")),
            (Vendor::Wns, "/w/?x=1&token=a", Some("a")),
            (Vendor::Wns, "/w/?token=", None),
            (Vendor::Wns, "/w/a", None),
        ] {
            assert_eq!(vendor.token(&path.parse().unwrap()).as_deref(), token, "{path}");
        }
    }

    #[test]
    fn only_posts_are_translated_to_accepted_messages() {
        for vendor in Vendor::ALL {
            let (mut head, ()) = http::Request::new(()).into_parts();
            let removed = || response(StatusCode::NO_CONTENT, &[], "");
            assert_eq!(vendor.translate(&head, removed()).status(), 204);
            assert!(vendor.refuse(&head, &Bytes::new(), Timestamp::default()).is_none());
            head.method = Method::POST;
            let accepted =
                || response(StatusCode::ACCEPTED, &[("link", "<x>"), ("location", "https://x/m")], "");
            let translated = vendor.translate(&head, accepted());
            assert_eq!(translated.status(), 201);
            assert!(!translated.headers().contains_key("link"));
        }
    }
}
