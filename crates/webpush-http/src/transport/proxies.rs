//! Trusted proxies, and the client of a request behind them.
//!
//! | the connection comes from | client |
//! |---|---|
//! | an untrusted address | the peer; its headers are ignored |
//! | a trusted proxy that names no client | the proxy |
//! | a trusted proxy that names a client | the first from the right that is not a trusted proxy; if all are, the last of them |
//! | a trusted proxy that hides the client, or writes no address | the last proxy that is known; never this machine |
//! | a Unix socket | as from a trusted proxy on another machine, whose address is 0.0.0.0 |

use crate::transport::forwarded::{ForwardedHeader, Hops};
use arc_swap::ArcSwap;
use http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};
use webpush_core::address::CidrBlock;
use webpush_service::client_addr::ClientAddr;

/// Trusted proxies, and the header that they write.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Vec<CidrBlock>,
    header: ForwardedHeader,
}

/// The peer of a connection: a client, or a proxy.
#[derive(Clone, Copy, Debug)]
pub struct DirectPeer {
    peer: ClientAddr,
    is_proxy: bool,
}

impl Proxies {
    /// Creates the list from blocks of addresses.
    #[must_use]
    pub fn new(trusted: &[CidrBlock], header: ForwardedHeader) -> Self {
        Self { trusted: trusted.iter().copied().map(CidrBlock::canonical).collect(), header }
    }

    /// Returns true if a peer is a trusted proxy.
    #[must_use]
    pub fn trust(&self, peer: &ClientAddr) -> bool {
        self.trusted.iter().any(|block| peer.is_in(block))
    }

    fn client(&self, proxy: ClientAddr, headers: &HeaderMap) -> ClientAddr {
        let mut last = proxy;
        for hop in Hops::new(self.header, headers) {
            let Some(address) = hop else { return unnamed(last) };
            last = named(last, address).unwrap_or(last);
            if !self.trust(&ClientAddr::new(address)) {
                break;
            }
        }
        last
    }
}

/// Returns the client that a proxy names, unless another machine names a loopback address.
fn named(by: ClientAddr, address: IpAddr) -> Option<ClientAddr> {
    let named = ClientAddr::new(address);
    (by.is_loopback() || !named.is_loopback()).then_some(named)
}

/// Returns the client behind a proxy that names none. It is never local, even if the proxy is.
fn unnamed(proxy: ClientAddr) -> ClientAddr {
    if proxy.is_loopback() { ClientAddr::new(Ipv4Addr::UNSPECIFIED.into()) } else { proxy }
}

impl DirectPeer {
    /// Creates a peer. It stays a proxy, or none, when the list is replaced.
    #[must_use]
    pub fn new(peer: ClientAddr, proxies: &Proxies) -> Self {
        Self { peer, is_proxy: proxies.trust(&peer) }
    }

    /// Creates a proxy that is trusted whatever its address is.
    #[must_use]
    pub const fn proxy(address: ClientAddr) -> Self {
        Self { peer: address, is_proxy: true }
    }

    /// Creates a peer that speaks for itself, such as a proxy's health check.
    #[must_use]
    pub const fn itself(proxy: ClientAddr) -> Self {
        Self { peer: proxy, is_proxy: false }
    }

    /// Creates the peer that a proxy names for a whole connection, which may be another proxy.
    #[must_use]
    pub fn named(by: ClientAddr, address: IpAddr, proxies: &Proxies) -> Self {
        named(by, address).map_or_else(|| Self::itself(by), |peer| Self::new(peer, proxies))
    }

    /// Returns the peer, unless it is a proxy.
    #[must_use]
    pub fn alone(&self) -> Option<&ClientAddr> {
        (!self.is_proxy).then_some(&self.peer)
    }

    /// Returns the client of a request on the connection.
    #[must_use]
    pub fn client(&self, proxies: &ArcSwap<Proxies>, headers: &HeaderMap) -> ClientAddr {
        if self.is_proxy { proxies.load().client(self.peer, headers) } else { self.peer }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> ClientAddr {
        ClientAddr::new(address.parse().unwrap())
    }

    fn client(from: &str, lines: &[&str]) -> ClientAddr {
        let trusted = ["127.0.0.0/8", "::ffff:10.0.0.0/104", "2001:db8:7::/48"];
        let trusted: Vec<CidrBlock> = trusted.iter().map(|block| block.parse().unwrap()).collect();
        let proxies = ArcSwap::from_pointee(Proxies::new(&trusted, ForwardedHeader::default()));
        let mut headers = HeaderMap::new();
        headers.insert("forwarded", "for=192.0.2.99".parse().unwrap());
        for line in lines {
            headers.append("x-forwarded-for", line.parse().unwrap());
        }
        let direct_peer = DirectPeer::new(peer(from), &proxies.load());
        direct_peer.client(&proxies, &headers)
    }

    /// D: the client behind the proxy on a Unix socket.
    #[test]
    fn nobody_behind_a_proxy_without_an_address_is_this_machine() {
        let proxies =
            ArcSwap::from_pointee(Proxies::new(&["10.0.0.0/8".parse().unwrap()], ForwardedHeader::default()));
        let client = |line: Option<&str>| {
            let headers = line.map(|line| ("x-forwarded-for".parse().unwrap(), line.parse().unwrap()));
            DirectPeer::proxy(peer("0.0.0.0")).client(&proxies, &headers.into_iter().collect())
        };
        for (line, expected) in [
            (None, "0.0.0.0"),
            (Some("192.0.2.1"), "192.0.2.1"),
            (Some("192.0.2.1, 10.0.0.1"), "192.0.2.1"),
            (Some("127.0.0.1, 192.0.2.1"), "192.0.2.1"),
            (Some("127.0.0.1"), "0.0.0.0"),
            (Some("::1"), "0.0.0.0"),
            (Some("unix:"), "0.0.0.0"),
            (Some("unknown"), "0.0.0.0"),
        ] {
            assert_eq!(client(line), peer(expected), "{line:?}");
        }
        assert!(
            DirectPeer::proxy(peer("0.0.0.0")).alone().is_none(),
            "its connections are not counted as one client's"
        );
    }

    #[test]
    fn the_client_behind_proxies() {
        for (from, lines, expected) in [
            // No trusted proxy.
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("::ffff:192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("::1", &["198.51.100.1"], "::1"),
            // A proxy that names no client, and one that does.
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.1.2.3", &["2001:db8::1"], "2001:db8::1"),
            ("2001:db8:7::1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            // A client can only add addresses to the left.
            ("10.0.0.1", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["127.0.0.1", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.7, 192.0.2.1, 10.0.0.2", "127.0.0.5"], "192.0.2.1"),
            // Only proxies.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Hidden or malformed.
            ("10.0.0.1", &["192.0.2.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["192.0.2.1, garbage, 10.0.0.2"], "10.0.0.2"),
            ("127.0.0.1", &["192.0.2.1, unknown"], "0.0.0.0"),
            // Loopback of another machine.
            ("10.0.0.1", &["127.0.0.1"], "10.0.0.1"),
            ("127.0.0.1", &["127.0.0.1, 10.0.0.1, 127.0.0.2"], "10.0.0.1"),
            ("127.0.0.1", &["127.0.0.1, 127.0.0.2"], "127.0.0.1"),
        ] {
            assert_eq!(client(from, lines), peer(expected), "{from} {lines:?}");
        }
    }
}
