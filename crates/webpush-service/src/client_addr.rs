//! Addresses of clients, and the networks that rate limits are charged to.

use std::net::{IpAddr, Ipv6Addr};
use webpush_core::address::CidrBlock;

/// The address of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientAddr {
    address: IpAddr,
}

/// The addresses that count as one client: an IPv4 address, or an IPv6 prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl ClientAddr {
    /// Creates a client address. An IPv4-mapped IPv6 address becomes an IPv4 address.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address: address.to_canonical() }
    }

    /// Returns true for a client on this machine.
    #[must_use]
    pub const fn is_loopback(&self) -> bool {
        self.address.is_loopback()
    }

    /// Returns true if the address is in a block.
    #[must_use]
    pub fn is_in(&self, block: &CidrBlock) -> bool {
        block.contains(self.address)
    }

    /// Returns the network of the address. `ipv6_prefix` is the prefix length for IPv6.
    #[must_use]
    pub fn network(&self, ipv6_prefix: u8) -> Network {
        Network(match self.address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let host_bits = u128::MAX.checked_shr(ipv6_prefix.into()).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !host_bits).into()
            }
        })
    }
}

/// The client of one request.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The client's address; from a trusted proxy if the connection came through one.
    pub client: &'a ClientAddr,
    /// True if the path began with a valid subscribe token.
    pub token_in_path: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ipv6_client_is_charged_by_its_prefix() {
        let network = |address: &str, prefix| ClientAddr::new(address.parse().unwrap()).network(prefix);
        assert_eq!(network("2001:db8:1:2::1", 64), network("2001:db8:1:2:ffff::2", 64));
        assert_ne!(network("2001:db8:1:2::1", 64), network("2001:db8:1:3::1", 64));
        assert_eq!(network("2001:db8:1:2::1", 56), network("2001:db8:1:3::1", 56));
        assert_ne!(network("2001:db8::1", 128), network("2001:db8::2", 128));
        assert_eq!(network("192.0.2.1", 64), network("::ffff:192.0.2.1", 64));
        assert_ne!(network("192.0.2.1", 16), network("192.0.2.2", 16));
    }
}
