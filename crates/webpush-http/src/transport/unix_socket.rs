//! Unix sockets as files, with a mode.

use super::bind::BACKLOG;
use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use tokio::net::{UnixListener, UnixSocket, UnixStream};

/// The file of a Unix socket, which is removed on drop.
#[derive(Debug)]
pub struct SocketFile(PathBuf);

impl SocketFile {
    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        // Fails if another process has removed it already.
        let _ = fs::remove_file(&self.0);
    }
}

/// Opens a Unix socket. Replaces the socket file that a killed process left behind.
///
/// # Errors
/// Fails if another process listens there, if another kind of file is there, or if the file cannot be created.
pub async fn bind(path: &Path, mode: u32) -> io::Result<(UnixListener, SocketFile)> {
    let (socket, file) = match bind_with_mode(path, mode) {
        Err(error) if error.kind() == ErrorKind::AddrInUse && is_abandoned(path).await => {
            fs::remove_file(path)?;
            bind_with_mode(path, mode)?
        }
        bound => bound?,
    };
    Ok((socket.listen(BACKLOG)?, file))
}

/// Binds a Unix socket and sets its mode. Until it listens, all connections are refused.
fn bind_with_mode(path: &Path, mode: u32) -> io::Result<(UnixSocket, SocketFile)> {
    let socket = UnixSocket::new_stream()?;
    socket.bind(path)?;
    let file = SocketFile(path.to_owned());
    fs::set_permissions(path, Permissions::from_mode(mode))?;
    Ok((socket, file))
}

async fn is_abandoned(path: &Path) -> bool {
    let is_socket = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    let refused = |error: io::Error| error.kind() == ErrorKind::ConnectionRefused;
    is_socket && UnixStream::connect(path).await.err().is_some_and(refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mode_of(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    /// B5: a stranger could connect before the mode was set.
    #[tokio::test]
    async fn a_unix_socket_has_its_mode_before_anyone_can_connect() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        for mode in [0o600, 0o660, 0o666] {
            let (socket, file) = bind_with_mode(&path, mode).unwrap();
            assert_eq!(mode_of(&path), mode);
            let refused = UnixStream::connect(&path).await.unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
            let listener = socket.listen(BACKLOG).unwrap();
            UnixStream::connect(&path).await.unwrap();
            drop((listener, file));
            assert!(!path.exists());
        }
    }

    #[tokio::test]
    async fn only_an_abandoned_socket_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        let (listener, file) = bind(&path, 0o600).await.unwrap();
        assert_eq!(bind(&path, 0o600).await.unwrap_err().kind(), ErrorKind::AddrInUse, "it is in use");
        UnixStream::connect(&path).await.unwrap();
        drop((listener, file));
        fs::write(&path, "mine").unwrap();
        assert_eq!(bind(&path, 0o600).await.unwrap_err().kind(), ErrorKind::AddrInUse);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
    }
}
