//! From a host that a stranger named to a connection: its name is looked up once, and what is connected to is an address
//! that was checked. So no answer of the DNS can turn a request towards this machine or its network.

use super::limiter::NotificationPermit;
use super::outgoing::SendError;
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::timeout;
use webpush_core::address::{CidrBlock, is_public};

/// How long it tries one address of a host before the next.
const GATEWAY_CONNECT: Duration = Duration::from_secs(3);

/// Connects to an address of a host that may be reached. Gives the place back that it was lent.
pub(super) async fn connect(
    host: &str,
    port: u16,
    allowed: &[CidrBlock],
    place: NotificationPermit,
) -> Result<(TcpStream, NotificationPermit), SendError> {
    let (found, place) = look_up(host.to_owned(), port, place).await?;
    for address in permitted(found, allowed)? {
        if let Ok(Ok(socket)) = timeout(GATEWAY_CONNECT, TcpStream::connect(address)).await {
            // One small request: to wait for more only delays it.
            socket.set_nodelay(true).map_err(|_| SendError::Passing("the connection broke"))?;
            return Ok((socket, place));
        }
    }
    Err(SendError::Passing("no address of the host takes connections"))
}

/// The system's look-up blocks a thread and can't be called off, so it keeps the place until it ends, whether or not
/// somebody still waits: there are never more look-ups than places.
async fn look_up(
    host: String,
    port: u16,
    place: NotificationPermit,
) -> Result<(Vec<SocketAddr>, NotificationPermit), SendError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok((vec![SocketAddr::new(address, port)], place));
    }
    let looking_up = tokio::task::spawn_blocking(move || {
        let found = (host.as_str(), port).to_socket_addrs().map(Iterator::collect);
        (found, place)
    });
    let found: (io::Result<Vec<_>>, _) =
        looking_up.await.map_err(|_| SendError::Passing("the look-up was ended"))?;
    match found {
        (Ok(found), place) if !found.is_empty() => Ok((found, place)),
        _ => Err(SendError::Passing("the name of the host is not found")),
    }
}

/// Those that may be reached, in the order of the resolver.
fn permitted(found: Vec<SocketAddr>, allowed: &[CidrBlock]) -> Result<Vec<SocketAddr>, SendError> {
    let may_be_reached = |address: &SocketAddr| {
        is_public(address.ip()) || allowed.iter().any(|block| block.contains(address.ip()))
    };
    let permitted: Vec<_> = found.into_iter().filter(may_be_reached).collect();
    if permitted.is_empty() {
        return Err(SendError::Lasting("the host has no public address (--matrix-allow-address)"));
    }
    Ok(permitted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(found: &[&str], allowed: &[&str]) -> Result<Vec<String>, SendError> {
        let found = found.iter().map(|address| address.parse().unwrap()).collect();
        let allowed: Vec<_> = allowed.iter().map(|block| block.parse().unwrap()).collect();
        permitted(found, &allowed).map(|list| list.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn only_public_or_allowed_addresses_are_left() {
        for (found, allowed, left) in [
            (
                &["1.1.1.1:443", "[2606:4700::1111]:443"][..],
                &[][..],
                &["1.1.1.1:443", "[2606:4700::1111]:443"][..],
            ),
            (&["127.0.0.1:443", "1.1.1.1:443", "[fd00::1]:443"], &[], &["1.1.1.1:443"]),
            (&["127.0.0.1:443"], &["127.0.0.0/8"], &["127.0.0.1:443"]),
            (&["10.0.0.1:443", "10.0.0.2:443"], &["10.0.0.2"], &["10.0.0.2:443"]),
        ] {
            assert_eq!(of(found, allowed).unwrap(), left, "{found:?} {allowed:?}");
        }
        for found in
            ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.1]:1", "[64:ff9b::7f00:1]:1", "169.254.169.254:80"]
        {
            assert!(matches!(of(&[found], &["10.0.0.0/8"]), Err(SendError::Lasting(_))), "{found}");
        }
    }
}
