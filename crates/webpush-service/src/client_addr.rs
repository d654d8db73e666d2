//! Who is on the other side of a connection, as far as its address tells.

use std::net::{IpAddr, Ipv6Addr};
use webpush_core::address::CidrBlock;

/// The other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr {
    address: IpAddr,
}

/// The addresses that one party has at its disposal: an IPv4 address, or an IPv6 one of which only the first bits are set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl ClientAddr {
    /// At an address. An IPv4 address that an IPv6 socket has written its own way is an IPv4 address.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address: address.to_canonical() }
    }

    /// Whether it is on this machine.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.address.is_loopback()
    }

    /// Whether it is in a block.
    #[must_use]
    pub fn is_in(&self, block: &CidrBlock) -> bool {
        block.contains(self.address)
    }

    /// What it is counted as, with so many bits of an IPv6 address.
    #[must_use]
    pub fn network(&self, ipv6_prefix: u8) -> Network {
        Network(match self.address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let behind = u128::MAX.checked_shr(ipv6_prefix.into()).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !behind).into()
            }
        })
    }
}

/// Who makes one request.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The other side of the connection, or whom a trusted proxy names.
    pub peer: &'a ClientAddr,
    /// Whether the URL began with a valid subscribe token.
    pub token_in_path: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_peer_is_counted_as_its_prefix() {
        let network = |address: &str, prefix| ClientAddr::new(address.parse().unwrap()).network(prefix);
        assert_eq!(network("2001:db8:1:2::1", 64), network("2001:db8:1:2:ffff::2", 64));
        assert_ne!(network("2001:db8:1:2::1", 64), network("2001:db8:1:3::1", 64));
        assert_eq!(network("2001:db8:1:2::1", 56), network("2001:db8:1:3::1", 56));
        assert_ne!(network("2001:db8::1", 128), network("2001:db8::2", 128));
        assert_eq!(network("192.0.2.1", 64), network("::ffff:192.0.2.1", 64));
        assert_ne!(network("192.0.2.1", 16), network("192.0.2.2", 16));
    }
}
