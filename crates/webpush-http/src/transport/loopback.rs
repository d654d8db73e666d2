//! A connection to this service from inside of it: what comes out of it is what a client of the public port gets, whatever
//! certificate, proxy or address is between that and the world.

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

/// What may wait in a connection, each way.
const BUFFER_BYTES: usize = 16 * 1024;

/// Makes such connections.
pub struct LoopbackClient {
    server: Arc<HttpServer>,
    connections: Arc<Connections>,
    draining: Draining,
}

impl LoopbackClient {
    /// To this service; they end when it stops.
    #[must_use]
    pub const fn new(server: Arc<HttpServer>, connections: Arc<Connections>, draining: Draining) -> Self {
        Self { server, connections, draining }
    }

    /// The client's end of one that speaks HTTP/1.1, if there is a place for it.
    #[must_use]
    pub fn connect(&self) -> Option<DuplexStream> {
        let place = self.connections.admit()?;
        let (ours, theirs) = duplex(BUFFER_BYTES);
        let neighbour = DirectPeer::itself(ClientAddr::new(Ipv4Addr::LOCALHOST.into()));
        let (server, draining) = (Arc::clone(&self.server), self.draining.clone());
        tokio::spawn(http1::serve(ours, BytesMut::new(), neighbour, server, draining, place));
        Some(theirs)
    }
}
