//! The listening socket.

use super::address::Address;
use anyhow::{Context as _, bail};
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A socket in the file system is for the user that the service runs as.
const SOCKET_MODE: u32 = 0o600;

/// With this bit of its mode everybody may connect to a socket (unix(7)).
const OTHERS: u32 = 0o002;

/// A connection, whatever it came over.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> Stream for S {}

/// A socket for the operator that was passed on by a service manager.
#[derive(Debug)]
pub enum AdminSocket {
    /// At an address.
    Tcp(std::net::TcpListener),
    /// In the file system, with the mode that its owner gave it.
    Unix(std::os::unix::net::UnixListener),
}

/// The socket, open.
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketName),
}

/// The name of a socket in the file system.
pub(super) enum SocketName {
    /// It goes when this is dropped.
    Ours(SocketFile),
    /// It is that of whoever has passed the socket on.
    Theirs(PathBuf),
}

/// A name that goes when this is dropped.
pub(super) struct SocketFile(PathBuf);

impl Listener {
    /// Opens it, on an address that others reach only if that is meant.
    pub(super) async fn bind(address: &Address, others_may_reach_it: bool) -> anyhow::Result<Self> {
        let cannot = || format!("can't listen on {address} (--admin)");
        match address {
            Address::Tcp(text) => {
                let listener = TcpListener::bind(text).await.with_context(cannot)?;
                let bound = listener.local_addr().with_context(cannot)?;
                if !others_may_reach_it {
                    check(address, bound)?;
                }
                Ok(Self::Tcp(listener, bound))
            }
            Address::Unix(path) => {
                let listener = bind_unix(path).await.with_context(cannot)?;
                let file = SocketFile(path.clone());
                fs::set_permissions(path, Permissions::from_mode(SOCKET_MODE)).with_context(cannot)?;
                Ok(Self::Unix(listener, SocketName::Ours(file)))
            }
        }
    }

    /// Takes a socket that was passed on. Who may connect to one in the file system is for those to say who made it.
    pub(super) fn inherit(socket: AdminSocket, others_may_reach_it: bool) -> anyhow::Result<Self> {
        let cannot = "can't listen on the socket «admin» that was passed on (LISTEN_FDS)";
        match socket {
            AdminSocket::Tcp(listener) => {
                listener.set_nonblocking(true).context(cannot)?;
                let bound = listener.local_addr().context(cannot)?;
                if !others_may_reach_it {
                    check(&Address::Tcp(bound.to_string()), bound)?;
                }
                Ok(Self::Tcp(TcpListener::from_std(listener).context(cannot)?, bound))
            }
            AdminSocket::Unix(listener) => {
                listener.set_nonblocking(true).context(cannot)?;
                let address = listener.local_addr().context(cannot)?;
                let name = address.as_pathname().unwrap_or_else(|| Path::new("(without a name)")).to_owned();
                let mode = fs::metadata(&name).map_or(0, |found| found.permissions().mode());
                if !others_may_reach_it && mode & OTHERS != 0 {
                    bail!(
                        "{cannot}: {} lets everybody in, and whoever comes in owns the service: set SocketMode=0600 in \
                         its unit, or give --admin-token-file",
                        name.display()
                    );
                }
                Ok(Self::Unix(UnixListener::from_std(listener).context(cannot)?, SocketName::Theirs(name)))
            }
        }
    }

    pub(super) fn shown(&self) -> String {
        match self {
            Self::Tcp(_, bound) => bound.to_string(),
            Self::Unix(_, SocketName::Ours(SocketFile(path)) | SocketName::Theirs(path)) => {
                Address::Unix(path.clone()).to_string()
            }
        }
    }

    /// The next connection, once there is a place for it.
    pub(super) async fn accept(
        &self,
        places: &Arc<Semaphore>,
    ) -> io::Result<(Box<dyn Stream>, OwnedSemaphorePermit)> {
        let place = Arc::clone(places).acquire_owned().await.map_err(io::Error::other)?;
        Ok(match self {
            Self::Tcp(listener, _) => (Box::new(listener.accept().await?.0), place),
            Self::Unix(listener, _) => (Box::new(listener.accept().await?.0), place),
        })
    }
}

/// Whether an address may be listened on without a token.
pub(super) fn check(address: &Address, bound: SocketAddr) -> anyhow::Result<()> {
    if !bound.ip().to_canonical().is_loopback() {
        bail!(
            "{address} (--admin) can be reached from other machines, and whoever reaches it can change what the service \
             does: give --admin-token-file, or listen on 127.0.0.1 or a Unix socket"
        );
    }
    Ok(())
}

/// A socket that nobody listens on is what a killed process has left, and is replaced.
async fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(path).await => {
            fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        bound => bound,
    }
}

async fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|found| found.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).await.err().is_some_and(refused)
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // It may have been removed by somebody else, which is what is wanted.
        let _ = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(path: &Path) -> anyhow::Result<Listener> {
        Listener::bind(&Address::Unix(path.to_owned()), false).await
    }

    #[tokio::test]
    async fn a_socket_is_the_owners_and_goes_with_its_listener() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        let listener = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(bind(&path).await.is_err(), "somebody listens there");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn only_an_abandoned_socket_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin.sock");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(bind(&path).await.unwrap());
        fs::write(&path, "mine").unwrap();
        let error = format!("{:#}", bind(&path).await.err().unwrap());
        assert!(error.contains("admin.sock (--admin)"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }

    #[tokio::test]
    async fn what_others_reach_must_be_meant() {
        let everywhere = Address::Tcp("0.0.0.0:0".into());
        let error = Listener::bind(&everywhere, false).await.err().unwrap().to_string();
        assert!(error.contains("--admin-token-file"), "{error}");
        assert!(Listener::bind(&Address::Tcp("localhost:0".into()), false).await.is_ok());
    }
}
