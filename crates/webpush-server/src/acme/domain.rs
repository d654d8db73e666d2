//! Domain names that a CA can validate by TLS-ALPN-01.

use std::fmt;

/// Maximum length of a domain name as text (RFC 1035 §2.3.4).
const MAX_NAME: usize = 253;
/// Maximum length of a label (RFC 1035 §2.3.4).
const MAX_LABEL: usize = 63;

/// A domain name in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Parses a name.
    ///
    /// # Errors
    /// Returns why the name is invalid.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("'{text}' is not a domain for ACME: {why}"));
        let name = text.to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let labels: Vec<&str> = name.split('.').collect();
        if bare.parse::<std::net::IpAddr>().is_ok() {
            return wrong("expected a name, not an IP address");
        }
        if name.contains('*') {
            return wrong("TLS-ALPN-01 does not support wildcards; list each name");
        }
        if name.contains('_') {
            return wrong("host names have no underscores");
        }
        if name.contains(['/', ':']) {
            return wrong("expected a name without scheme, port and path, such as push.example.net");
        }
        if !name.is_ascii() {
            return wrong("use the ASCII form, which begins with xn--");
        }
        if name.len() > MAX_NAME || labels.iter().any(|label| label.len() > MAX_LABEL) {
            return wrong("too long");
        }
        let is_label = |label: &&str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let ends_in_number = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if !labels.iter().all(is_label) || ends_in_number {
            return wrong("expected a name such as push.example.net");
        }
        Ok(Self(name))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_lower_case() {
        for (text, name) in [
            ("Push.Example.NET", "push.example.net"),
            ("localhost", "localhost"),
            ("xn--bcher-kva.example", "xn--bcher-kva.example"),
            ("4.example", "4.example"),
        ] {
            assert_eq!(Domain::parse(text).unwrap().as_str(), name);
        }
    }

    #[test]
    fn invalid_names_are_refused_with_the_reason() {
        let long_label = format!("{}.example", "a".repeat(64));
        let long_name = format!("{}example", "abcdefgh.".repeat(30));
        for (text, why) in [
            ("192.0.2.1", "address"),
            ("2001:db8::1", "address"),
            ("[2001:db8::1]", "address"),
            ("*.example.net", "wildcards"),
            ("_acme.example.net", "underscore"),
            ("https://push.example.net", "without scheme"),
            ("push.example.net:443", "without scheme"),
            ("bücher.example", "xn--"),
            (&long_label, "too long"),
            (&long_name, "too long"),
            ("", "such as push.example.net"),
            ("push.example.net.", "such as push.example.net"),
            ("push..net", "such as push.example.net"),
            ("-push.net", "such as push.example.net"),
            ("push-.net", "such as push.example.net"),
            ("push example", "such as push.example.net"),
            ("192.0.2.256", "such as push.example.net"),
        ] {
            let error = Domain::parse(text).unwrap_err();
            assert!(error.starts_with('\'') && error.contains(why), "{text}: {error}");
        }
    }
}
