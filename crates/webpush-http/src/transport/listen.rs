//! The listening socket, and each connection up to the point where its HTTP version is known.

use crate::connection::http1;
use crate::connection::http2;
use crate::server::HttpServer;
use crate::transport::OPENING;
use crate::transport::certificate::ACME_TLS;
use crate::transport::connections::{ConnectionPermit, Connections};
use crate::transport::log_throttle::LogThrottle;
use crate::transport::preface::{self, Version};
use crate::transport::proxies::DirectPeer;
use crate::transport::proxy_header;
use crate::transport::stall::StallGuard;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Draining;

/// The pause after the operating system refused a connection, mostly for want of descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// When it was said that others than proxies connect.
static UNTRUSTED: LogThrottle = LogThrottle::new();
/// When it was said that proxies send no header.
static HEADERLESS: LogThrottle = LogThrottle::new();

/// What a connection comes through before it can ask for anything.
pub struct Front {
    /// Whether there is a place for it.
    pub connections: Arc<Connections>,
    /// Each begins with a header of the PROXY protocol, and comes from a trusted proxy.
    pub proxy_protocol: bool,
    /// The certificate, with TLS.
    pub tls: Option<TlsAcceptor>,
}

/// Takes connections until the service stops.
pub async fn run(listener: TcpListener, front: Front, server: Arc<HttpServer>, mut draining: Draining) {
    let front = Arc::new(front);
    let mut refused = false;
    loop {
        let accepted = tokio::select! {
            biased;
            // First, so that what is not taken is left to the next process, if it listens on the same socket.
            () = draining.begun() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                refused = false;
                let Some(place) = front.connections.admit() else { continue };
                let connection = connection(
                    stream,
                    ClientAddr::new(address.ip()),
                    Arc::clone(&front),
                    Arc::clone(&server),
                    draining.clone(),
                    place,
                );
                tokio::spawn(connection);
            }
            Err(error) => {
                // ProxyHeader once, not for every connection of a flood.
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn connection(
    mut stream: TcpStream,
    peer: ClientAddr,
    front: Arc<Front>,
    server: Arc<HttpServer>,
    mut draining: Draining,
    place: ConnectionPermit,
) {
    // Frames are written when they are whole; waiting for more would only delay a message.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let neighbour = if front.proxy_protocol {
        // On the heap, as it is over soon.
        match Box::pin(through_proxy(&mut stream, peer, &server, &mut draining)).await {
            Some(neighbour) => neighbour,
            None => return,
        }
    } else {
        DirectPeer::new(peer, &server.proxies.load())
    };
    let network = neighbour.alone().and_then(|peer| server.service.rate_limits.load().limited_network(peer));
    let Some(place) = front.connections.count(place, network) else { return };
    let stream = StallGuard::new(stream, server.service.limits.load().timeouts.stall);
    let Some(acceptor) = &front.tls else { return plain(stream, neighbour, server, draining, place).await };
    let accepted = tokio::select! {
        accepted = timeout(OPENING, acceptor.accept(stream)) => accepted,
        () = draining.first_request_overdue() => return,
    };
    let Ok(Ok(mut stream)) = accepted else { return };
    let agreed = stream.get_ref().1.alpn_protocol();
    if agreed == Some(ACME_TLS) {
        // The authority has seen what it wanted to (RFC 8737 §4). It need not wait for our goodbye.
        let _ = timeout(OPENING, stream.shutdown()).await;
        return;
    }
    let is_http2 = agreed == Some(b"h2");
    // Behind a pointer: it is large, and handed on more than once.
    let stream = Box::new(stream);
    // Tasks of their own, here and below: that of the opening had other things to keep.
    if is_http2 {
        tokio::spawn(http2::serve(stream, neighbour, server, draining, place));
    } else {
        tokio::spawn(http1::serve(stream, BytesMut::new(), neighbour, server, draining, place));
    }
}

/// Whom the header of the PROXY protocol names.
async fn through_proxy(
    stream: &mut TcpStream,
    peer: ClientAddr,
    server: &HttpServer,
    draining: &mut Draining,
) -> Option<DirectPeer> {
    let proxies = server.proxies.load_full();
    if !proxies.trust(&peer) {
        if UNTRUSTED.is_due() {
            tracing::warn!(
                "a connection came from an address that is not among --trusted-proxies: with --proxy-protocol it is refused"
            );
        }
        return None;
    }
    let read = tokio::select! {
        read = proxy_header::read(stream, peer, &proxies) => read,
        () = draining.first_request_overdue() => return None,
    };
    if read.is_none() && HEADERLESS.is_due() {
        tracing::warn!(
            "a trusted proxy opened a connection without a header of the PROXY protocol: it must send one (nginx: \
             proxy_protocol on; HAProxy: send-proxy-v2), or --proxy-protocol must go"
        );
    }
    read
}

async fn plain<S>(
    stream: S,
    neighbour: DirectPeer,
    server: Arc<HttpServer>,
    mut draining: Draining,
    place: ConnectionPermit,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let detected = tokio::select! {
        detected = timeout(OPENING, preface::detect(stream)) => detected,
        () = draining.first_request_overdue() => return,
    };
    match detected {
        Ok(Ok((Version::Http1, stream))) => {
            let (early, stream) = stream.into_parts();
            tokio::spawn(http1::serve(stream, early, neighbour, server, draining, place));
        }
        Ok(Ok((Version::Http2, stream))) => {
            tokio::spawn(http2::serve(stream, neighbour, server, draining, place));
        }
        Ok(Err(_)) | Err(_) => {}
    }
}

/// Opens the listening socket.
///
/// # Errors
/// When no address of the host can be listened on.
pub async fn bind(host: &str, port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((host, port)).await
}
