//! Tunnels through an HTTP proxy (RFC 9110 §9.3.6).

use crate::url::CapabilityUrl;
use std::io::{self, ErrorKind};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Maximum length of the response header.
const HEAD_BYTES: usize = 8 * 1024;

/// Asks the proxy at the other end of a socket for a tunnel to the host of a URL.
///
/// # Errors
/// Fails if the proxy refuses, with its status line.
pub(super) async fn open<S>(socket: &mut S, url: &CapabilityUrl) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let host = if url.host().contains(':') { format!("[{}]", url.host()) } else { url.host().to_owned() };
    let target = format!("{host}:{}", url.port());
    let request = format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n");
    socket.write_all(request.as_bytes()).await?;
    let mut head = Vec::new();
    // Byte by byte: what follows the header belongs to the tunnel.
    while !head.ends_with(b"\r\n\r\n") {
        if head.len() == HEAD_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidData, "the proxy sent no valid response"));
        }
        head.push(socket.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let line = head.lines().next().unwrap_or_default();
    if line.split(' ').nth(1).is_some_and(|status| status.starts_with('2')) {
        return Ok(());
    }
    let line: String = line.chars().filter(|character| !character.is_control()).collect();
    Err(io::Error::new(ErrorKind::ConnectionRefused, format!("the proxy refused the tunnel: {line}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn with_response(response: &'static [u8]) -> (io::Result<()>, String) {
        let (mut socket, mut proxy) = tokio::io::duplex(1024);
        let url = CapabilityUrl::parse("https://push.example/push/secret").unwrap();
        proxy.write_all(response).await.unwrap();
        let opened = open(&mut socket, &url).await;
        let mut request = vec![0; 1024];
        let length = proxy.read(&mut request).await.unwrap();
        (opened, String::from_utf8(request[..length].to_vec()).unwrap())
    }

    #[tokio::test]
    async fn only_the_host_is_told_to_the_proxy() {
        let (opened, request) = with_response(b"HTTP/1.1 200 Connection established\r\n\r\n").await;
        opened.unwrap();
        assert_eq!(request, "CONNECT push.example:443 HTTP/1.1\r\nHost: push.example:443\r\n\r\n");
        let (refused, _) = with_response(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
        assert!(refused.unwrap_err().to_string().ends_with("HTTP/1.1 403 Forbidden"));
    }
}
