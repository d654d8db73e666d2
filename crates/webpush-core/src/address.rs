//! Public and special-purpose IP addresses, and CIDR blocks.
//!
//! Anyone may name a host for the service to connect to, such as the push service in a pushkey of the Matrix gateway. An
//! address that only this machine or its network can reach must be refused.

use cidr::{IpCidr, Ipv4Cidr, Ipv6Cidr};
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// IPv4 blocks that are not globally reachable (IANA special-purpose registry, RFC 6890).
const SPECIAL_V4: [Ipv4Cidr; 15] = [
    v4([0, 0, 0, 0], 8),       // this network, unspecified
    v4([10, 0, 0, 0], 8),      // private (RFC 1918)
    v4([100, 64, 0, 0], 10),   // carrier-grade NAT (RFC 6598)
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local (RFC 3927), cloud metadata services
    v4([172, 16, 0, 0], 12),   // private (RFC 1918)
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation (RFC 5737)
    v4([192, 88, 99, 0], 24),  // 6to4 relays (RFC 7526)
    v4([192, 168, 0, 0], 16),  // private (RFC 1918)
    v4([198, 18, 0, 0], 15),   // benchmarking (RFC 2544)
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// The global unicast addresses that are allocated so far (RFC 4291 §2.4).
///
/// Outside are loopback, unspecified, IPv4-mapped and IPv4-compatible (::/96, ::ffff:0:0/96), NAT64 (64:ff9b::/96,
/// 64:ff9b:1::/48), discard (100::/64), unique local (fc00::/7), link-local (fe80::/10), site-local (fec0::/10) and
/// multicast (ff00::/8).
const GLOBAL_V6: Ipv6Cidr = v6([0x2000, 0], 3);

/// Blocks within [`GLOBAL_V6`] that are not globally reachable.
///
/// Teredo and 6to4 embed an IPv4 address of any kind.
const SPECIAL_V6: [Ipv6Cidr; 4] = [
    v6([0x2001, 0], 23),     // protocol assignments: Teredo, benchmarking, ORCHID
    v6([0x2001, 0xdb8], 32), // documentation (RFC 3849)
    v6([0x2002, 0], 16),     // 6to4 (RFC 3056)
    v6([0x3fff, 0], 20),     // documentation (RFC 9637)
];

/// Returns true if an address belongs to the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|block| block.contains(&address)),
        IpAddr::V6(address) => {
            GLOBAL_V6.contains(&address) && !SPECIAL_V6.iter().any(|block| block.contains(&address))
        }
    }
}

#[allow(clippy::panic, reason = "evaluated at compile time only")]
const fn v4(first: [u8; 4], prefix_length: u8) -> Ipv4Cidr {
    let [a, b, c, d] = first;
    match Ipv4Cidr::new(Ipv4Addr::new(a, b, c, d), prefix_length) {
        Ok(block) => block,
        Err(_) => panic!("not a block"),
    }
}

#[allow(clippy::panic, reason = "evaluated at compile time only")]
const fn v6(first: [u16; 2], prefix_length: u8) -> Ipv6Cidr {
    let [a, b] = first;
    match Ipv6Cidr::new(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), prefix_length) {
        Ok(block) => block,
        Err(_) => panic!("not a block"),
    }
}

/// A CIDR block, or a single address (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CidrBlock(IpCidr);

impl CidrBlock {
    /// Returns true if the block contains `address`.
    ///
    /// An IPv4 block contains no IPv4-mapped IPv6 address.
    #[must_use]
    pub const fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Converts an IPv4-mapped block (`::ffff:10.0.0.0/104`) to IPv4; returns others unchanged.
    #[must_use]
    pub fn canonical(self) -> Self {
        let Self(IpCidr::V6(block)) = self else { return self };
        let first = block.first_address().to_ipv4_mapped();
        let prefix_length = block.network_length().checked_sub((u128::BITS - u32::BITS) as u8);
        let mapped = first.zip(prefix_length).and_then(|(first, length)| Ipv4Cidr::new(first, length).ok());
        mapped.map_or(self, |block| Self(IpCidr::V4(block)))
    }
}

/// The text is not a CIDR block. The operator who wrote it can fix it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseBlockError(String);

impl fmt::Display for ParseBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(
            f,
            "\"{text}\" is not a block of addresses: 192.168.1.0/24 or fd00::/8, with nothing but zeros behind the \
             prefix, or one address"
        )
    }
}

impl std::error::Error for ParseBlockError {}

impl FromStr for CidrBlock {
    type Err = ParseBlockError;

    /// Parses a block without host bits, which would leave open which of two blocks is meant.
    fn from_str(text: &str) -> Result<Self, ParseBlockError> {
        text.parse().map(Self).map_err(|_| ParseBlockError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_bounds_of_every_special_block() {
        for (text, public) in [
            ("0.0.0.0", false),
            ("0.255.255.255", false),
            ("1.0.0.0", true),
            ("9.255.255.255", true),
            ("10.0.0.0", false),
            ("10.255.255.255", false),
            ("11.0.0.0", true),
            ("100.63.255.255", true),
            ("100.64.0.0", false),
            ("100.127.255.255", false),
            ("100.128.0.0", true),
            ("126.255.255.255", true),
            ("127.0.0.1", false),
            ("127.255.255.255", false),
            ("128.0.0.0", true),
            ("169.253.255.255", true),
            ("169.254.169.254", false),
            ("169.255.0.0", true),
            ("172.15.255.255", true),
            ("172.16.0.0", false),
            ("172.31.255.255", false),
            ("172.32.0.0", true),
            ("192.0.0.0", false),
            ("192.0.0.255", false),
            ("192.0.1.0", true),
            ("192.0.2.255", false),
            ("192.0.3.0", true),
            ("192.88.98.255", true),
            ("192.88.99.1", false),
            ("192.167.255.255", true),
            ("192.168.0.0", false),
            ("192.168.255.255", false),
            ("192.169.0.0", true),
            ("198.17.255.255", true),
            ("198.18.0.0", false),
            ("198.19.255.255", false),
            ("198.20.0.0", true),
            ("198.51.99.255", true),
            ("198.51.100.0", false),
            ("198.51.101.0", true),
            ("203.0.112.255", true),
            ("203.0.113.255", false),
            ("203.0.114.0", true),
            ("223.255.255.255", true),
            ("224.0.0.0", false),
            ("239.255.255.255", false),
            ("240.0.0.0", false),
            ("255.255.255.255", false),
            ("::", false),
            ("::1", false),
            ("::8.8.8.8", false),
            ("::ffff:8.8.8.8", false),
            ("::ffff:127.0.0.1", false),
            ("64:ff9b::8.8.8.8", false),
            ("64:ff9b::10.0.0.1", false),
            ("64:ff9b:1::1", false),
            ("100::1", false),
            ("1fff:ffff::1", false),
            ("2000::1", true),
            ("2001::1", false),
            ("2001:0:7f00:1::", false),
            ("2001:2::1", false),
            ("2001:20::1", false),
            ("2001:1ff:ffff::1", false),
            ("2001:200::1", true),
            ("2001:db7:ffff::1", true),
            ("2001:db8::1", false),
            ("2001:db9::1", true),
            ("2001:4860:4860::8888", true),
            ("2002:7f00:1::1", false),
            ("2002:808:808::1", false),
            ("2003::1", true),
            ("3ffe:ffff::1", true),
            ("3fff::1", false),
            ("3fff:fff:ffff::1", false),
            ("3fff:1000::1", true),
            ("4000::1", false),
            ("5f00::1", false),
            ("fbff::1", false),
            ("fc00::1", false),
            ("fdff:ffff::1", false),
            ("fe80::1", false),
            ("fec0::1", false),
            ("ff02::1", false),
        ] {
            assert_eq!(is_public(text.parse().unwrap()), public, "{text}");
        }
    }

    #[test]
    fn blocks_are_parsed_and_contain_their_addresses() {
        for (block, address, within) in [
            ("127.0.0.0/8", "127.0.0.1", true),
            ("127.0.0.0/8", "128.0.0.1", false),
            ("192.168.1.0/24", "192.168.1.255", true),
            ("192.168.1.0/24", "192.168.2.0", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3/32", "10.1.2.2", false),
            ("0.0.0.0/0", "203.0.113.1", true),
            ("0.0.0.0/0", "::ffff:203.0.113.1", false),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fc00::1", false),
            ("::1", "::1", true),
            ("::/0", "ff02::1", true),
            ("::/0", "127.0.0.1", false),
        ] {
            let block: CidrBlock = block.parse().unwrap();
            assert_eq!(block.contains(address.parse().unwrap()), within, "{block:?} {address}");
        }
        for wrong in
            ["", "/8", "127.0.0.1/8", "127.0.0.0/33", "::/129", "fd00::1/8", "10.0.0.0/-1", "lan", "10/8"]
        {
            let error = wrong.parse::<CidrBlock>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{wrong}\"")), "{error}");
        }
    }

    #[test]
    fn mapped_blocks_become_ipv4_blocks() {
        for (block, canonical) in [
            ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
            ("::ffff:10.1.2.3", "10.1.2.3"),
            ("::/8", "::/8"),
            ("fd00::/8", "fd00::/8"),
            ("10.0.0.0/8", "10.0.0.0/8"),
        ] {
            let block: CidrBlock = block.parse().unwrap();
            assert_eq!(block.canonical(), canonical.parse().unwrap(), "{block:?}");
        }
    }

    proptest! {
        #[test]
        fn no_address_that_std_calls_special_is_public(bits in any::<u32>()) {
            let address = Ipv4Addr::from_bits(bits);
            let special = address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_multicast()
                || address.is_broadcast()
                || address.is_documentation()
                || address.is_unspecified();
            prop_assert!(!(special && is_public(address.into())));
            prop_assert!(!is_public(address.to_ipv6_mapped().into()));
            prop_assert!(!is_public(address.to_ipv6_compatible().into()));
        }
    }
}
