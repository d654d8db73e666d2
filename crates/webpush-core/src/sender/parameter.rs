//! Parses parameters of `Authorization` and `Crypto-Key`: `name=value`, optionally quoted.

use crate::header::split_unquoted;
use std::borrow::Cow;

/// Parses `name=value`.
pub(super) fn parameter(text: &str) -> Option<(&str, Cow<'_, str>)> {
    let (name, value) = text.split_once('=')?;
    Some((name.trim(), unquoted(value.trim())))
}

/// Returns all values of a parameter in `Crypto-Key` (`keyid=a;dh=…;p256ecdsa=…, …`).
pub(super) fn crypto_key<'a>(header: &'a str, name: &'static str) -> impl Iterator<Item = Cow<'a, str>> {
    let parameters = split_unquoted(header, ',').flat_map(|key| split_unquoted(key, ';'));
    let named = parameters.filter_map(parameter).filter(|(found, _)| found.eq_ignore_ascii_case(name));
    named.map(|(_, value)| value)
}

/// Removes the quotes of a quoted string (RFC 9110 §5.6.4). Other text is returned unchanged.
fn unquoted(value: &str) -> Cow<'_, str> {
    let Some(inner) = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return value.into();
    };
    if !inner.contains('\\') {
        return inner.into();
    }
    let mut text = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        let quoted = if character == '\\' { characters.next() } else { Some(character) };
        text.extend(quoted);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_may_be_quoted() {
        for (given, value) in [
            ("x=a", "a"),
            (" x = a ", "a"),
            ("x=a==", "a=="),
            (r#"x="a""#, "a"),
            (r#"x="a\"\b""#, "a\"b"),
            (r#"x="a"#, r#""a"#),
            (r#"x=""#, r#"""#),
            (r#"x="a\""#, "a"),
        ] {
            assert_eq!(parameter(given).unwrap(), ("x", value.into()), "{given}");
        }
        assert_eq!(parameter("x"), None);
    }

    #[test]
    fn crypto_key_is_a_list_of_lists() {
        let header = r#"keyid=p256dh;DH=one;p256ecdsa="two, x;dh=no", dh="three""#;
        assert_eq!(crypto_key(header, "dh").collect::<Vec<_>>(), ["one", "three"]);
        assert_eq!(crypto_key(header, "p256ecdsa").collect::<Vec<_>>(), ["two, x;dh=no"]);
    }
}
