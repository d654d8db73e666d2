//! What an idle agent takes.

use super::*;
use crate::server::HttpConfig;
use crate::transport::stall::StallGuard;
use std::net::{IpAddr, Ipv4Addr};
use tokio::net::{TcpListener, TcpStream};
use webpush_core::capability::{KeyId, Keyring};
use webpush_service::drain::Drain;
use webpush_service::sealing::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_store::memory::MemoryStore;

/// What the runtime adds to a future to make a task of it, on machines with 64 bits.
const TASK_BYTES: usize = 96;

/// Tasks begin at multiples of 128 bytes, so a few bytes more would cost each agent as much.
#[tokio::test]
async fn the_task_of_an_agent_takes_512_bytes() {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
    let store = MemoryStore::default();
    let service = Service::new(Setup::new(store, keyring, "https://push.example"));
    let server = HttpServer::new(service, HttpConfig::default());
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let peer = ClientAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST));
    let arrival = Arrival { peer, may_subscribe: true, early: Vec::new(), place: None };
    let drain = Drain::default();
    let agent = run(StallGuard::new(stream, Duration::ZERO), arrival, server, drain.draining());
    let bytes = size_of_val(&agent) + TASK_BYTES;
    assert!(bytes <= 512, "{bytes} bytes");
}
