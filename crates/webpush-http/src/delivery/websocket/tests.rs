//! Memory of an idle agent.

use super::*;
use crate::delivery::agent::tests::server;
use crate::transport::socket::PublicStream;
use crate::transport::stall::StallGuard;
use std::net::{IpAddr, Ipv4Addr};
use tokio::net::{TcpListener, TcpStream};
use webpush_service::drain::Drain;

/// Bytes that the runtime adds to a future to make it a task, on 64-bit machines.
const TASK_BYTES: usize = 104;

/// Tasks are aligned to 128 bytes, so a few more bytes would cost each agent another 128.
#[tokio::test]
async fn the_task_of_an_agent_takes_512_bytes() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let client = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let handshake = Handshake { client, may_subscribe: true, early: Vec::new(), permit: None };
    let drain = Drain::default();
    // As in the service.
    let stream = StallGuard::new(PublicStream::Tcp(stream), Duration::ZERO);
    let agent = run(stream, handshake, server(), drain.draining());
    let bytes = size_of_val(&agent) + TASK_BYTES;
    assert!(bytes <= 512, "{bytes} bytes");
}
