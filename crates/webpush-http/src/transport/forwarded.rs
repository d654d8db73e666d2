//! Addresses in `X-Forwarded-For` or `Forwarded` (RFC 7239), nearest proxy first.
//!
//! The header is read from the right, where each proxy adds its part. A client can only write to the left, and must not
//! change how the rest is read: an unclosed quotation mark would, if the header were read from the left.

use clap::ValueEnum;
use http::HeaderMap;
use http::header::{FORWARDED, HeaderName, HeaderValue, ValueIter};
use std::iter::Rev;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The header in which proxies name the client. The other one is ignored, as clients can forge it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ForwardedHeader {
    /// Written by most proxies
    #[default]
    XForwardedFor,
    /// RFC 7239
    Forwarded,
}

/// The hops of a request, nearest first: `Some(address)`, or `None` for a hidden or malformed one.
pub struct Hops<'a> {
    header: ForwardedHeader,
    lines: Rev<ValueIter<'a, HeaderValue>>,
    /// The unread part of the current line.
    rest: Option<&'a [u8]>,
}

impl<'a> Hops<'a> {
    /// Creates an iterator over the hops in the headers of a request.
    #[must_use]
    pub fn new(header: ForwardedHeader, headers: &'a HeaderMap) -> Self {
        let name = match header {
            ForwardedHeader::XForwardedFor => X_FORWARDED_FOR,
            ForwardedHeader::Forwarded => FORWARDED,
        };
        Self { header, lines: headers.get_all(name).iter().rev(), rest: None }
    }
}

impl Iterator for Hops<'_> {
    type Item = Option<IpAddr>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let Some(rest) = self.rest.take() else {
                self.rest = Some(self.lines.next()?.as_bytes());
                continue;
            };
            let (before, element) = split_last(rest, b',');
            self.rest = before;
            // Empty list elements are ignored (RFC 9110 §5.6.1).
            let element = element.trim_ascii();
            if !element.is_empty() {
                return Some(match self.header {
                    ForwardedHeader::XForwardedFor => node(element),
                    ForwardedHeader::Forwarded => for_parameter(element).and_then(unquoted).and_then(node),
                });
            }
        }
    }
}

/// Splits at the last separator that is not quoted.
fn split_last(text: &[u8], separator: u8) -> (Option<&[u8]>, &[u8]) {
    let mut quoted = false;
    for (at, &byte) in text.iter().enumerate().rev() {
        if byte == b'"' && !is_escaped(&text[..at]) {
            quoted = !quoted;
        } else if byte == separator && !quoted {
            return (Some(&text[..at]), &text[at + 1..]);
        }
    }
    (None, text)
}

fn is_escaped(before: &[u8]) -> bool {
    before.iter().rev().take_while(|&&byte| byte == b'\\').count() % 2 == 1
}

/// Returns the value of `for`, which may occur once (RFC 7239 §4).
fn for_parameter(element: &[u8]) -> Option<&[u8]> {
    let mut found = None;
    let mut rest = Some(element);
    while let Some(pairs) = rest {
        let (before, pair) = split_last(pairs, b';');
        rest = before;
        let pair = pair.trim_ascii();
        let (name, value) = pair.split_at(pair.iter().position(|&byte| byte == b'=').unwrap_or(pair.len()));
        if name.eq_ignore_ascii_case(b"for") && found.replace(value.strip_prefix(b"=")?).is_some() {
            return None;
        }
    }
    found
}

/// Removes quotation marks. Escapes are not removed, as no address needs one.
fn unquoted(value: &[u8]) -> Option<&[u8]> {
    match value.strip_prefix(b"\"") {
        Some(quoted) => quoted.strip_suffix(b"\""),
        None => Some(value),
    }
}

/// Parses an address with or without a port: `192.0.2.1:80`, `[2001:db8::1]:80`, `2001:db8::1`.
///
/// `unknown` and `_name` are not addresses (RFC 7239 §6).
fn node(text: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(text).ok()?;
    if let Some(bracketed) = text.strip_prefix('[') {
        let (address, port) = bracketed.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        return (port.is_empty() || port.strip_prefix(':').is_some_and(is_port)).then_some(address.into());
    }
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let (address, port) = text.split_once(':')?;
    let address: Ipv4Addr = address.parse().ok()?;
    is_port(port).then_some(address.into())
}

/// Returns true for a number or an obfuscated port (RFC 7239 §6.2).
fn is_port(text: &str) -> bool {
    let hidden = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte));
    match text.strip_prefix('_') {
        Some(name) => hidden(name),
        None => (1..=5).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit()),
    }
}

#[cfg(test)]
mod tests;
