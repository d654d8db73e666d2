//! Who may control the server: programs on this machine, and no web page but the inspector.

use http::header::{HOST, HeaderName, HeaderValue, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use std::net::IpAddr;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks that a request is not of a foreign web page.
///
/// # Errors
/// One sentence for the client.
pub(crate) fn check(head: &Parts, names: &[String]) -> Result<(), String> {
    let authority = authority(head);
    let host = authority.as_ref().map_or("", Authority::host);
    // A web page can make its own host name resolve to this address (DNS rebinding), but not an IP address.
    let has_user = authority.as_ref().is_some_and(|authority| authority.as_str().contains('@'));
    if has_user || !is_own(host, names) {
        return Err("the host of the request is not an IP address, localhost or a --name".to_owned());
    }
    let authority = authority.as_ref().map_or("", |authority| authority.as_str());
    if !head.headers.get_all(ORIGIN).iter().all(|origin| is_same(origin, authority)) {
        return Err("the request comes from a web page of another origin".to_owned());
    }
    // Images and scripts are requested without Origin.
    let is_foreign = |site: &HeaderValue| !matches!(site.as_bytes(), b"same-origin" | b"none");
    if head.headers.get_all(SEC_FETCH_SITE).iter().any(is_foreign) {
        return Err("the request comes from a web page of another site".to_owned());
    }
    Ok(())
}

/// Returns the host and port that a request is for.
pub(crate) fn authority(head: &Parts) -> Option<Authority> {
    let in_header = || Authority::try_from(head.headers.get(HOST)?.as_bytes()).ok();
    head.uri.authority().cloned().or_else(in_header)
}

fn is_own(host: &str, names: &[String]) -> bool {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || names.iter().any(|name| name.eq_ignore_ascii_case(host))
}

fn is_same(origin: &HeaderValue, authority: &str) -> bool {
    let origin = origin.as_bytes();
    let of_origin = origin.strip_prefix(b"http://").or_else(|| origin.strip_prefix(b"https://"));
    of_origin.is_some_and(|of_origin| of_origin.eq_ignore_ascii_case(authority.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn allows(headers: &[(&str, &str)]) -> bool {
        let request =
            headers.iter().fold(Request::builder(), |request, (name, value)| request.header(*name, *value));
        check(&request.body(()).unwrap().into_parts().0, &["push".to_owned()]).is_ok()
    }

    #[test]
    fn only_programs_and_the_inspector_have_access() {
        let own = ("host", "127.0.0.1:8090");
        for host in ["127.0.0.1:8090", "[::1]:8090", "localhost:8090", "LOCALHOST", "push:8090"] {
            assert!(allows(&[("host", host)]), "{host}");
        }
        for host in
            ["evil.example:8090", "localhost.evil.example", "127.0.0.1.evil.example", "x y", "evil@localhost"]
        {
            assert!(!allows(&[("host", host)]), "{host}");
        }
        assert!(!allows(&[]));
        assert!(allows(&[own, ("origin", "http://127.0.0.1:8090"), ("sec-fetch-site", "same-origin")]));
        assert!(allows(&[own, ("sec-fetch-site", "none")]));
        for (name, value) in [
            ("origin", "http://127.0.0.1:3000"),
            ("origin", "http://localhost:8090"),
            ("origin", "https://evil.example"),
            ("origin", "null"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "cross-site"),
        ] {
            assert!(!allows(&[own, (name, value)]), "{name}: {value}");
        }
    }
}
