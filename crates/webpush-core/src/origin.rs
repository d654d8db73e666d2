//! Origins (RFC 6454), compared as URLs are compared.

use http::Uri;
use std::net::Ipv6Addr;

/// An origin with the scheme `http` or `https`.
#[derive(Clone, Debug)]
pub struct UrlOrigin {
    is_https: bool,
    host: String,
    /// As written; `None` if there is none.
    port: Option<u16>,
}

impl UrlOrigin {
    /// Parses a URL that has scheme, host and perhaps a port, but no path, query, fragment or user name.
    ///
    /// ```
    /// use webpush_core::origin::UrlOrigin;
    ///
    /// let origin = UrlOrigin::parse("https://push.example").unwrap();
    /// assert!(UrlOrigin::parse("HTTPS://Push.Example:443/").unwrap().is_same(&origin));
    /// assert!(UrlOrigin::parse("https://push.example/push").is_none());
    /// ```
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // `http` drops fragments.
        let uri: Uri = text.parse().ok().filter(|_| !text.contains('#'))?;
        let is_https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return None,
        };
        let authority = uri.authority()?;
        if uri.path() != "/" || uri.query().is_some() || authority.as_str().contains('@') {
            return None;
        }
        let host = authority.host();
        let port = match authority.as_str().strip_prefix(host)? {
            "" | ":" => None,
            port => Some(port.strip_prefix(':').filter(|port| is_number(port))?.parse().ok()?),
        };
        (!host.is_empty()).then(|| Self { is_https, host: canonical(host), port })
    }

    /// Returns true if scheme, host and port are the same; the default port may be left out.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.has_host_of(other) && self.port() == other.port()
    }

    /// Returns true if scheme and host are those of `other`, and no port is given.
    #[must_use]
    pub fn is_host_of(&self, other: &Self) -> bool {
        self.has_host_of(other) && self.port.is_none()
    }

    /// Returns the port, or the default of the scheme.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port.unwrap_or(if self.is_https { 443 } else { 80 })
    }

    /// Returns the host, in lower case.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns true if the scheme is `https` and the port its default.
    #[must_use]
    pub fn is_default_https(&self) -> bool {
        self.is_https && self.port() == 443
    }

    fn has_host_of(&self, other: &Self) -> bool {
        self.is_https == other.is_https && self.host == other.host
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Returns the host in lower case; an IPv6 address in its shortest form (RFC 5952).
fn canonical(host: &str) -> String {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    match bare.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        Some(address) => format!("[{address}]"),
        None => host.to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn origin(text: &str) -> UrlOrigin {
        UrlOrigin::parse(text).unwrap()
    }

    /// C2: origins are compared as URLs, not as text.
    #[test]
    fn case_default_port_and_final_slash_make_no_difference() {
        for (one, two) in [
            ("https://push.example", "HTTPS://PUSH.example/"),
            ("https://push.example", "https://push.example:443"),
            ("https://push.example", "https://push.example:"),
            ("http://push.example:80", "http://push.example"),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080/"),
            ("https://[::1]:8443", "https://[0:0::0001]:8443"),
        ] {
            assert!(origin(one).is_same(&origin(two)), "{one} {two}");
        }
        for (one, two) in [
            ("https://push.example", "http://push.example"),
            ("https://push.example", "https://push.example:8443"),
            ("https://push.example", "http://push.example:443"),
            ("https://push.example", "https://push.example."),
        ] {
            assert!(!origin(one).is_same(&origin(two)), "{one} {two}");
        }
    }

    #[test]
    fn an_origin_without_a_port_is_the_host_of_those_with_one() {
        let service = origin("https://push.example:8443");
        assert!(origin("https://PUSH.example").is_host_of(&service));
        for other in ["https://push.example:443", "http://push.example", "https://evil.example"] {
            assert!(!origin(other).is_host_of(&service), "{other}");
        }
    }

    #[test]
    fn other_texts_are_not_origins() {
        for text in [
            "",
            "*",
            "push.example",
            "/",
            "ftp://push.example",
            "https://",
            "https://push.example/push",
            "https://push.example?x",
            "https://push.example#x",
            "https://push.example/#",
            "https://user@push.example",
            "https://push.example@evil.example",
            "https://push.example:99999",
            "https://push.example:+443",
            "https://push.example:443:443",
            " https://push.example",
            "https://push.example\\@evil.example",
        ] {
            assert!(UrlOrigin::parse(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_an_origin_or_none(text in "\\PC{0,40}|https?://\\PC{0,20}(:[0-9]{0,6})?/?") {
            if let Some(origin) = UrlOrigin::parse(&text) {
                prop_assert!(origin.is_same(&origin));
            }
        }
    }
}
