//! Listening sockets that a service manager has opened (socket activation: `LISTEN_FDS`, `LISTEN_FDNAMES`). They stay open
//! while the service is restarted, so nobody is refused meanwhile.

use anyhow::{Context as _, bail};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::net::{AddressFamily, SocketType, sockopt};
use std::net::TcpListener;
use std::os::fd::{IntoRawFd as _, OwnedFd};
use std::os::unix::net::UnixListener;
use webpush_admin::admin::AdminSocket;

/// The name of the socket for the operator; any other is public.
const ADMIN: &str = "admin";

/// The sockets that were passed on to this process.
#[derive(Debug, Default)]
pub struct Inherited {
    /// What the world connects to.
    pub public: Option<TcpListener>,
    /// The operator's.
    pub admin: Option<AdminSocket>,
}

/// What kind of listening socket a descriptor is.
enum Kind {
    Tcp(TcpListener),
    Unix(UnixListener),
}

impl Inherited {
    /// Takes them. To be called once, before the process opens anything.
    ///
    /// # Errors
    /// When they are not what a service can listen on.
    pub fn take() -> anyhow::Result<Self> {
        let passed = sd_listen_fds::get()
            .context("LISTEN_PID and LISTEN_FDS don't say how many sockets are passed on")?;
        Self::sort(passed.into_iter().map(|(name, fd)| (name.unwrap_or_default(), fd.into_std())))
    }

    fn sort(passed: impl Iterator<Item = (String, OwnedFd)>) -> anyhow::Result<Self> {
        let mut inherited = Self::default();
        for (place, (name, fd)) in passed.enumerate() {
            let socket = format!("socket {} of LISTEN_FDS, named '{name}',", place + 1);
            match (name.as_str(), kind(fd)) {
                (_, None) => {
                    bail!("{socket} is not a TCP or Unix socket that listens: see ListenStream= of its unit")
                }
                (ADMIN, Some(_)) if inherited.admin.is_some() => {
                    bail!("{socket} is one too many: there is one socket for the operator");
                }
                (ADMIN, Some(Kind::Tcp(listener))) => inherited.admin = Some(AdminSocket::Tcp(listener)),
                (ADMIN, Some(Kind::Unix(listener))) => inherited.admin = Some(AdminSocket::Unix(listener)),
                (_, Some(Kind::Unix(_))) => {
                    bail!(
                        "{socket} is a Unix socket, and the public one must be TCP; FileDescriptorName=admin makes it the operator's"
                    );
                }
                (_, Some(Kind::Tcp(_))) if inherited.public.is_some() => {
                    bail!(
                        "{socket} is one too many: there is one public socket, and ListenStream=443 takes IPv4 and IPv6"
                    );
                }
                (_, Some(Kind::Tcp(listener))) => inherited.public = Some(listener),
            }
        }
        Ok(inherited)
    }
}

/// `None` if it is something else.
fn kind(fd: OwnedFd) -> Option<Kind> {
    if fcntl_setfd(&fd, FdFlags::CLOEXEC).is_err() {
        // It is not open, so it is not ours to close either.
        let _ = fd.into_raw_fd();
        return None;
    }
    let listens =
        sockopt::socket_acceptconn(&fd).ok()? && sockopt::socket_type(&fd).ok()? == SocketType::STREAM;
    if !listens {
        return None;
    }
    match sockopt::socket_domain(&fd).ok()? {
        AddressFamily::INET | AddressFamily::INET6 => Some(Kind::Tcp(fd.into())),
        AddressFamily::UNIX => Some(Kind::Unix(fd.into())),
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
        let folder = tempfile::tempdir().unwrap();
        UnixListener::bind(folder.path().join("socket")).unwrap().into()
    }

    fn sort<const N: usize>(passed: [(&str, OwnedFd); N]) -> anyhow::Result<Inherited> {
        Inherited::sort(passed.into_iter().map(|(name, fd)| (name.to_owned(), fd)))
    }

    #[test]
    fn the_operator_s_socket_is_known_by_its_name() {
        let inherited = sort([("admin", unix()), ("webpush-server.socket", tcp())]).unwrap();
        assert!(inherited.public.is_some() && matches!(inherited.admin, Some(AdminSocket::Unix(_))));
        let inherited = sort([("", tcp()), ("admin", tcp())]).unwrap();
        assert!(inherited.public.is_some() && matches!(inherited.admin, Some(AdminSocket::Tcp(_))));
        let inherited = sort([]).unwrap();
        assert!(inherited.public.is_none() && inherited.admin.is_none());
    }

    #[test]
    fn what_can_not_be_listened_on_is_one_clear_sentence() {
        let datagrams = || OwnedFd::from(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
        let file = || OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let connected = || OwnedFd::from(std::os::unix::net::UnixStream::pair().unwrap().0);
        for (said, expected) in [
            (sort([("public", datagrams())]), "socket 1 of LISTEN_FDS, named 'public', is not a TCP"),
            (sort([("public", tcp()), ("admin", file())]), "socket 2 of LISTEN_FDS"),
            (sort([("admin", connected())]), "is not a TCP or Unix socket that listens"),
            (sort([("public", unix())]), "FileDescriptorName=admin"),
            (sort([("a", tcp()), ("b", tcp())]), "one public socket"),
            (sort([("admin", tcp()), ("admin", unix())]), "one socket for the operator"),
        ] {
            let said = said.unwrap_err().to_string();
            assert!(said.contains(expected) && said.lines().count() == 1, "{said}");
        }
    }
}
