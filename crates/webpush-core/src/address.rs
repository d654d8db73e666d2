//! Which addresses belong to the public internet. A stranger may name a host for the service to reach, and that must
//! not be one that only this machine or its network can reach.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A block of addresses in CIDR notation (RFC 4632 §3.1, RFC 4291 §2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Block {
    first: IpAddr,
    prefix: u32,
}

/// IPv4 blocks that are not for everybody (IANA special-purpose registry, RFC 6890).
const SPECIAL_V4: [Block; 15] = [
    v4([0, 0, 0, 0], 8),       // this network, unspecified
    v4([10, 0, 0, 0], 8),      // private (RFC 1918)
    v4([100, 64, 0, 0], 10),   // shared by carriers, CGNAT (RFC 6598)
    v4([127, 0, 0, 0], 8),     // loopback
    v4([169, 254, 0, 0], 16),  // link-local (RFC 3927), the metadata services of clouds
    v4([172, 16, 0, 0], 12),   // private (RFC 1918)
    v4([192, 0, 0, 0], 24),    // protocol assignments
    v4([192, 0, 2, 0], 24),    // documentation (RFC 5737)
    v4([192, 88, 99, 0], 24),  // relays of 6to4 (RFC 7526)
    v4([192, 168, 0, 0], 16),  // private (RFC 1918)
    v4([198, 18, 0, 0], 15),   // benchmarking (RFC 2544)
    v4([198, 51, 100, 0], 24), // documentation
    v4([203, 0, 113, 0], 24),  // documentation
    v4([224, 0, 0, 0], 4),     // multicast
    v4([240, 0, 0, 0], 4),     // reserved, broadcast
];

/// What IPv6 has of global unicast addresses so far (RFC 4291 §2.4). Outside are loopback, unspecified, IPv4 written as
/// IPv6 (::/96, ::ffff:0:0/96), NAT64 (64:ff9b::/96, 64:ff9b:1::/48), discard (100::/64), unique local (fc00::/7),
/// link-local (fe80::/10), site-local (fec0::/10) and multicast (ff00::/8).
const GLOBAL_V6: Block = v6([0x2000, 0], 3);

/// Blocks within that are not for everybody. Teredo and 6to4 hold an IPv4 address of any kind.
const SPECIAL_V6: [Block; 4] = [
    v6([0x2001, 0], 23),     // protocol assignments: Teredo, benchmarking, ORCHID
    v6([0x2001, 0xdb8], 32), // documentation (RFC 3849)
    v6([0x2002, 0], 16),     // 6to4 (RFC 3056)
    v6([0x3fff, 0], 20),     // documentation (RFC 9637)
];

/// Whether an address is one of the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    let is_in = |block: &Block| block.contains(address);
    match address {
        IpAddr::V4(_) => !SPECIAL_V4.iter().any(is_in),
        IpAddr::V6(_) => GLOBAL_V6.contains(address) && !SPECIAL_V6.iter().any(is_in),
    }
}

const fn v4(first: [u8; 4], prefix: u32) -> Block {
    let [a, b, c, d] = first;
    Block { first: IpAddr::V4(Ipv4Addr::new(a, b, c, d)), prefix }
}

const fn v6(first: [u16; 2], prefix: u32) -> Block {
    let [a, b] = first;
    Block { first: IpAddr::V6(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0)), prefix }
}

impl Block {
    /// Whether an address is in it. An IPv4 address written as IPv6 is in no block of IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address) {
            (IpAddr::V4(first), IpAddr::V4(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros() >= self.prefix
            }
            (IpAddr::V6(first), IpAddr::V6(address)) => {
                (first.to_bits() ^ address.to_bits()).leading_zeros() >= self.prefix
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// One of IPv4 that is written as IPv6 (`::ffff:10.0.0.0/104`) as what it is.
    #[must_use]
    pub const fn canonical(self) -> Self {
        match (self.first.to_canonical(), self.prefix.checked_sub(u128::BITS - u32::BITS)) {
            (first @ IpAddr::V4(_), Some(prefix)) if self.first.is_ipv6() => Self { first, prefix },
            _ => self,
        }
    }
}

/// A text is not a block of addresses. The fault of the operator who wrote it.
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

impl FromStr for Block {
    type Err = ParseBlockError;

    fn from_str(text: &str) -> Result<Self, ParseBlockError> {
        parse(text).ok_or_else(|| ParseBlockError(text.to_owned()))
    }
}

/// Bits behind the prefix would leave it open which of two blocks is meant.
fn parse(text: &str) -> Option<Block> {
    let (first, prefix) = match text.split_once('/') {
        Some((first, prefix)) => (first, Some(prefix)),
        None => (text, None),
    };
    let first: IpAddr = first.parse().ok()?;
    let (bits, trailing_zeros) = match first {
        IpAddr::V4(first) => (u32::BITS, first.to_bits().trailing_zeros()),
        IpAddr::V6(first) => (u128::BITS, first.to_bits().trailing_zeros()),
    };
    let prefix = prefix.map_or(Some(bits), |prefix| prefix.parse().ok())?;
    (prefix <= bits && bits - prefix <= trailing_zeros).then_some(Block { first, prefix })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_first_and_last_address_of_every_special_block_and_their_neighbours() {
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
    fn blocks_are_read_and_hold_what_they_say() {
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
            let block: Block = block.parse().unwrap();
            assert_eq!(block.contains(address.parse().unwrap()), within, "{block:?} {address}");
        }
        for wrong in
            ["", "/8", "127.0.0.1/8", "127.0.0.0/33", "::/129", "fd00::1/8", "10.0.0.0/-1", "lan", "10/8"]
        {
            let error = wrong.parse::<Block>().unwrap_err().to_string();
            assert!(error.contains(&format!("\"{wrong}\"")), "{error}");
        }
    }

    proptest! {
        #[test]
        fn no_address_that_is_special_by_its_own_account_is_public(bits in any::<u32>()) {
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
