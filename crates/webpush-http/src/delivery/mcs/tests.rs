//! Messages that cannot be sent.

use super::*;
use crate::delivery::agent::tests::server;
use crate::transport::connections::{Connections, NetworkLimit};
use std::net::Ipv4Addr;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::time::timeout;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, MessageId, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::protocol::chromium::DeviceCredentials;
use webpush_core::subscription::{ChromiumApp, Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_service::drain::Drain;
use webpush_store::{Durability, Op};

/// The version, and a login request (tag 2) with the ID and the token of a device (fields 3 and 5).
const LOGIN: &[u8] = b"\x29\x02\x06\x1a\x011\x2a\x012";

fn subscription(agent: InboxId, number: u8, protocol: Protocol) -> Subscription {
    Subscription {
        agent,
        id: SubscriptionId::from_bytes([number; 16]),
        created: Timestamp::from_millis(1),
        key: KeyId(1),
        sender: Some(SenderKey([4; 65])),
        protocol,
    }
}

fn message(agent: InboxId, number: u8, body: &'static [u8]) -> Draft {
    Draft {
        // Each has another length.
        id: MessageId::from_bytes([body.len() as u8; 16]),
        agent,
        subscription: SubscriptionId::from_bytes([number; 16]),
        accepted: Timestamp::from_millis(1),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: body.into(),
    }
}

async fn wait_for(device: &mut DuplexStream, body: &[u8]) {
    let mut received = Vec::new();
    let arrives = async {
        while !received.windows(body.len()).any(|part| part == body) {
            assert!(device.read_buf(&mut received).await.unwrap() > 0, "the connection has ended");
        }
    };
    timeout(Duration::from_secs(60), arrives).await.unwrap();
}

/// The first one is of a subscription with another protocol, as if it had been removed meanwhile.
#[tokio::test(start_paused = true)]
async fn a_message_that_cannot_be_sent_holds_up_no_other() {
    let server = server();
    let service = Arc::clone(&server.service);
    let agent = DeviceCredentials::new(1, 2).unwrap().inbox();
    let app = Arc::new(ChromiumApp::new("org.chromium.linux", "wp:https://site.example/#1").unwrap());
    let chromium = Protocol::Chromium(ChannelId::from_bytes([2; 16]), app);
    let inbox = Inbox { id: agent, owner: Owner::Agent, created: Timestamp::from_millis(1), key: KeyId(1) };
    let ops = vec![
        Op::CreateInbox(inbox),
        Op::Subscribe(subscription(agent, 1, Protocol::Rfc8030)),
        Op::Subscribe(subscription(agent, 2, chromium)),
        Op::Append(message(agent, 1, b"of another protocol")),
        Op::Append(message(agent, 2, b"the first one")),
    ];
    service.commit(ops, Durability::Durable).await.unwrap();
    let (mut device, stream) = duplex(4096);
    let connections = Connections::new(None, NetworkLimit::Off, Arc::clone(&service.metrics));
    let (drain, permit) = (Drain::default(), connections.admit().unwrap());
    let client = ClientAddr::new(Ipv4Addr::LOCALHOST.into());
    let serving = tokio::spawn(run(stream, client, server, drain.draining(), permit));
    device.write_all(LOGIN).await.unwrap();
    wait_for(&mut device, b"the first one").await;
    // Not of the same page.
    let later = vec![Op::Append(message(agent, 2, b"a later one"))];
    service.commit(later, Durability::Durable).await.unwrap();
    wait_for(&mut device, b"a later one").await;
    serving.abort();
}
