//! The listening socket, and each connection up to the point where its HTTP version is known.

use super::connections::{Connections, Place};
use super::peer::Peer;
use super::preface::{self, Version};
use super::stall::StallGuard;
use super::{http1, http2};
use crate::drain::Draining;
use crate::service::Service;
use bytes::BytesMut;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{sleep, timeout};
use tokio_rustls::TlsAcceptor;
use webpush_core::limits::OPENING;

/// The pause after the operating system refused a connection, mostly for want of descriptors.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// Takes connections until the service stops.
pub async fn run(
    listener: TcpListener,
    connections: Arc<Connections>,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut draining: Draining,
) {
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
                let Some(place) = connections.admit() else { continue };
                let connection = connection(
                    stream,
                    Peer::new(address.ip()),
                    tls.clone(),
                    Arc::clone(&service),
                    draining.clone(),
                    place,
                );
                tokio::spawn(connection);
            }
            Err(error) => {
                // Said once, not for every connection of a flood.
                if !std::mem::replace(&mut refused, true) {
                    tracing::warn!(%error, "a connection could not be accepted");
                }
                sleep(REFUSED_PAUSE).await;
            }
        }
    }
}

async fn connection(
    stream: TcpStream,
    peer: Peer,
    tls: Option<TlsAcceptor>,
    service: Arc<Service>,
    mut draining: Draining,
    place: Place,
) {
    // Frames are written when they are whole; waiting for more would only delay a message.
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let stream = StallGuard::new(stream, service.limits.load().timeouts.stall);
    let Some(acceptor) = tls else { return plain(stream, peer, service, draining, place).await };
    let accepted = tokio::select! {
        accepted = timeout(OPENING, acceptor.accept(stream)) => accepted,
        () = draining.too_late() => return,
    };
    let Ok(Ok(stream)) = accepted else { return };
    let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    // Behind a pointer: it is large, and handed on more than once.
    let stream = Box::new(stream);
    // Tasks of their own, here and below: that of the opening had other things to keep.
    if is_http2 {
        tokio::spawn(http2::serve(stream, peer, service, draining, place));
    } else {
        tokio::spawn(http1::serve(stream, BytesMut::new(), peer, service, draining, place));
    }
}

async fn plain<S>(stream: S, peer: Peer, service: Arc<Service>, mut draining: Draining, place: Place)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let detected = tokio::select! {
        detected = timeout(OPENING, preface::detect(stream)) => detected,
        () = draining.too_late() => return,
    };
    match detected {
        Ok(Ok((Version::Http1, stream))) => {
            let (early, stream) = stream.into_parts();
            tokio::spawn(http1::serve(stream, early, peer, service, draining, place));
        }
        Ok(Ok((Version::Http2, stream))) => {
            tokio::spawn(http2::serve(stream, peer, service, draining, place));
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
