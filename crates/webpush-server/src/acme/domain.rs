//! Names that an authority can look at by TLS-ALPN-01.

use std::fmt;

/// The longest name of a host (RFC 1035 §2.3.4), as text.
const MAX_NAME: usize = 253;
/// The longest part between its dots.
const MAX_LABEL: usize = 63;

/// The name of a host, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Domain(String);

impl Domain {
    /// Reads a name.
    ///
    /// # Errors
    /// What is wrong with it, as a sentence.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("'{text}' is not a domain for ACME: {why}"));
        let name = text.to_ascii_lowercase();
        let bare = name.trim_start_matches('[').trim_end_matches(']');
        let labels: Vec<&str> = name.split('.').collect();
        if bare.parse::<std::net::IpAddr>().is_ok() {
            return wrong("it is an address, a name is expected");
        }
        if name.contains('*') {
            return wrong("wildcards can't be had by TLS-ALPN-01, list each name");
        }
        if name.contains('_') {
            return wrong("names of hosts have no underscore");
        }
        if name.contains(['/', ':']) {
            return wrong("a name alone is expected, as push.example.net, without scheme, port and path");
        }
        if !name.is_ascii() {
            return wrong("write it in its ASCII form, which begins with xn--");
        }
        if name.len() > MAX_NAME || labels.iter().any(|label| label.len() > MAX_LABEL) {
            return wrong("it is longer than names may be");
        }
        let is_label = |label: &&str| {
            !label.is_empty()
                && !label.starts_with('-')
                && !label.ends_with('-')
                && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let ends_in_number = labels.last().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit()));
        if !labels.iter().all(is_label) || ends_in_number {
            return wrong("a name as push.example.net is expected");
        }
        Ok(Self(name))
    }

    /// The name.
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
    fn names_are_kept_in_lower_case() {
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
    fn what_no_authority_would_certify_is_refused_with_its_reason() {
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
            (&long_label, "longer"),
            (&long_name, "longer"),
            ("", "push.example.net is expected"),
            ("push.example.net.", "push.example.net is expected"),
            ("push..net", "push.example.net is expected"),
            ("-push.net", "push.example.net is expected"),
            ("push-.net", "push.example.net is expected"),
            ("push example", "push.example.net is expected"),
            ("192.0.2.256", "push.example.net is expected"),
        ] {
            let said = Domain::parse(text).unwrap_err();
            assert!(said.starts_with('\'') && said.contains(why), "{text}: {said}");
        }
    }
}
