//! Connects to a host that an untrusted client named.
//!
//! The name is looked up once and the connection goes to an address that was checked, so no DNS response can direct a
//! request to this machine or its network.

use super::error::SendError;
use super::limiter::RequestPermit;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs as _, UdpSocket};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use webpush_core::address::{CidrBlock, is_public};

/// Time limit of one address of a host.
const GATEWAY_CONNECT: Duration = Duration::from_secs(3);

/// Connects to a permitted address of a host, and returns the permit as well.
pub(super) async fn connect(
    host: &str,
    port: u16,
    allowed: &[CidrBlock],
    permit: RequestPermit,
) -> Result<(TcpStream, RequestPermit), SendError> {
    let (found, permit) = look_up(host.to_owned(), port, permit).await?;
    for address in permitted(found, allowed, is_own)? {
        if let Ok(Ok(socket)) = timeout(GATEWAY_CONNECT, TcpStream::connect(address)).await {
            socket.set_nodelay(true).map_err(|_| SendError::Temporary("the connection broke"))?;
            return Ok((socket, permit));
        }
    }
    Err(SendError::Temporary("no address of the host accepts connections"))
}

/// Looks up a name.
///
/// The system's lookup blocks a thread and cannot be canceled, so it holds the permit until it ends: there are never more
/// lookups than permits.
async fn look_up(
    host: String,
    port: u16,
    permit: RequestPermit,
) -> Result<(Vec<SocketAddr>, RequestPermit), SendError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(address, port)], permit));
    }
    let looking_up = tokio::task::spawn_blocking(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        (found, permit)
    });
    let found: (io::Result<Vec<_>>, _) =
        looking_up.await.map_err(|_| SendError::Temporary("the name lookup was canceled"))?;
    match found {
        (Ok(found), permit) if !found.is_empty() => Ok((found, permit)),
        _ => Err(SendError::Temporary("the host name was not found")),
    }
}

/// Returns the permitted addresses, in the order of the resolver.
fn permitted(
    found: Vec<SocketAddr>,
    allowed: &[CidrBlock],
    is_own: impl Fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, SendError> {
    let is_permitted = |address: &SocketAddr| {
        let address = address.ip();
        allowed.iter().any(|block| block.contains(address)) || (is_public(address) && !is_own(address))
    };
    let permitted: Vec<_> = found.into_iter().filter(is_permitted).collect();
    if permitted.is_empty() {
        return Err(SendError::Permanent(
            "the host has no public address other than this machine's (--matrix-allow-address)",
        ));
    }
    Ok(permitted)
}

/// Returns true if an address is one of this machine, however public.
///
/// The system would send to such an address from the address itself. Connecting a UDP socket sends nothing.
fn is_own(address: IpAddr) -> bool {
    let any: IpAddr =
        if address.is_ipv4() { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
    let source = UdpSocket::bind((any, 0)).and_then(|socket| {
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    source.is_ok_and(|source| source.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permitted_of(found: &[&str], allowed: &[&str]) -> Result<Vec<String>, SendError> {
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        let allowed: Vec<_> = allowed.iter().map(|block| block.parse().unwrap()).collect();
        let own = |address: IpAddr| address == IpAddr::from([8, 8, 4, 4]);
        permitted(found, &allowed, own).map(|list| list.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_public_or_allowed_addresses_are_permitted() {
        for (found, allowed, left) in [
            (
                &["1.1.1.1:443", "[2606:4700::1111]:443"][..],
                &[][..],
                &["1.1.1.1:443", "[2606:4700::1111]:443"][..],
            ),
            (&["127.0.0.1:443", "1.1.1.1:443", "[fd00::1]:443"], &[], &["1.1.1.1:443"]),
            (&["127.0.0.1:443"], &["127.0.0.0/8"], &["127.0.0.1:443"]),
            (&["10.0.0.1:443", "10.0.0.2:443"], &["10.0.0.2"], &["10.0.0.2:443"]),
            (&["8.8.4.4:443", "1.1.1.1:443"], &[], &["1.1.1.1:443"]),
            (&["8.8.4.4:443"], &["8.8.4.4"], &["8.8.4.4:443"]),
        ] {
            assert_eq!(permitted_of(found, allowed).unwrap(), left, "{found:?} {allowed:?}");
        }
        for found in [
            "127.0.0.1:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "[64:ff9b::7f00:1]:1",
            "169.254.169.254:80",
            "8.8.4.4:443",
        ] {
            assert!(
                matches!(permitted_of(&[found], &["10.0.0.0/8"]), Err(SendError::Permanent(_))),
                "{found}"
            );
        }
    }

    /// C9: the gateway reached this machine at its own public address.
    #[test]
    fn own_addresses_are_those_that_the_system_sends_from() {
        assert!(is_own(IpAddr::from([127, 0, 0, 1])));
        assert!(!is_own(IpAddr::from([192, 0, 2, 1])));
    }
}
