//! Proxies that are believed when they say for whom they ask, and who a request is from with them in between.
//!
//! | the connection comes from | who is counted |
//! |---|---|
//! | no trusted proxy | the peer: what its requests say of others counts for nothing |
//! | a trusted proxy that names nobody | the proxy |
//! | a trusted proxy that names a client | the first, from the right, that is no trusted proxy; if all are, the last of them |
//! | a trusted proxy that hides the client, or writes what is no address | the last proxy that is known; never this machine |

use crate::transport::forwarded::{ForwardedHeader, Hops};
use arc_swap::ArcSwap;
use http::HeaderMap;
use std::net::{IpAddr, Ipv4Addr};
use webpush_core::address::CidrBlock;
use webpush_service::client_addr::ClientAddr;

/// Which proxies are trusted, and the header that they write.
#[derive(Clone, Debug, Default)]
pub struct Proxies {
    trusted: Vec<CidrBlock>,
    header: ForwardedHeader,
}

/// The other side of a connection itself: a client, or a proxy of many.
#[derive(Clone, Copy, Debug)]
pub struct DirectPeer {
    peer: ClientAddr,
    is_proxy: bool,
}

impl Proxies {
    /// These blocks of addresses.
    #[must_use]
    pub fn new(trusted: &[CidrBlock], header: ForwardedHeader) -> Self {
        Self { trusted: trusted.iter().copied().map(CidrBlock::canonical).collect(), header }
    }

    /// Whether a peer is one of them.
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

/// Whom a proxy names. What another machine calls loopback is not this machine.
fn named(by: ClientAddr, address: IpAddr) -> Option<ClientAddr> {
    let named = ClientAddr::new(address);
    (by.is_loopback() || !named.is_loopback()).then_some(named)
}

/// Somebody behind a proxy. If that is on this machine, they may be anywhere, and have nothing of its privileges.
fn unnamed(proxy: ClientAddr) -> ClientAddr {
    if proxy.is_loopback() { ClientAddr::new(Ipv4Addr::UNSPECIFIED.into()) } else { proxy }
}

impl DirectPeer {
    /// Is it a proxy? Later changes of the list are for later connections.
    #[must_use]
    pub fn new(peer: ClientAddr, proxies: &Proxies) -> Self {
        Self { peer, is_proxy: proxies.trust(&peer) }
    }

    /// A proxy that has opened the connection for itself: to see whether the service is there.
    #[must_use]
    pub const fn itself(proxy: ClientAddr) -> Self {
        Self { peer: proxy, is_proxy: false }
    }

    /// Whom a proxy names for the whole connection; that may be another proxy.
    #[must_use]
    pub fn named(by: ClientAddr, address: IpAddr, proxies: &Proxies) -> Self {
        named(by, address).map_or_else(|| Self::itself(by), |peer| Self::new(peer, proxies))
    }

    /// The peer, unless it is a proxy of many.
    #[must_use]
    pub fn alone(&self) -> Option<&ClientAddr> {
        (!self.is_proxy).then_some(&self.peer)
    }

    /// Who makes a request on the connection.
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
        let neighbour = DirectPeer::new(peer(from), &proxies.load());
        neighbour.client(&proxies, &headers)
    }

    #[test]
    fn who_is_counted() {
        for (from, lines, expected) in [
            // No trusted proxy.
            ("192.0.2.1", &["198.51.100.1"][..], "192.0.2.1"),
            ("::ffff:192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("::1", &["198.51.100.1"], "::1"),
            // A proxy that names nobody, and one that does.
            ("127.0.0.1", &[], "127.0.0.1"),
            ("127.0.0.1", &["192.0.2.1"], "192.0.2.1"),
            ("::ffff:10.1.2.3", &["2001:db8::1"], "2001:db8::1"),
            ("2001:db8:7::1", &["::ffff:192.0.2.1"], "192.0.2.1"),
            // What the client made up is to the left of it.
            ("10.0.0.1", &["127.0.0.1, 192.0.2.1"], "192.0.2.1"),
            ("10.0.0.1", &["127.0.0.1", "192.0.2.1, 10.0.0.2"], "192.0.2.1"),
            ("10.0.0.1", &["192.0.2.7, 192.0.2.1, 10.0.0.2", "127.0.0.5"], "192.0.2.1"),
            // Nobody but proxies.
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            // Hidden, and worse.
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
