//! The HTTP proxy for application servers under test.
//!
//! It accepts `CONNECT` to the push services of browser vendors, and leads all of them to the TLS listener of this process,
//! which has a certificate for their names. It never opens a connection to anything else: `forward` connects to the address
//! of the listener, and a `Decision` holds no other. Other requests are refused and counted in the [`ProxyReport`], so that a
//! test can show that nothing left the machine.

mod head;
mod report;
mod rules;

pub use report::{ProxyReport, RefusedHost};
pub use rules::HostRules;

use bytes::BytesMut;
use head::{HEAD_BYTES, MalformedHead, ProxyRequest};
use rules::Decision;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Connections at once. More wait in the backlog of the listener.
const CONNECTIONS: usize = 1_000;
/// How long a client may take to send its request.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// How long the listener of this process may take to accept.
const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a tunnel may last. Idle ones are closed much earlier by the listener.
const TUNNEL_LIFETIME: Duration = Duration::from_secs(3_600);
/// How long input of a refused client is read: closing before it has ended could discard the response.
const LINGER: Duration = Duration::from_secs(1);
/// Maximum length of that input.
const LINGER_BYTES: u64 = 64 * 1024;
/// Pause after a failed `accept`, which usually means that file descriptors are exhausted.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Serves until the returned task is aborted, which also ends all tunnels.
///
/// `https` is the address of this process's TLS listener.
#[must_use]
pub fn start(
    listener: TcpListener,
    https: SocketAddr,
    rules: HostRules,
    report: Arc<ProxyReport>,
) -> JoinHandle<()> {
    tokio::spawn(run(listener, https, Arc::new(rules), report))
}

async fn run(listener: TcpListener, https: SocketAddr, rules: Arc<HostRules>, report: Arc<ProxyReport>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS));
    // Dropped with this task, and its tasks with it.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok(permit) = Arc::clone(&permits).acquire_owned().await else { return };
        match listener.accept().await {
            Ok((client, _)) => {
                let (rules, report) = (Arc::clone(&rules), Arc::clone(&report));
                connections.spawn(async move {
                    if let Err(error) = serve(client, https, &rules, &report).await {
                        tracing::debug!(%error, "a connection to the proxy ended early");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections to the proxy");
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn serve(
    mut client: TcpStream,
    https: SocketAddr,
    rules: &HostRules,
    report: &ProxyReport,
) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = BytesMut::with_capacity(1024);
    let head = match timeout(HEAD_PATIENCE, read_head(&mut client, &mut buffer)).await {
        Ok(head) => head?,
        Err(_) => Err(MalformedHead("The request took too long.")),
    };
    let head = match head {
        Ok(head) => head,
        Err(MalformedHead(reason)) => return refuse(client, "400 Bad Request", reason).await,
    };
    match rules.decide(&head, https.port()) {
        Decision::Forward => {
            report.count_forwarded();
            forward(client, https, &buffer).await
        }
        Decision::Refuse => {
            let ProxyRequest { host, port, .. } = &head;
            tracing::debug!(%host, port, "the proxy refused a request");
            let reason = format!("This proxy answers only for push services, not for {host} port {port}.");
            report.count_refused(head);
            refuse(client, "403 Forbidden", &reason).await
        }
    }
}

/// Reads up to the end of a request head. Bytes after it stay in `buffer`.
///
/// # Errors
/// If the connection fails or ends first.
async fn read_head(
    client: &mut TcpStream,
    buffer: &mut BytesMut,
) -> io::Result<Result<ProxyRequest, MalformedHead>> {
    let mut searched = 0;
    loop {
        if let Some(end) = head::end(buffer, searched) {
            return Ok(ProxyRequest::parse(&buffer.split_to(end)));
        }
        if buffer.len() >= HEAD_BYTES {
            return Ok(Err(MalformedHead("The request head is too large.")));
        }
        searched = buffer.len();
        if client.read_buf(buffer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Pipes between a client and the TLS listener of this process.
///
/// `early` are bytes that the client has sent already.
async fn forward(mut client: TcpStream, https: SocketAddr, early: &[u8]) -> io::Result<()> {
    let Ok(Ok(mut listener)) = timeout(CONNECT_PATIENCE, TcpStream::connect(https)).await else {
        return refuse(client, "502 Bad Gateway", "The server of this proxy does not accept connections.")
            .await;
    };
    listener.set_nodelay(true)?;
    let tunnel = async {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
        listener.write_all(early).await?;
        copy_bidirectional(&mut client, &mut listener).await
    };
    timeout(TUNNEL_LIFETIME, tunnel).await??;
    Ok(())
}

/// Writes a response, and closes the connection when the client has read it.
async fn refuse(mut client: TcpStream, status: &str, reason: &str) -> io::Result<()> {
    let body = serde_json::json!({ "error": reason }).to_string();
    let response = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let farewell = async {
        client.write_all(response.as_bytes()).await?;
        client.shutdown().await?;
        tokio::io::copy(&mut client.take(LINGER_BYTES), &mut tokio::io::sink()).await
    };
    timeout(LINGER, farewell).await??;
    Ok(())
}

#[cfg(test)]
mod tests;
