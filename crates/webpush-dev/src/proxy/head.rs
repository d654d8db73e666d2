//! The heads of requests to a proxy (RFC 9112 §3.2, RFC 9110 §9.3.6).

use http::Uri;

/// Maximum length of a head.
pub(super) const HEAD_BYTES: usize = 8 * 1024;
/// Maximum length of a method. The longest registered one has 17 characters.
const METHOD_CHARACTERS: usize = 24;
/// Maximum length of a host name (RFC 1035 §2.3.4).
const HOST_CHARACTERS: usize = 255;

/// The target of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ProxyRequest {
    /// The method, as written: methods are case-sensitive.
    pub(super) method: String,
    /// The host in lower case, without brackets and final dot.
    pub(super) host: String,
    /// The port.
    pub(super) port: u16,
}

/// A request is malformed, for this reason.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MalformedHead(pub(super) &'static str);

/// Returns the length of the first head in `bytes`, of which the first `searched` were searched before.
pub(super) fn end(bytes: &[u8], searched: usize) -> Option<usize> {
    let from = searched.saturating_sub(3);
    let at = bytes.get(from..)?.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some(from + at + 4)
}

impl ProxyRequest {
    /// Parses a complete head.
    pub(super) fn parse(head: &[u8]) -> Result<Self, MalformedHead> {
        if head.len() > HEAD_BYTES {
            return Err(MalformedHead("The request head is too large."));
        }
        let text = std::str::from_utf8(head).map_err(|_| MalformedHead("The request head is not ASCII."))?;
        let mut lines = text.split("\r\n");
        if !text.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t' | b'\r' | b'\n')) {
            return Err(MalformedHead("The request head contains control characters."));
        }
        let mut words = lines.next().unwrap_or_default().split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(MalformedHead("The request line is not a method, a target and HTTP/1.1."));
        };
        if method.is_empty()
            || method.len() > METHOD_CHARACTERS
            || !method.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        {
            return Err(MalformedHead("The method is malformed."));
        }
        if !lines
            .take_while(|line| !line.is_empty())
            .all(|line| line.contains(':') && !line.contains(['\r', '\n']))
        {
            return Err(MalformedHead("A header is malformed."));
        }
        let (host, port) = if method == "CONNECT" { authority(target)? } else { absolute(target)? };
        Ok(Self { method: method.to_owned(), host, port })
    }
}

/// Parses `host:port`.
fn authority(target: &str) -> Result<(String, u16), MalformedHead> {
    let malformed = MalformedHead("CONNECT needs a host and a port, as in CONNECT push.example:443.");
    let Some((host, port)) = target.rsplit_once(':') else { return Err(malformed) };
    match (canonical(host), number(port)) {
        (Some(host), Some(port)) => Ok((host, port)),
        _ => Err(malformed),
    }
}

/// Parses `http://host/path`, the form of requests to a proxy.
fn absolute(target: &str) -> Result<(String, u16), MalformedHead> {
    let malformed = MalformedHead("This is an HTTP proxy: it needs CONNECT or an absolute URL.");
    let Ok(uri) = target.parse::<Uri>() else { return Err(malformed) };
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(malformed) };
    let default = if scheme == "https" { 443 } else { 80 };
    match canonical(authority.host()) {
        Some(host) => Ok((host, authority.port_u16().unwrap_or(default))),
        None => Err(malformed),
    }
}

/// Returns a host name or address in lower case, without brackets and final dot.
fn canonical(host: &str) -> Option<String> {
    let name = match host.strip_prefix('[') {
        Some(rest) => {
            rest.strip_suffix(']').filter(|address| address.parse::<std::net::Ipv6Addr>().is_ok())?
        }
        None => host.strip_suffix('.').unwrap_or(host),
    };
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    let is_valid = !name.is_empty()
        && name.len() <= HOST_CHARACTERS
        && (host.starts_with('[')
            || name.bytes().all(is_plain) && !name.starts_with('.') && !name.ends_with('.'));
    is_valid.then(|| name.to_ascii_lowercase())
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|_| port.bytes().all(|byte| byte.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Option<(String, u16)> {
        let head = format!("{line}\r\nHost: x\r\n\r\n");
        ProxyRequest::parse(head.as_bytes()).ok().map(|head| (head.host, head.port))
    }

    #[test]
    fn the_target_is_a_host_and_a_port() {
        for (line, host, port) in [
            ("CONNECT fcm.googleapis.com:443 HTTP/1.1", "fcm.googleapis.com", 443),
            ("CONNECT FCM.GoogleAPIs.com.:443 HTTP/1.0", "fcm.googleapis.com", 443),
            ("CONNECT [::1]:8443 HTTP/1.1", "::1", 8443),
            ("CONNECT [FE80::1]:1 HTTP/1.1", "fe80::1", 1),
            ("CONNECT 127.0.0.1:65535 HTTP/1.1", "127.0.0.1", 65535),
            ("GET http://example.org/path HTTP/1.1", "example.org", 80),
            ("POST https://example.org HTTP/1.1", "example.org", 443),
            ("GET http://Example.org.:8080/ HTTP/1.1", "example.org", 8080),
            ("GET http://user@example.org/ HTTP/1.1", "example.org", 80),
        ] {
            assert_eq!(parse(line), Some((host.to_owned(), port)), "{line}");
        }
    }

    #[test]
    fn anything_else_is_malformed() {
        for line in [
            "",
            "CONNECT",
            "CONNECT fcm.googleapis.com HTTP/1.1",
            "CONNECT fcm.googleapis.com: HTTP/1.1",
            "CONNECT :443 HTTP/1.1",
            "CONNECT .:443 HTTP/1.1",
            "CONNECT fcm.googleapis.com..:443 HTTP/1.1",
            "CONNECT fcm.googleapis.com:65536 HTTP/1.1",
            "CONNECT fcm.googleapis.com:+443 HTTP/1.1",
            "CONNECT fcm.googleapis.com:443/ HTTP/1.1",
            "CONNECT user@fcm.googleapis.com:443 HTTP/1.1",
            "CONNECT fcm.googleapis.com:443@example.org:443 HTTP/1.1",
            "CONNECT https://fcm.googleapis.com:443 HTTP/1.1",
            "CONNECT https://fcm.googleapis.com:443/ HTTP/1.1",
            "CONNECT /fcm.googleapis.com:443 HTTP/1.1",
            "CONNECT  fcm.googleapis.com:443 HTTP/1.1",
            "CONNECT fcm.googleapis.com:443  HTTP/1.1",
            "CONNECT fcm.googleapis.com:443 HTTP/1.1 ",
            " CONNECT fcm.googleapis.com:443 HTTP/1.1",
            "CONNECT\tfcm.googleapis.com:443\tHTTP/1.1",
            "CONNECT fcm.googleapis.com:443 HTTP/2.0",
            "CONNECT fcm.googleapis.com:443",
            "CONNECT fcm.googleapis.com\0:443 HTTP/1.1",
            "CONNECT fcm%2egoogleapis.com:443 HTTP/1.1",
            "CONNECT ::1:443 HTTP/1.1",
            "CONNECT [::1:443 HTTP/1.1",
            "CONNECT [::1%25lo]:443 HTTP/1.1",
            "CONNECT [fcm.googleapis.com]:443 HTTP/1.1",
            "CONNECT fcm.googleapis.com,example.org:443 HTTP/1.1",
            "CONNECT fcm.googleapis.com:443\nHost: x HTTP/1.1",
            "GET / HTTP/1.1",
            "OPTIONS * HTTP/1.1",
            "GET example.org HTTP/1.1",
            "connect(): fcm.googleapis.com:443 HTTP/1.1",
            "PRI * HTTP/2.0",
        ] {
            assert_eq!(parse(line), None, "{line}");
        }
        for head in
            ["CONNECT a.b:1 HTTP/1.1\r\nno header\r\n\r\n", "CONNECT a.b:1 HTTP/1.1\r\nA: b\nC: d\r\n\r\n"]
        {
            assert!(ProxyRequest::parse(head.as_bytes()).is_err(), "{head}");
        }
    }

    #[test]
    fn the_end_is_found_in_any_pieces() {
        let bytes = b"CONNECT a.b:1 HTTP/1.1\r\nA: b\r\n\r\n\x16\x03\x01";
        for piece in 0..bytes.len() {
            assert_eq!(end(&bytes[..piece], 0), (piece >= 32).then_some(32), "{piece}");
            assert_eq!(end(bytes, piece.min(31)), Some(32), "{piece}");
        }
    }
}
