//! Connections to this server from within the process.
//!
//! They show the responses of the public port, regardless of the certificate, proxy or address in front of it.

use crate::connection::http1;
use crate::server::HttpServer;
use crate::transport::connections::Connections;
use crate::transport::proxies::DirectPeer;
use bytes::BytesMut;
use std::net::Ipv4Addr;
use std::sync::Arc;
use tokio::io::{DuplexStream, duplex};
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Draining;

/// Buffer of a connection, each way.
const BUFFER_BYTES: usize = 16 * 1024;

/// Opens connections within the process.
pub struct LoopbackClient {
    server: Arc<HttpServer>,
    connections: Arc<Connections>,
    draining: Draining,
}

impl LoopbackClient {
    /// Creates a client; its connections end when the server shuts down.
    #[must_use]
    pub const fn new(server: Arc<HttpServer>, connections: Arc<Connections>, draining: Draining) -> Self {
        Self { server, connections, draining }
    }

    /// Opens an HTTP/1.1 connection; `None` if the connection limit is reached.
    #[must_use]
    pub fn connect(&self) -> Option<DuplexStream> {
        let permit = self.connections.admit()?;
        let (ours, theirs) = duplex(BUFFER_BYTES);
        let direct_peer = DirectPeer::itself(ClientAddr::new(Ipv4Addr::LOCALHOST.into()));
        let (server, draining) = (Arc::clone(&self.server), self.draining.clone());
        tokio::spawn(http1::serve(ours, BytesMut::new(), direct_peer, server, draining, permit));
        Some(theirs)
    }
}
