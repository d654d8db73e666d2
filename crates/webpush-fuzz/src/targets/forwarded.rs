//! `X-Forwarded-For` and `Forwarded`: a client cannot change what proxies say.

use arc_swap::ArcSwap;
use http::header::FORWARDED;
use http::{HeaderName, HeaderValue};
use std::net::IpAddr;
use webpush_core::address::CidrBlock;
use webpush_http::transport::forwarded::{ForwardedHeader, Hops};
use webpush_http::transport::proxies::{DirectPeer, Proxies};
use webpush_service::client_addr::ClientAddr;

use super::request;

pub(super) const TOKENS: &[&[u8]] = &[
    b"x-forwarded-for: ",
    b"forwarded: for=",
    b"192.0.2.1",
    b"10.0.0.1",
    b"127.0.0.1",
    b"\"[2001:db8::1]:80\"",
    b"unknown",
    b"_hidden",
    b";proto=https",
    b", ",
    b"\"",
    b"\\\"",
    b"\\",
    b"::ffff:127.0.0.1",
    b"for=1.1.1.1;for=2.2.2.2",
];
const NAMES: [(ForwardedHeader, HeaderName); 2] = [
    (ForwardedHeader::XForwardedFor, HeaderName::from_static("x-forwarded-for")),
    (ForwardedHeader::Forwarded, FORWARDED),
];

pub(super) fn run(input: &[u8]) {
    let (headers, _) = request::read(input);
    for (header, name) in NAMES {
        let values: Vec<_> = headers.get_all(&name).iter().collect();
        let hops =
            |values: &[&HeaderValue]| Hops::new(header, &request::headers(&name, values)).collect::<Vec<_>>();
        let separate: Vec<_> = values.iter().rev().flat_map(|value| hops(&[value])).collect();
        assert_eq!(hops(&values), separate, "headers are not read by themselves");
        if let [by_client, by_proxy, ..] = values[..] {
            assert_client_writes_to_the_left(by_client, by_proxy, &hops);
        }
        let client = client(header, &headers);
        assert!(!client.is_loopback(), "a proxy on another machine names this one");
    }
    let stranger = ClientAddr::new(IpAddr::from([198, 51, 100, 7]));
    for (header, _) in NAMES {
        let proxies = Proxies::new(&trusted(), header);
        let peer = DirectPeer::new(stranger, &proxies);
        assert_eq!(peer.client(&ArcSwap::from_pointee(proxies), &headers), stranger);
    }
}

/// A value of a proxy is read the same behind any text of a client.
///
/// Each quotation mark in it is closed.
fn assert_client_writes_to_the_left(
    by_client: &HeaderValue,
    by_proxy: &HeaderValue,
    hops: &impl Fn(&[&HeaderValue]) -> Vec<Option<IpAddr>>,
) {
    if !is_balanced(by_proxy.as_bytes()) {
        return;
    }
    let both = [by_client.as_bytes(), b", ", by_proxy.as_bytes()].concat();
    let both = HeaderValue::from_bytes(&both).unwrap();
    let expected = hops(&[by_proxy]);
    assert_eq!(hops(&[&both])[..expected.len()], expected);
}

fn is_balanced(value: &[u8]) -> bool {
    let is_escaped = |at: usize| value[..at].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1;
    (0..value.len()).filter(|at| value[*at] == b'"' && !is_escaped(*at)).count() % 2 == 0
}

fn trusted() -> [CidrBlock; 1] {
    ["10.0.0.0/8".parse().unwrap()]
}

fn client(header: ForwardedHeader, headers: &http::HeaderMap) -> ClientAddr {
    let proxies = Proxies::new(&trusted(), header);
    let peer = DirectPeer::new(ClientAddr::new(IpAddr::from([10, 0, 0, 1])), &proxies);
    peer.client(&ArcSwap::from_pointee(proxies), headers)
}
