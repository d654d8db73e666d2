use crate::connection::http2;
use crate::server::{HttpConfig, HttpServer};
use crate::transport::connections::{Connections, NetworkLimit};
use crate::transport::proxies::{DirectPeer, Proxies};
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, duplex};
use webpush_core::capability::{Capability, KeyId, Keyring};
use webpush_core::encoding::Encoding;
use webpush_core::id::{InboxId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::urgency::Urgency;
use webpush_service::client_addr::ClientAddr;
use webpush_service::drain::Drain;
use webpush_service::metrics::report;
use webpush_service::sealing_cipher::Aes256GcmSiv;
use webpush_service::service::{Service, Setup};
use webpush_store::memory::MemoryStore;
use webpush_store::{Durability, Op};

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([2; 16]);
const KEY: KeyId = KeyId(1);
const MESSAGES: u128 = 64;
const STREAMS: u32 = 16;

/// Bytes that the peer's socket takes without a reader.
const SOCKET_BYTES: usize = 16 * 1024;

/// A service with an inbox of large messages, and the path of its subscription.
async fn crowded() -> (Arc<HttpServer>, String) {
    let keyring = Keyring::new::<Aes256GcmSiv>(&[(KEY, [1; 32])]).unwrap();
    let service = Service::new(Setup::new(MemoryStore::default(), keyring, "https://push.example"));
    let now = service.now();
    let message = |number: u128| {
        Op::Append(Draft {
            id: MessageId::from_bytes(number.to_be_bytes()),
            agent: AGENT,
            subscription: SUBSCRIPTION,
            accepted: now,
            expires: now.after(Duration::from_secs(3600)),
            urgency: Urgency::Normal,
            topic: None,
            encoding: Encoding::default(),
            key: KEY,
            receipt: None,
            body: vec![b'x'; 4000].into(),
        })
    };
    let subscription = Subscription {
        agent: AGENT,
        id: SUBSCRIPTION,
        created: now,
        key: KEY,
        sender: None,
        protocol: Protocol::Rfc8030,
    };
    let inbox = Inbox { id: AGENT, owner: Owner::Agent, created: now, key: KEY };
    let first = [Op::CreateInbox(inbox), Op::Subscribe(subscription)];
    let ops = first.into_iter().chain((0..MESSAGES).map(message)).collect();
    service.commit(ops, Durability::Durable).await.unwrap();
    let path = service.keyring.path(&Capability::Subscription(AGENT, SUBSCRIPTION), KEY).unwrap();
    (HttpServer::new(service, HttpConfig::default()), path)
}

/// Returns a frame (RFC 9113 §4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Returns requests for events on all streams, from a peer with the largest windows.
fn requests(path: &str) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "push.example"),
        (":path", path),
        ("accept", "text/event-stream"),
    ] {
        block.push(0);
        for text in [name, value] {
            block.push(u8::try_from(text.len()).ok().filter(|length| *length < 127).unwrap());
            block.extend_from_slice(text.as_bytes());
        }
    }
    let largest = i32::MAX.to_be_bytes();
    let mut frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    frames.extend(frame(4, 0, 0, &[&[0, 4], &largest[..]].concat()));
    frames.extend(frame(8, 0, 0, &(i32::MAX - 65_535).to_be_bytes()));
    for stream in 0..STREAMS {
        frames.extend(frame(1, 5, 1 + 2 * stream, &block));
    }
    frames
}

/// Returns the number of messages that were written to the connections of agents.
fn written(service: &Arc<Service>) -> usize {
    let metrics = report::open_metrics(Arc::clone(service), true).unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix("webpush_message_delivery_seconds_count "));
    count.unwrap().parse().unwrap()
}

/// A2: a part waits for the socket, not only for flow control, which the peer can open.
#[tokio::test(start_paused = true)]
async fn a2_a_peer_that_reads_nothing_has_no_more_in_memory_than_a_part_of_each_stream() {
    let (server, path) = crowded().await;
    let (mut near, far) = duplex(SOCKET_BYTES);
    let connections = Connections::new(None, NetworkLimit::Off, Arc::clone(&server.service.metrics));
    let peer = DirectPeer::new(ClientAddr::new(Ipv4Addr::LOCALHOST.into()), &Proxies::default());
    let drain = Drain::default();
    let serve = http2::serve(far, peer, Arc::clone(&server), drain.draining(), connections.admit().unwrap());
    tokio::spawn(serve);
    near.write_all(&requests(&path)).await.unwrap();
    // The clock of the test moves when nothing else can.
    tokio::time::sleep(Duration::from_secs(1)).await;
    let written = written(&server.service);
    assert!(written <= SOCKET_BYTES / 4000, "{written} messages count as written");
}
