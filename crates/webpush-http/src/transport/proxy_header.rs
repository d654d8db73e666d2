//! The PROXY protocol, versions 1 and 2: a header that a TCP proxy sends before all other bytes.
//!
//! It is only read if it is configured and never detected, because a client could forge it.

use crate::transport::proxies::{DirectPeer, Proxies};
use crate::transport::socket::PublicStream;
use ppp::v2::{Addresses, Command, PROTOCOL_PREFIX};
use ppp::{v1, v2};
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::time::timeout;
use webpush_service::client_addr::ClientAddr;

/// How long a header may take.
///
/// A proxy sends it immediately; the specification asks for time to resend a packet.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest accepted header, with room for the addresses and extensions that proxies send.
const LONGEST: usize = 2048;
/// The fixed part of a version 2 header, which ends with the length of the rest.
const FIXED: usize = 16;
/// The end of a header of version 1.
const END: &[u8] = b"\r\n";
/// The longest header of version 1.
const LONGEST_TEXT: usize = 107;

/// The contents of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ProxyHeader {
    /// The connection is forwarded for this client.
    Client(IpAddr),
    /// The connection is the proxy's own, or the client has no IP address.
    Local,
}

/// The length of a header, as far as it is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HeaderLength {
    /// Longer than the bytes so far.
    Longer,
    /// The number of bytes.
    Exactly(usize),
}

/// Reads the header and nothing after it; `None` if it is missing or malformed.
pub(super) async fn read(
    stream: &mut PublicStream,
    proxy: ClientAddr,
    proxies: &Proxies,
) -> Option<DirectPeer> {
    let header = timeout(PATIENCE, read_bytes(stream)).await.ok()??;
    Some(match parse(&header)? {
        ProxyHeader::Client(address) => DirectPeer::named(proxy, address, proxies),
        ProxyHeader::Local => DirectPeer::itself(proxy),
    })
}

/// Reads the bytes of the header. They are peeked at first, because TLS or HTTP follows.
async fn read_bytes(stream: &mut PublicStream) -> Option<Vec<u8>> {
    let mut header = Vec::new();
    let mut peeked = vec![0; LONGEST];
    loop {
        let room = LONGEST - header.len();
        let come = stream.peek(&mut peeked[..room]).await.ok()?;
        if come == 0 {
            return None;
        }
        let before = header.len();
        header.extend_from_slice(&peeked[..come]);
        let known = header_length(&header)?;
        let taken = match known {
            HeaderLength::Exactly(length) if length <= header.len() => length - before,
            HeaderLength::Longer | HeaderLength::Exactly(_) => come,
        };
        stream.read_exact(&mut peeked[..taken]).await.ok()?;
        header.truncate(before + taken);
        if known == HeaderLength::Exactly(header.len()) {
            return Some(header);
        }
    }
}

/// Returns the length of the header that starts like this; `None` if it is malformed or too long.
pub(crate) fn header_length(begun: &[u8]) -> Option<HeaderLength> {
    if begun.starts_with(PROTOCOL_PREFIX) {
        let Some([high, low]) = begun.get(FIXED - 2..FIXED) else {
            return Some(HeaderLength::Longer);
        };
        let length = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
        return (length <= LONGEST).then_some(HeaderLength::Exactly(length));
    }
    if PROTOCOL_PREFIX.starts_with(begun) {
        return Some(HeaderLength::Longer);
    }
    let prefix = v1::PROTOCOL_PREFIX.as_bytes();
    if !begun.starts_with(prefix) && !prefix.starts_with(begun) {
        return None;
    }
    match begun.windows(END.len()).position(|two| two == END) {
        Some(end) => (end + END.len() <= LONGEST_TEXT).then_some(HeaderLength::Exactly(end + END.len())),
        None => (begun.len() < LONGEST_TEXT).then_some(HeaderLength::Longer),
    }
}

pub(crate) fn parse(header: &[u8]) -> Option<ProxyHeader> {
    if header.starts_with(PROTOCOL_PREFIX) {
        let header = v2::Header::try_from(header).ok()?;
        return Some(match (header.command, header.addresses) {
            (Command::Proxy, Addresses::IPv4(addresses)) => {
                ProxyHeader::Client(addresses.source_address.into())
            }
            (Command::Proxy, Addresses::IPv6(addresses)) => {
                ProxyHeader::Client(addresses.source_address.into())
            }
            (Command::Proxy, Addresses::Unix(_) | Addresses::Unspecified) | (Command::Local, _) => {
                ProxyHeader::Local
            }
        });
    }
    Some(match v1::Header::try_from(header).ok()?.addresses {
        v1::Addresses::Tcp4(addresses) => ProxyHeader::Client(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => ProxyHeader::Client(addresses.source_address.into()),
        v1::Addresses::Unknown => ProxyHeader::Local,
    })
}

#[cfg(test)]
mod tests;
