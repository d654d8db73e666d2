//! URLs of a push service. Most are capabilities (RFC 8030 §8.3), so `Debug` does not show them.

use http::Uri;
use http::uri::Authority;
use std::error::Error;
use std::fmt;

/// An absolute `http` or `https` URL. `Debug` shows its origin only.
///
/// ```
/// use webpush_client::url::CapabilityUrl;
///
/// let url = CapabilityUrl::parse("https://push.example/push/secret")?;
/// assert_eq!(url.origin(), "https://push.example");
/// assert_eq!(format!("{url:?}"), "https://push.example/…");
/// # Ok::<(), webpush_client::url::UrlError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct CapabilityUrl(Uri);

/// A text is not a URL of a push service.
///
/// Messages do not quote it, because it may be a mistyped capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UrlError {
    /// It does not follow the grammar of URLs.
    Malformed,
    /// It does not start with `https://` or `http://`.
    Scheme,
    /// It has a user name.
    UserName,
    /// Its port is not a number from 0 to 65535.
    Port,
    /// It has no host, or one that is neither a name nor an address.
    Host,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let problem = match self {
            Self::Malformed => "is malformed",
            Self::Scheme => "does not start with https:// or http://",
            Self::UserName => "has a user name in it",
            Self::Port => "has an invalid port",
            Self::Host => "has no valid host",
        };
        write!(f, "the URL {problem}; expected one like https://push.example/")
    }
}

impl Error for UrlError {}

impl CapabilityUrl {
    /// Parses an absolute URL.
    ///
    /// # Errors
    /// [`UrlError`].
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let uri: Uri = text.parse().map_err(|_| UrlError::Malformed)?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) {
            return Err(UrlError::Scheme);
        }
        match uri.authority() {
            Some(authority) if authority.as_str().contains('@') => Err(UrlError::UserName),
            Some(authority) if has_invalid_port(authority) => Err(UrlError::Port),
            Some(authority) if is_host(authority.host()) => Ok(Self(uri)),
            _ => Err(UrlError::Host),
        }
    }

    /// Resolves a reference against this URL (RFC 3986 §5.2, without dot segments).
    ///
    /// # Errors
    /// [`UrlError`] if the result is not a URL.
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
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

    /// Appends a path segment.
    ///
    /// # Errors
    /// See [`CapabilityUrl::parse`].
    pub fn below(&self, segment: &str) -> Result<Self, UrlError> {
        // Not a reference to resolve: a path that begins with two slashes would name another host.
        let scheme = self.0.scheme_str().unwrap_or_default();
        let authority = self.0.authority().map_or("", |authority| authority.as_str());
        Self::parse(&format!("{scheme}://{authority}{}/{segment}", self.0.path().trim_end_matches('/')))
    }

    /// Returns the origin (RFC 6454 §6.2), which is the audience of VAPID tokens.
    #[must_use]
    pub fn origin(&self) -> String {
        let scheme = if self.is_https() { "https" } else { "http" };
        let host = self.0.host().unwrap_or_default().to_ascii_lowercase();
        match self.0.port_u16() {
            Some(port) if port != self.default_port() => format!("{scheme}://{host}:{port}"),
            _ => format!("{scheme}://{host}"),
        }
    }

    /// Returns true if the scheme is `https`.
    #[must_use]
    pub fn is_https(&self) -> bool {
        self.0.scheme_str() == Some("https")
    }

    /// Returns the host; an IPv6 address without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        let host = self.0.host().unwrap_or_default();
        host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
    }

    /// Returns the port, or the default of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_u16().unwrap_or_else(|| self.default_port())
    }

    fn default_port(&self) -> u16 {
        if self.is_https() { 443 } else { 80 }
    }

    /// Returns the URI.
    #[must_use]
    pub const fn uri(&self) -> &Uri {
        &self.0
    }

    /// Returns the path with the query.
    #[must_use]
    pub fn path(&self) -> &str {
        self.0.path_and_query().map_or("/", |path| path.as_str())
    }

    /// Returns the whole URL, a secret.
    #[must_use]
    pub fn expose(&self) -> String {
        self.0.to_string()
    }
}

/// Returns true for a name, or an address.
///
/// Brackets belong around an address, but `http` accepts them anywhere.
fn is_host(host: &str) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    !bare.is_empty() && !bare.contains(['[', ']'])
}

/// Returns true for an invalid port, which `http` would ignore.
fn has_invalid_port(authority: &Authority) -> bool {
    let after_host = authority.as_str().strip_prefix(authority.host()).unwrap_or_default();
    !matches!(after_host, "" | ":") && authority.port_u16().is_none()
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
        assert_eq!(url("http://x//p").below("subscribe").unwrap().expose(), "http://x//p/subscribe");
        assert_eq!(url("http://x").below("subscribe").unwrap().expose(), "http://x/subscribe");
    }

    #[test]
    fn other_texts_are_refused_and_not_quoted() {
        for text in [
            "",
            "/push/secret",
            "push.example",
            "ftp://x/secret",
            "https://",
            "https://a:b@x/secret",
            "https://x:99999/secret",
            "http://x y",
            "http://x[::1]/",
            "http://[::1]x/",
        ] {
            let error = CapabilityUrl::parse(text).unwrap_err();
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
