//! The PROXY protocol, versions 1 and 2: what a proxy that passes bytes on says before them, also before TLS.
//!
//! Whether a connection begins with such a header is configured and never found out from its bytes, or a client could write one.

use crate::transport::proxies::{DirectPeer, Proxies};
use ppp::v2::{Addresses, Command, PROTOCOL_PREFIX};
use ppp::{v1, v2};
use std::net::IpAddr;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio::time::timeout;
use webpush_service::client_addr::ClientAddr;

/// How long it may take. A proxy sends it at once; the protocol wants room for one lost packet.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than addresses and what proxies add to them; a header of version 1 has 107 bytes at most.
const LONGEST: usize = 2048;
/// What a header of version 2 has before its addresses; their length is the end of it.
const FIXED: usize = 16;
/// The end of a header of version 1.
const END: &[u8] = b"\r\n";
/// The longest header of version 1.
const LONGEST_TEXT: usize = 107;

/// What a header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ProxyHeader {
    /// The connection is that of this client.
    Client(IpAddr),
    /// It is the proxy's own, or of somebody who has no address.
    Nobody,
}

/// How many more bytes a header has, as far as that can be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HeaderError {
    /// All that have come belong to it, and more will.
    Some,
    /// So many, and then it is whole.
    Exactly(usize),
}

/// Reads the header off a connection, and nothing behind it. `None` is one that must go no further.
pub(crate) async fn read(stream: &mut TcpStream, proxy: ClientAddr, proxies: &Proxies) -> Option<DirectPeer> {
    let header = timeout(PATIENCE, whole(stream)).await.ok()??;
    Some(match parse(&header)? {
        ProxyHeader::Client(address) => DirectPeer::named(proxy, address, proxies),
        ProxyHeader::Nobody => DirectPeer::itself(proxy),
    })
}

/// What has come is looked at before it is taken: behind the header begins what is not ours.
async fn whole(stream: &mut TcpStream) -> Option<Vec<u8>> {
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
        let missing = missing(&header)?;
        let taken = match missing {
            HeaderError::Exactly(length) if length <= header.len() => length - before,
            HeaderError::Some | HeaderError::Exactly(_) => come,
        };
        stream.read_exact(&mut peeked[..taken]).await.ok()?;
        header.truncate(before + taken);
        if missing == HeaderError::Exactly(header.len()) {
            return Some(header);
        }
    }
}

/// `None` if this begins no header, or one that is too long.
fn missing(begun: &[u8]) -> Option<HeaderError> {
    if begun.starts_with(PROTOCOL_PREFIX) {
        let Some([high, low]) = begun.get(FIXED - 2..FIXED) else {
            return Some(HeaderError::Some);
        };
        let length = FIXED + usize::from(u16::from_be_bytes([*high, *low]));
        return (length <= LONGEST).then_some(HeaderError::Exactly(length));
    }
    if PROTOCOL_PREFIX.starts_with(begun) {
        return Some(HeaderError::Some);
    }
    let prefix = v1::PROTOCOL_PREFIX.as_bytes();
    if !begun.starts_with(prefix) && !prefix.starts_with(begun) {
        return None;
    }
    match begun.windows(END.len()).position(|two| two == END) {
        Some(end) => (end + END.len() <= LONGEST_TEXT).then_some(HeaderError::Exactly(end + END.len())),
        None => (begun.len() < LONGEST_TEXT).then_some(HeaderError::Some),
    }
}

/// A header that is whole.
fn parse(header: &[u8]) -> Option<ProxyHeader> {
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
                ProxyHeader::Nobody
            }
        });
    }
    Some(match v1::Header::try_from(header).ok()?.addresses {
        v1::Addresses::Tcp4(addresses) => ProxyHeader::Client(addresses.source_address.into()),
        v1::Addresses::Tcp6(addresses) => ProxyHeader::Client(addresses.source_address.into()),
        v1::Addresses::Unknown => ProxyHeader::Nobody,
    })
}

#[cfg(test)]
mod tests;
