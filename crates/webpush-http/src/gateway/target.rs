//! The target of a pushkey, which is a push URL for UnifiedPush.

use crate::resources::aliases;
use webpush_client::url::CapabilityUrl;
use webpush_core::capability::{Capability, Keyring};
use webpush_core::id::{InboxId, SubscriptionId};

/// The longest push URL of another service; UnifiedPush permits 1,000 bytes.
pub(crate) const PUSHKEY_BYTES: usize = 1024;

/// A push URL.
#[derive(Debug, PartialEq, Eq)]
pub enum Target {
    /// A subscription of this server; the URL may have a query (`?up=1` is common).
    Here(InboxId, SubscriptionId),
    /// A URL of another service.
    Elsewhere(CapabilityUrl),
}

impl Target {
    /// Parses a pushkey; `None` if it is not a push URL.
    ///
    /// `site` is the own origin without its path. URLs of other services must have TLS, because the URL is a capability.
    #[must_use]
    pub fn from_pushkey(pushkey: &str, site: &str, keyring: &Keyring) -> Option<Self> {
        if pushkey.len() > PUSHKEY_BYTES {
            return None;
        }
        let url = CapabilityUrl::parse(pushkey).ok()?;
        if url.origin() == site {
            return open(keyring, url.uri().path());
        }
        url.is_https().then_some(Self::Elsewhere(url))
    }
}

fn open(keyring: &Keyring, path: &str) -> Option<Target> {
    match keyring.open_below(&aliases::resolve(path).path)? {
        Capability::Push(agent, id) => Some(Target::Here(agent, id)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::capability::KeyId;
    use webpush_service::sealing_cipher::Aes256GcmSiv;

    const ORIGIN: &str = "https://push.example";

    fn keyring() -> Keyring {
        Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap()
    }

    fn target(pushkey: &str) -> Option<Target> {
        Target::from_pushkey(pushkey, ORIGIN, &keyring())
    }

    #[test]
    fn own_push_urls_are_known_by_origin_and_seal() {
        let (agent, id) = (InboxId::from_bytes([1; 16]), SubscriptionId::from_bytes([2; 16]));
        let path = |capability| keyring().path(&capability, KeyId(1)).unwrap();
        let push = path(Capability::Push(agent, id));
        for own in [
            format!("{ORIGIN}{push}"),
            format!("{ORIGIN}{push}?up=1"),
            format!("{ORIGIN}{}", push.replace("/push/", "/wpush/v1/")),
            format!("{ORIGIN}{push}#fragment"),
            format!("https://PUSH.example:443{push}"),
        ] {
            assert_eq!(target(&own), Some(Target::Here(agent, id)), "{own}");
        }
        let subscription = path(Capability::Subscription(agent, id));
        for wrong in [
            format!("{ORIGIN}{subscription}"),
            format!("{ORIGIN}{push}x"),
            format!("{ORIGIN}/push/AAAA"),
            format!("{ORIGIN}/_matrix/push/v1/notify"),
            ORIGIN.to_owned(),
            format!("http://push.example{push}"),
        ] {
            assert_eq!(target(&wrong), None, "{wrong}");
        }
        let in_the_clear = Target::from_pushkey(
            &format!("http://127.0.0.1:8080{push}"),
            "http://127.0.0.1:8080",
            &keyring(),
        );
        assert_eq!(in_the_clear, Some(Target::Here(agent, id)), "where the service itself has no TLS");
    }

    #[test]
    fn others_are_reached_by_https_only() {
        for (pushkey, host, port, path) in [
            ("https://ntfy.example/upABC?up=1", "ntfy.example", 443, "/upABC?up=1"),
            ("https://ntfy.example:8443/x#fragment", "ntfy.example", 8443, "/x"),
            ("HTTPS://[2001:db8::1]/x", "2001:db8::1", 443, "/x"),
            ("https://push.example:8443/push/AAAA", "push.example", 8443, "/push/AAAA"),
            ("https://ntfy.example:/x", "ntfy.example", 443, "/x"),
        ] {
            let Some(Target::Elsewhere(url)) = target(pushkey) else { panic!("{pushkey} is refused") };
            assert_eq!((url.host(), url.port(), url.path()), (host, port, path), "{pushkey}");
        }
        for wrong in [
            "",
            "fcm-token_ABC:123",
            "/push/AAAA",
            "//ntfy.example/x",
            "http://ntfy.example/x",
            "ftp://ntfy.example/x",
            "file:///etc/passwd",
            "https:///x",
            "https://user@ntfy.example/x",
            "https://user:password@ntfy.example/x",
            "https://ntfy.example:99999/x",
            "https://ntfy.example:port/x",
            "https://ntfy.example/a b",
            "https://ntfy.example/\r\nHost: x",
        ] {
            assert_eq!(target(wrong), None, "{wrong}");
        }
        assert_eq!(target(&format!("https://ntfy.example/{}", "x".repeat(PUSHKEY_BYTES))), None, "too long");
    }
}
