//! Who is on the other side of a connection, as far as its address tells.

use std::net::IpAddr;

/// The other side of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    address: IpAddr,
}

/// The addresses that one party has at its disposal: an IPv4 address, or an IPv6 /64, which is the least that an
/// IPv6 host gets (RFC 6177 §2). An IPv6 one has no more than its first half set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Network(IpAddr);

impl Peer {
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

    /// What it is counted as.
    #[must_use]
    pub fn network(&self) -> Network {
        Network(match self.address {
            IpAddr::V4(address) => address.into(),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::from([a, b, c, d, 0, 0, 0, 0])
            }
        })
    }
}

/// Who makes one request.
#[derive(Clone, Copy, Debug)]
pub struct Caller<'a> {
    /// The other side of the connection.
    pub peer: &'a Peer,
    /// Whether the URL began with a valid subscribe token.
    pub token_in_path: bool,
}
