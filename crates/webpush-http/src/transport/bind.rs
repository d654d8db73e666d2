//! Opens the listening socket.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::{TcpListener, TcpSocket, lookup_host};

/// Maximum of connections that wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
///
/// The kernel ignores a connection that finds the queue full, and its client tries again after a second or more. After a
/// restart all agents connect at once, so that the 128 of the standard library are too few.
pub(super) const BACKLOG: u32 = i32::MAX.unsigned_abs();

/// Binds a host and a port.
///
/// `::` stands for all addresses, IPv4 and IPv6, whatever the defaults of the kernel are.
///
/// # Errors
/// Fails if no address of the host can be bound.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    if host.parse() == Ok(Ipv6Addr::UNSPECIFIED) {
        return match dual_stack(port) {
            Err(error) if has_no_ipv6(&error) => listen((Ipv4Addr::UNSPECIFIED, port).into()),
            bound => bound,
        };
    }
    let mut bound = Err(io::Error::new(io::ErrorKind::InvalidInput, "the host has no address"));
    for address in lookup_host((host, port)).await? {
        bound = listen(address);
        if bound.is_ok() {
            break;
        }
    }
    bound
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn dual_stack(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v6()?;
    // The default is `net.ipv6.bindv6only`.
    rustix::net::sockopt::set_ipv6_v6only(&socket, false)?;
    socket.set_reuseaddr(true)?;
    socket.bind((Ipv6Addr::UNSPECIFIED, port).into())?;
    socket.listen(BACKLOG)
}

/// Returns true if the kernel was started without IPv6 (`ipv6.disable=1`).
fn has_no_ipv6(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    matches!(code, Some(rustix::io::Errno::AFNOSUPPORT | rustix::io::Errno::ADDRNOTAVAIL))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;
    use tokio::net::TcpStream;
    use tokio::time::timeout;

    /// The standard library lets 128 wait.
    #[tokio::test]
    async fn hundreds_of_connections_wait_to_be_accepted() {
        let listener = bind("127.0.0.1", 0).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut waiting = Vec::new();
        for _ in 0..300 {
            let connection = timeout(Duration::from_secs(30), TcpStream::connect(address)).await;
            waiting.push(connection.expect("the queue is full").unwrap());
        }
        for _ in &waiting {
            listener.accept().await.unwrap();
        }
    }

    /// D: with `bindv6only=1` the server had no IPv4.
    #[tokio::test]
    async fn all_addresses_are_those_of_ipv4_too() {
        let listener = bind("::", 0).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
        listener.accept().await.unwrap();
    }

    /// D: without IPv6 in the kernel the server did not start.
    #[test]
    fn only_a_kernel_without_ipv6_has_no_ipv6() {
        assert!(has_no_ipv6(&rustix::io::Errno::AFNOSUPPORT.into()));
        for other in [rustix::io::Errno::ADDRINUSE, rustix::io::Errno::ACCESS] {
            assert!(!has_no_ipv6(&other.into()));
        }
    }
}
