//! The socket of the admin listener.

use super::address::Address;
use super::port_holder;
use anyhow::{Context as _, bail};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use webpush_http::transport::unix_socket::{self, SocketFile};

/// Mode of a Unix socket: only the user that the server runs as may connect.
const SOCKET_MODE: u32 = 0o600;

/// Mode bit that allows every user to connect to a Unix socket (unix(7)).
const OTHERS_WRITE: u32 = 0o002;

/// The stream of a connection.
pub(super) trait AdminStream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<S: AsyncRead + AsyncWrite + Unpin + Send> AdminStream for S {}

/// An accepted connection.
pub(super) struct Accepted {
    pub(super) stream: Box<dyn AdminStream>,
    /// The address that the client has reached; `None` on a Unix socket.
    pub(super) address: Option<SocketAddr>,
}

/// A socket inherited from the service manager.
#[derive(Debug)]
pub enum AdminSocket {
    /// A TCP socket.
    Tcp(std::net::TcpListener),
    /// A Unix socket, with the mode that the service manager gave it.
    Unix(std::os::unix::net::UnixListener),
}

/// An open socket.
pub(super) enum Listener {
    Tcp(TcpListener, SocketAddr),
    Unix(UnixListener, SocketPath),
}

/// The path of a Unix socket.
pub(super) enum SocketPath {
    /// Created by this process.
    Own(SocketFile),
    /// Created by the service manager.
    Inherited(PathBuf),
}

impl Listener {
    /// Opens a socket. Without tokens, only a loopback address or a Unix socket is allowed.
    pub(super) async fn bind(address: &Address, has_tokens: bool) -> anyhow::Result<Self> {
        let failed = || format!("cannot listen on {address} (--admin)");
        match address {
            Address::Tcp(text) => {
                let listener = TcpListener::bind(text)
                    .await
                    .map_err(|error| in_use(text, error))
                    .with_context(failed)?;
                let bound = listener.local_addr().with_context(failed)?;
                if !has_tokens {
                    check(address, bound)?;
                }
                Ok(Self::Tcp(listener, bound))
            }
            Address::Unix(path) => {
                let (listener, file) = unix_socket::bind(path, SOCKET_MODE).await.with_context(failed)?;
                Ok(Self::Unix(listener, SocketPath::Own(file)))
            }
        }
    }

    /// Takes an inherited socket. The mode of a Unix socket is checked, but not changed.
    pub(super) fn inherit(socket: AdminSocket, has_tokens: bool) -> anyhow::Result<Self> {
        let failed = "cannot listen on the inherited socket \"admin\" (LISTEN_FDS)";
        match socket {
            AdminSocket::Tcp(listener) => {
                listener.set_nonblocking(true).context(failed)?;
                let bound = listener.local_addr().context(failed)?;
                if !has_tokens {
                    check(&Address::Tcp(bound.to_string()), bound)?;
                }
                Ok(Self::Tcp(TcpListener::from_std(listener).context(failed)?, bound))
            }
            AdminSocket::Unix(listener) => {
                listener.set_nonblocking(true).context(failed)?;
                let address = listener.local_addr().context(failed)?;
                let path = address.as_pathname().unwrap_or_else(|| Path::new("(unnamed)")).to_owned();
                let mode = fs::metadata(&path).map_or(0, |metadata| metadata.permissions().mode());
                if !has_tokens && mode & OTHERS_WRITE != 0 {
                    bail!(
                        "{failed}: every user can connect to {} and administer the server: set SocketMode=0600 in its unit, \
                         or use --admin-token-file",
                        path.display()
                    );
                }
                Ok(Self::Unix(UnixListener::from_std(listener).context(failed)?, SocketPath::Inherited(path)))
            }
        }
    }

    /// Returns the address for display.
    pub(super) fn display_address(&self) -> String {
        match self {
            Self::Tcp(_, bound) => bound.to_string(),
            Self::Unix(_, SocketPath::Own(file)) => Address::Unix(file.path().to_owned()).to_string(),
            Self::Unix(_, SocketPath::Inherited(path)) => Address::Unix(path.clone()).to_string(),
        }
    }

    /// Waits for the next connection.
    pub(super) async fn accept(&self) -> io::Result<Accepted> {
        Ok(match self {
            Self::Tcp(listener, _) => {
                let (stream, _) = listener.accept().await?;
                let address = Some(stream.local_addr()?);
                Accepted { stream: Box::new(stream), address }
            }
            Self::Unix(listener, _) => {
                Accepted { stream: Box::new(listener.accept().await?.0), address: None }
            }
        })
    }
}

/// Adds to an error of an address that is in use whose it is.
fn in_use(address: &str, error: io::Error) -> io::Error {
    match port_holder::describe(address).filter(|_| error.kind() == ErrorKind::AddrInUse) {
        Some(holder) => io::Error::new(error.kind(), format!("{holder} already listens there")),
        None => error,
    }
}

/// Checks that only local clients can reach an address, as required without tokens.
///
/// # Errors
/// Fails if it is not a loopback address.
pub(super) fn check(address: &Address, bound: SocketAddr) -> anyhow::Result<()> {
    if !bound.ip().to_canonical().is_loopback() {
        bail!(
            "{address} (--admin) can be reached from other machines, and anyone who reaches it could administer the server: \
             use --admin-token-file, or listen on 127.0.0.1 or a Unix socket"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn bind(path: &Path) -> anyhow::Result<Listener> {
        Listener::bind(&Address::Unix(path.to_owned()), false).await
    }

    #[tokio::test]
    async fn a_unix_socket_is_private_and_removed_with_its_listener() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let listener = bind(&path).await.unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, SOCKET_MODE);
        assert!(bind(&path).await.is_err(), "the socket is in use");
        drop(listener);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn an_error_names_the_socket() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        fs::write(&path, "mine").unwrap();
        let error = format!("{:#}", bind(&path).await.err().unwrap());
        assert!(error.contains("admin.sock (--admin)"), "{error}");
    }

    #[tokio::test]
    async fn an_address_that_others_can_reach_needs_tokens() {
        let everywhere = Address::Tcp("0.0.0.0:0".into());
        let error = Listener::bind(&everywhere, false).await.err().unwrap().to_string();
        assert!(error.contains("--admin-token-file"), "{error}");
        assert!(Listener::bind(&Address::Tcp("localhost:0".into()), false).await.is_ok());
    }
}
