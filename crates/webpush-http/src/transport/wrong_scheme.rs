//! Connections with TLS to a port without it, and the reverse.

use crate::transport::log_throttle::LogThrottle;
use crate::transport::preface::PREFACE;
use crate::transport::socket::PublicStream;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::time::timeout;

/// Maximum length of the beginning of a request that is looked at, in bytes.
const BEGINNING: usize = 1024;

/// Time that a client gets to take the answer before the connection is closed.
const LINGER: Duration = Duration::from_secs(2);

static PLAIN_LOG: LogThrottle = LogThrottle::new();
static TLS_LOG: LogThrottle = LogThrottle::new();

/// The answer to plain HTTP/1.1 on a port with TLS.
const USE_HTTPS: &str = "HTTP/1.1 400 Bad Request\r\ncontent-type: text/plain\r\ncontent-length: 56\r\n\
    connection: close\r\n\r\nThis port speaks HTTPS: use https:// instead of http://\n";

/// The same in HTTP/2: SETTINGS, then GOAWAY with INADEQUATE_SECURITY and a text (RFC 9113 §6.8, §7).
const USE_HTTPS_FRAMES: &[u8] =
    b"\0\0\0\x04\0\0\0\0\0\0\0\x1e\x07\0\0\0\0\0\0\0\0\0\0\0\0\x0cthis port speaks HTTPS";

/// Logs a TLS connection to a port without it. The connection is to be closed.
pub(super) fn refuse_tls() {
    if TLS_LOG.is_due() {
        tracing::warn!(
            "closed a connection that began with TLS, because this port speaks plain HTTP: use http:// in the client, or \
             serve HTTPS with --cert and --key, --acme-domains or --dev-tls"
        );
    }
}

/// Returns true if a connection begins with plain HTTP. Waits for its first byte, which is not lost.
pub(super) async fn is_plain(stream: &PublicStream) -> bool {
    let mut first = [0];
    // Methods are upper case.
    matches!(stream.peek(&mut first).await, Ok(1)) && first[0].is_ascii_uppercase()
}

/// Answers plain HTTP on a port with TLS, and closes the connection.
pub(super) async fn refuse_plain(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    if PLAIN_LOG.is_due() {
        tracing::warn!(
            "refused a request without TLS, because this port speaks HTTPS: use https:// in the client"
        );
    }
    let answer = async {
        let mut beginning = [0; BEGINNING];
        let length = stream.read(&mut beginning).await?;
        let is_http2 = PREFACE.starts_with(&beginning[..length.min(PREFACE.len())]);
        stream.write_all(if is_http2 { USE_HTTPS_FRAMES } else { USE_HTTPS.as_bytes() }).await?;
        stream.shutdown().await?;
        // Unread bytes would reset the connection when it is closed, and the answer would be lost.
        while stream.read(&mut beginning).await? > 0 {}
        std::io::Result::Ok(())
    };
    // The client may be gone, or go on sending.
    let _ = timeout(LINGER, answer).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn answer(request: &[u8]) -> Vec<u8> {
        let (mut client, server) = tokio::io::duplex(4096);
        client.write_all(request).await.unwrap();
        client.shutdown().await.unwrap();
        refuse_plain(server).await;
        let mut answer = Vec::new();
        client.read_to_end(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn plain_http_on_the_tls_port_is_told_so() {
        let text = String::from_utf8(answer(b"GET / HTTP/1.1\r\n\r\n").await).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 400 ") && body.contains("speaks HTTPS"), "{text}");
        assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{text}");
    }

    #[tokio::test]
    async fn plain_http2_on_the_tls_port_is_told_so() {
        let (client, server) = tokio::io::duplex(4096);
        let refused = tokio::spawn(refuse_plain(server));
        let (mut send, connection) = h2::client::handshake(client).await.unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::get("http://x/").body(()).unwrap();
        if let Ok((response, _)) = send.send_request(request, true) {
            assert!(response.await.is_err());
        }
        let error = connection.await.unwrap().unwrap_err();
        assert_eq!(error.reason(), Some(h2::Reason::INADEQUATE_SECURITY));
        drop(send);
        refused.await.unwrap();
    }
}
