//! Parameters strings and forms.

use percent_encoding::percent_decode_str;
use std::borrow::Cow;

/// The parameters of a request.
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    pub(crate) fn parse(text: &str) -> Self {
        Self(pairs(text).collect())
    }

    /// Returns a parameter. The first one counts.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, value)| &**value)
    }

    /// Returns a parameter that is not one of these.
    pub(crate) fn unknown(&self, names: &[&str]) -> Option<&str> {
        self.0.iter().map(|(name, _)| &**name).find(|name| !names.contains(name))
    }
}

/// Returns the decoded names and values of `application/x-www-form-urlencoded`.
pub(crate) fn pairs(text: &str) -> impl Iterator<Item = (String, String)> {
    let parts = text.split('&').filter(|part| !part.is_empty());
    parts.map(|part| {
        let (name, value) = part.split_once('=').unwrap_or((part, ""));
        (decode(name), decode(value))
    })
}

fn decode(text: &str) -> String {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded() {
        let query = Parameters::parse("text=a+b%26c&&wait=5s&text=second&flag");
        assert_eq!((query.get("text"), query.get("wait")), (Some("a b&c"), Some("5s")));
        assert_eq!((query.get("flag"), query.get("none")), (Some(""), None));
        assert_eq!(query.unknown(&["text", "flag"]), Some("wait"));
    }
}
