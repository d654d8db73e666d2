//! Listening sockets from a service manager (socket activation: `LISTEN_FDS`, `LISTEN_FDNAMES`).
//!
//! They stay open during a restart, so no connection is refused.

use anyhow::{Context as _, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::net::TcpListener;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use webpush_admin::admin::AdminSocket;

/// Name of the admin socket; any other name means the public socket.
const ADMIN: &str = "admin";

/// The sockets that this process inherited.
#[derive(Debug, Default)]
pub struct Inherited {
    /// The public socket.
    pub public: Option<TcpListener>,
    /// The admin socket.
    pub admin: Option<AdminSocket>,
}

/// A listening socket.
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// Takes the sockets. Call it once, before the process opens any file.
    ///
    /// # Errors
    /// Fails if a descriptor is not a suitable listening socket.
    pub fn take() -> anyhow::Result<Self> {
        let passed = sd_listen_fds::get().context("LISTEN_PID or LISTEN_FDS is invalid")?;
        Self::sort(passed.into_iter().map(|(name, fd)| (name.unwrap_or_default(), fd.into_std())))
    }

    fn sort(passed: impl Iterator<Item = (String, OwnedFd)>) -> anyhow::Result<Self> {
        let mut inherited = Self::default();
        for (index, (name, fd)) in passed.enumerate() {
            let socket = format!("socket {} of LISTEN_FDS, named '{name}',", index + 1);
            match (name.as_str(), listening_socket(fd)) {
                (_, None) => {
                    bail!("{socket} is not a listening TCP or Unix socket: check ListenStream= in its unit")
                }
                (ADMIN, Some(_)) if inherited.admin.is_some() => {
                    bail!("{socket} is a second admin socket: pass only one");
                }
                (ADMIN, Some(Socket::Tcp(listener))) => inherited.admin = Some(AdminSocket::Tcp(listener)),
                (ADMIN, Some(Socket::Unix(listener))) => inherited.admin = Some(AdminSocket::Unix(listener)),
                (_, Some(Socket::Unix(_))) => {
                    bail!(
                        "{socket} is a Unix socket, but the public socket must be TCP; FileDescriptorName=admin makes it the admin socket"
                    );
                }
                (_, Some(Socket::Tcp(_))) if inherited.public.is_some() => {
                    bail!(
                        "{socket} is a second public socket: pass only one; ListenStream=443 accepts IPv4 and IPv6"
                    );
                }
                (_, Some(Socket::Tcp(listener))) => inherited.public = Some(listener),
            }
        }
        Ok(inherited)
    }
}

/// Returns `None` for any other descriptor.
fn listening_socket(fd: OwnedFd) -> Option<Socket> {
    if fcntl_setfd(&fd, FdFlags::CLOEXEC).is_err() {
        // It is not open, so it must not be closed either.
        let _ = fd.into_raw_fd();
        return None;
    }
    let listens =
        sockopt::socket_acceptconn(&fd).ok()? && sockopt::socket_type(&fd).ok()? == SocketType::STREAM;
    if !listens {
        return None;
    }
    match sockopt::socket_domain(&fd).ok()? {
        AddressFamily::INET | AddressFamily::INET6 => Some(Socket::Tcp(fd.into())),
        AddressFamily::UNIX => Some(Socket::Unix(fd.into())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{Ipv4Addr, UdpSocket};

    fn tcp() -> OwnedFd {
        TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().into()
    }

    fn unix() -> OwnedFd {
        let dir = tempfile::tempdir().unwrap();
        UnixListener::bind(dir.path().join("socket")).unwrap().into()
    }

    fn sort<const N: usize>(passed: [(&str, OwnedFd); N]) -> anyhow::Result<Inherited> {
        Inherited::sort(passed.into_iter().map(|(name, fd)| (name.to_owned(), fd)))
    }

    #[test]
    fn the_admin_socket_is_recognized_by_its_name() {
        let inherited = sort([("admin", unix()), ("webpush-server.socket", tcp())]).unwrap();
        assert!(inherited.public.is_some() && matches!(inherited.admin, Some(AdminSocket::Unix(_))));
        let inherited = sort([("", tcp()), ("admin", tcp())]).unwrap();
        assert!(inherited.public.is_some() && matches!(inherited.admin, Some(AdminSocket::Tcp(_))));
        let inherited = sort([]).unwrap();
        assert!(inherited.public.is_none() && inherited.admin.is_none());
    }

    #[test]
    fn unsuitable_sockets_are_refused_in_one_line() {
        let datagrams = || OwnedFd::from(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let connected = || OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0);
        for (result, expected) in [
            (
                sort([("public", datagrams())]),
                "socket 1 of LISTEN_FDS, named 'public', is not a listening TCP",
            ),
            (sort([("public", tcp()), ("admin", file())]), "socket 2 of LISTEN_FDS"),
            (sort([("admin", connected())]), "is not a listening TCP or Unix socket"),
            (sort([("public", unix())]), "FileDescriptorName=admin"),
            (sort([("a", tcp()), ("b", tcp())]), "a second public socket"),
            (sort([("admin", tcp()), ("admin", unix())]), "a second admin socket"),
        ] {
            let error = result.unwrap_err().to_string();
            assert!(error.contains(expected) && error.lines().count() == 1, "{error}");
        }
    }
}
