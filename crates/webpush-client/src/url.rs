//! URLs of a push service. Most are capabilities: who knows one may use it (RFC 8030 §8.3), so they don't print.

use super::error::ClientError;
use http::Uri;
use http::uri::Authority;
use std::fmt;

/// An absolute `http` or `https` URL. `Debug` shows its origin only.
#[derive(Clone, PartialEq, Eq)]
pub struct CapabilityUrl(Uri);

impl CapabilityUrl {
    /// Reads an absolute URL.
    ///
    /// # Errors
    /// [`ClientError::Local`], without the text: it may be a capability with a typing error.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let wrong =
            |why| ClientError::Local(format!("the URL {why}; expected one like https://push.example/"));
        let uri: Uri = text.parse().map_err(|_| wrong("is malformed"))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(wrong("does not start with https:// or http://"));
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => Err(wrong("has a user name in it")),
            Some(authority) if has_wrong_port(authority) => Err(wrong("has a port that is none")),
            Some(authority) if !authority.host().is_empty() => Ok(Self(uri)),
            _ => Err(wrong("has no host")),
        }
    }

    /// Resolves a reference from this resource's answer (RFC 3986 §5.2; without dot segments, which no server sends).
    ///
    /// # Errors
    /// [`ClientError::Local`] when the result is no URL.
    pub fn join(&self, reference: &str) -> Result<Self, ClientError> {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        if reference.starts_with("//") {
            return Self::parse(&format!("{scheme}:{reference}"));
        }
        if reference.starts_with('/') {
            return Self::parse(&format!("{scheme}://{authority}{reference}"));
        }
        if reference.contains("://") {
            return Self::parse(reference);
        }
        let directory = self.0.path().rsplit_once('/').map_or("", |(directory, _)| directory);
        Self::parse(&format!("{scheme}://{authority}{directory}/{reference}"))
    }

    /// A resource below this one, whether or not this one is written with a slash at its end.
    ///
    /// # Errors
    /// As [`CapabilityUrl::parse`].
    pub fn below(&self, segment: &str) -> Result<Self, ClientError> {
        self.join(&format!("{}/{segment}", self.0.path().trim_end_matches('/')))
    }

    /// Scheme, host and port that is not the scheme's own (RFC 6454 §6.2): what a VAPID token is made for.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_https() { "https" } else { "http" };
        let host = self.0.host().unwrap_or_default().to_ascii_lowercase();
        match self.0.port_u16() {
            Some(port) if port != self.default_port() => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        }
    }

    /// Whether TLS is spoken there.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// The host as a socket wants it: an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// The port, the scheme's own if none is written.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or_else(|| self.default_port())
    }

    fn default_port(&self) -> u16 {
        if self.is_https() { 443 } else { 80 }
    }

    /// The URL for a request.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Path and query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }

    /// The whole text: for the person or the file that it belongs to.
    #[must_use]
    pub fn expose(&self) -> String {
        self.0.to_string()
    }
}

/// Whether something stands behind the host that is no port. It would be taken for none at all.
fn has_wrong_port(authority: &Authority) -> bool {
    let behind_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    !matches!(behind_host, "" | ":") && authority.port_u16().is_none()
}

impl fmt::Debug for CapabilityUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/…", self.origin())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> CapabilityUrl {
        CapabilityUrl::parse(text).unwrap()
    }

    #[test]
    fn r8292_2_a_origins_have_no_default_port() {
        for (text, origin) in [
            ("https://Push.Example/push/x", "https://push.example"),
            ("https://push.example:443/", "https://push.example"),
            ("https://push.example:8443/a?b", "https://push.example:8443"),
            ("http://[::1]:80", "http://[::1]"),
            ("http://127.0.0.1:443/", "http://127.0.0.1:443"),
            ("HTTPS://push.example", "https://push.example"),
        ] {
            assert_eq!(url(text).origin(), origin, "{text}");
        }
        assert_eq!((url("http://[::1]/").host(), url("http://[::1]/").port()), ("::1", 80));
        assert_eq!(format!("{:?}", url("https://push.example/push/secret")), "https://push.example/…");
    }

    #[test]
    fn references_resolve_against_the_resource() {
        let base = url("https://push.example:8443/a/subscribe?x=1");
        for (reference, expected) in [
            ("https://other.example/m", "https://other.example/m"),
            ("//other.example/m", "https://other.example/m"),
            ("/message/1", "https://push.example:8443/message/1"),
            ("message/1", "https://push.example:8443/a/message/1"),
        ] {
            assert_eq!(base.join(reference).unwrap().expose(), expected, "{reference}");
        }
        assert!(base.join("ftp://x/").is_err());
        for base in ["http://x/p", "http://x/p/", "http://x/p?query"] {
            assert_eq!(url(base).below("subscribe").unwrap().expose(), "http://x/p/subscribe");
        }
        assert_eq!(url("http://x").below("subscribe").unwrap().expose(), "http://x/subscribe");
    }

    #[test]
    fn other_things_are_no_urls_and_are_not_repeated() {
        for text in [
            "",
            "/push/secret",
            "push.example",
            "ftp://x/secret",
            "https://",
            "https://a:b@x/secret",
            "https://x:99999/secret",
            "http://x y",
        ] {
            let error = CapabilityUrl::parse(text).unwrap_err();
            assert!(!error.sentence().contains("secret"), "{error}");
        }
    }
}
