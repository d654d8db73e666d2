//! The listening socket, and its connections until their HTTP version is known.

use crate::connection::http1;
use crate::connection::http2;
use crate::delivery::mcs;
use crate::server::HttpServer;
use crate::transport::OPENING;
use crate::transport::certificate::ACME_TLS;
use crate::transport::connections::{ConnectionPermit, Connections};
use crate::transport::log_throttle::LogThrottle;
use crate::transport::preface::{self, Version};
use crate::transport::proxies::DirectPeer;
use crate::transport::proxy_header;
use crate::transport::socket::{Peer, PublicListener, PublicStream};
use crate::transport::stall::StallGuard;
use crate::transport::tls_stream::TlsAcceptor;
use crate::transport::wrong_scheme;
use bytes::BytesMut;
use http::HeaderMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use webpush_service::drain::Draining;

/// Pause after a failed `accept`, which usually means that file descriptors are exhausted.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

static UNTRUSTED_LOG: LogThrottle = LogThrottle::new();
static NO_HEADER_LOG: LogThrottle = LogThrottle::new();

/// Settings of a listener.
pub struct Front {
    /// Connection limits.
    pub connections: Arc<Connections>,
    /// Connections come from trusted proxies and begin with a PROXY protocol header.
    pub proxy_protocol: bool,
    /// Accepts TLS; `None` for plain text.
    pub tls: Option<TlsAcceptor>,
    /// The protocol of its connections.
    pub protocol: FrontProtocol,
}

/// The protocol of the connections of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrontProtocol {
    /// HTTP/1.1 and HTTP/2.
    Http,
    /// MCS, to Chromium.
    Mcs,
}

/// Accepts connections until the server shuts down.
///
/// The task is spawned here, so that the programs that use this crate do not compile all of it again.
#[must_use]
pub fn start(
    listener: impl Into<PublicListener>,
    front: Front,
    server: Arc<HttpServer>,
    draining: Draining,
) -> JoinHandle<()> {
    spawn(listener.into(), front, server, draining)
}

fn spawn(
    listener: PublicListener,
    front: Front,
    server: Arc<HttpServer>,
    draining: Draining,
) -> JoinHandle<()> {
    tokio::spawn(run(listener, front, server, draining))
}

async fn run(listener: PublicListener, front: Front, server: Arc<HttpServer>, mut draining: Draining) {
    let front = Arc::new(front);
    let mut refused = false;
    loop {
        let accepted = tokio::select! {
            biased;
            // First, so that waiting connections are left to the next process on the same socket.
            () = draining.begun() => return,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, peer)) => {
                refused = false;
                // A session of MCS needs no request that could be refused.
                if front.protocol == FrontProtocol::Mcs && server.service.memory.is_low() {
                    continue;
                }
                let Some(permit) = front.connections.admit() else { continue };
                let connection = connection(
                    socket,
                    peer,
                    Arc::clone(&front),
                    Arc::clone(&server),
                    draining.clone(),
                    permit,
                );
                tokio::spawn(connection);
            }
            Err(error) => {
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%error, "cannot accept connections");
                }
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn connection(
    mut stream: PublicStream,
    peer: Peer,
    front: Arc<Front>,
    server: Arc<HttpServer>,
    mut draining: Draining,
    permit: ConnectionPermit,
) {
    // Frames are written when they are complete, so Nagle's algorithm would only delay them.
    if stream.set_nodelay().is_err() {
        return;
    }
    let direct_peer = if front.proxy_protocol {
        // On the heap, because it ends soon.
        match Box::pin(through_proxy(&mut stream, peer, &server, &mut draining)).await {
            Some(direct_peer) => direct_peer,
            None => return,
        }
    } else {
        match peer {
            Peer::Address(address) => DirectPeer::new(address, &server.proxies.load()),
            Peer::UnixProxy => DirectPeer::proxy(peer.address()),
        }
    };
    let network =
        direct_peer.alone().and_then(|peer| server.service.rate_limits.load().limited_network(peer));
    let Some(permit) = front.connections.charge(permit, network) else { return };
    let stall = server.service.limits.load().timeouts.stall;
    let Some(acceptor) = &front.tls else {
        match front.protocol {
            FrontProtocol::Http => {
                plain(StallGuard::new(stream, stall), direct_peer, server, draining, permit).await;
            }
            FrontProtocol::Mcs => {
                let stream = StallGuard::new(stream, stall);
                let client = direct_peer.client(&server.proxies, &HeaderMap::new());
                drop(tokio::spawn(mcs::run(stream, client, server, draining, permit)));
            }
        }
        return;
    };
    let opening = async {
        if front.protocol == FrontProtocol::Http && wrong_scheme::is_plain(&stream).await {
            // On the heap, because it is rare.
            Box::pin(wrong_scheme::refuse_plain(stream)).await;
            return None;
        }
        let accepted = acceptor.accept(StallGuard::new(stream, stall)).await;
        accepted.inspect_err(|error| tracing::debug!(%error, "a TLS handshake failed")).ok()
    };
    let accepted = tokio::select! {
        accepted = timeout(OPENING, opening) => accepted,
        () = draining.first_request_overdue() => return,
    };
    let Ok(Some(mut stream)) = accepted else { return };
    let agreed = stream.protocol();
    if agreed == Some(ACME_TLS) {
        // The handshake is all that the CA needs (RFC 8737 §4).
        let _ = timeout(OPENING, stream.shutdown()).await;
        return;
    }
    let is_http2 = agreed == Some(b"h2");
    // On the heap, because it is large and moved more than once.
    let stream = Box::new(stream);
    // Tasks of their own, here and below, which are smaller than that of the handshake.
    if front.protocol == FrontProtocol::Mcs {
        let client = direct_peer.client(&server.proxies, &HeaderMap::new());
        tokio::spawn(mcs::run(stream, client, server, draining, permit));
    } else if is_http2 {
        tokio::spawn(http2::serve(stream, direct_peer, server, draining, permit));
    } else {
        tokio::spawn(http1::serve(stream, BytesMut::new(), direct_peer, server, draining, permit));
    }
}

/// Returns the client that the PROXY protocol header names; `None` to close the connection.
async fn through_proxy(
    stream: &mut PublicStream,
    peer: Peer,
    server: &HttpServer,
    draining: &mut Draining,
) -> Option<DirectPeer> {
    let proxies = server.proxies.load_full();
    if let Peer::Address(address) = peer
        && !proxies.trust(&address)
    {
        if UNTRUSTED_LOG.is_due() {
            tracing::warn!(
                "refused a connection from an address that is not in --trusted-proxies (--proxy-protocol is on)"
            );
        }
        return None;
    }
    let read = tokio::select! {
        read = proxy_header::read(stream, peer.address(), &proxies) => read,
        () = draining.first_request_overdue() => return None,
    };
    if read.is_none() && NO_HEADER_LOG.is_due() {
        tracing::warn!(
            "refused a connection of a trusted proxy without a PROXY protocol header: let the proxy send one (nginx: \
             proxy_protocol on; HAProxy: send-proxy-v2), or turn --proxy-protocol off"
        );
    }
    read
}

async fn plain<S>(
    stream: S,
    direct_peer: DirectPeer,
    server: Arc<HttpServer>,
    mut draining: Draining,
    permit: ConnectionPermit,
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
            tokio::spawn(http1::serve(stream, early, direct_peer, server, draining, permit));
        }
        Ok(Ok((Version::Http2, stream))) => {
            tokio::spawn(http2::serve(stream, direct_peer, server, draining, permit));
        }
        Ok(Ok((Version::Tls, _))) => wrong_scheme::refuse_tls(),
        Ok(Err(_)) | Err(_) => {}
    }
}
