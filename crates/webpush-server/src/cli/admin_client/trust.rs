//! Checks that the program at an address is the server, by the token or by its user.

use super::{BoxBody, text};
use http::header::HOST;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::SendRequest;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use tokio::net::UnixStream;
use webpush_admin::admin::proof::{Challenge, NotProved, PATH};
use webpush_service::system;

/// The user with all permissions.
const ROOT: u32 = 0;

/// Returns the address of the server at the other end, after it has proved that it knows the token.
///
/// # Errors
/// [`NotProved`], whatever it answers instead.
pub(super) async fn proved_address(
    requests: &mut SendRequest<BoxBody>,
    token: &str,
) -> Result<SocketAddr, NotProved> {
    let challenge = Challenge::new(token, &system::env()).map_err(|_| NotProved)?;
    let body = Full::new(challenge.question().map_err(|_| NotProved)?);
    let request = Request::builder().method(Method::POST).uri(PATH).header(HOST, "localhost");
    let request = request.body(body.map_err(Into::into).boxed_unsync()).map_err(|_| NotProved)?;
    let answer = requests.send_request(request).await.map_err(|_| NotProved)?;
    let answer = text(answer).await.map_err(|_| NotProved)?;
    challenge.verify(answer.as_bytes())
}

/// Checks that the other end of a Unix socket runs as root, as this user or as the server's.
///
/// # Errors
/// Fails with the reason.
pub(super) fn check_peer(stream: &UnixStream, data_dir: &Path) -> Result<(), String> {
    let peer = stream.peer_cred().map_err(|error| format!("its user is not known ({error})"))?.uid();
    let owner = fs::metadata(data_dir).ok().map(|found| found.uid());
    if [ROOT, rustix::process::geteuid().as_raw()].contains(&peer) || owner == Some(peer) {
        return Ok(());
    }
    Err(format!(
        "it runs as the user with ID {peer}, who is neither you nor the owner of the data directory (--data-dir)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::UnixListener;

    #[tokio::test]
    async fn a_socket_of_the_own_user_is_trusted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("admin.sock");
        let _listener = UnixListener::bind(&path).unwrap();
        let stream = UnixStream::connect(&path).await.unwrap();
        assert_eq!(check_peer(&stream, directory.path()), Ok(()));
    }
}
