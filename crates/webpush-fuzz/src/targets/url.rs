//! URLs and origins.

use webpush_client::url::CapabilityUrl;
use webpush_core::origin::UrlOrigin;

pub(super) const TOKENS: &[&[u8]] = &[
    b"https://push.example",
    b"http://[::1]:80/",
    b"HTTPS://Push.Example:443",
    b":443",
    b":65536",
    b":",
    b"@",
    b"//",
    b"/",
    b"?",
    b"#",
    b"[::ffff:1.2.3.4]",
    b"://",
    b"%00",
    b"..",
];

/// The first line is a URL, the second a reference to another one.
pub(super) fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let (text, reference) = text.split_once('\n').unwrap_or((text, "/x"));
    assert_origins(text, reference);
    let Ok(url) = CapabilityUrl::parse(text) else { return };
    assert_eq!(CapabilityUrl::parse(&url.expose()).as_ref(), Ok(&url));
    assert!(!url.host().is_empty() && !url.expose().contains(['\n', ' ']));
    let origin = url.origin();
    let shown = format!("{url:?}");
    assert_eq!(shown, format!("{origin}/…"), "a capability is shown");
    let parsed = UrlOrigin::parse(&origin).expect("the origin of a URL is an origin");
    assert_eq!(
        (parsed.port(), parsed.host().trim_matches(['[', ']'])),
        (url.port(), canonical(url.host()).as_str())
    );
    if let Ok(joined) = url.join(reference) {
        let stays = reference.starts_with('/') && !reference.starts_with("//");
        assert!(!stays || joined.origin() == origin, "{text} {reference}");
    }
    let below = url.below("x").expect("a segment can be appended");
    assert_eq!(below.origin(), origin);
}

fn canonical(host: &str) -> String {
    host.parse::<std::net::Ipv6Addr>()
        .map_or_else(|_| host.to_ascii_lowercase(), |address| address.to_string())
}

/// Sameness is an equivalence, and a default port may be left out.
fn assert_origins(a: &str, b: &str) {
    let (Some(a), Some(b)) = (UrlOrigin::parse(a), UrlOrigin::parse(b)) else { return };
    assert!(a.is_same(&a));
    assert_eq!(a.is_same(&b), b.is_same(&a));
    if a.is_same(&b) {
        assert_eq!((a.host(), a.port(), a.is_default_https()), (b.host(), b.port(), b.is_default_https()));
    }
    assert!(!a.is_host_of(&b) || a.host() == b.host());
}
