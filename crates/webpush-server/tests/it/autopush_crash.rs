//! Defect 4 of the peer: messages with a 201 survive a crash until they are acknowledged.

use crate::agent::{Agent, Frame, Notification, Registered, assert_nothing_before, push_many, texts};
use crate::support::{Http2Client, Server};
use std::path::Path;

const ORIGIN: &str = "https://push.example";

async fn start(dir: &Path) -> (Server, Http2Client) {
    let server = Server::start_on(dir, &["--origin", ORIGIN, "--drain-window", "0s"]);
    let sender = server.connect_as(ORIGIN).await;
    (server, sender)
}

#[tokio::test]
async fn peer_defect_4_unacknowledged_live_messages_survive_a_crash() {
    for signal in ["KILL", "TERM"] {
        let dir = tempfile::tempdir().unwrap();
        let (server, mut sender) = start(dir.path()).await;
        let Registered { mut agent, uaid, push: url } = Registered::new(&server).await;
        push_many(&mut sender, &url, 0..30).await;
        let all = agent.notifications(30).await;
        agent.ack(&all[..3]).await;
        // After they are settled, the next durable write makes that durable too.
        for Notification { version, .. } in &all[..3] {
            while sender.get(&format!("{ORIGIN}/message/{version}"), &[]).await.status() != 404 {}
        }
        push_many(&mut sender, &url, 30..31).await;
        server.signal(signal);
        if signal == "TERM" {
            while !matches!(agent.next().await, Some(Frame::Close(Some(1001), _))) {}
        }
        drop(agent);
        assert_eq!(server.wait().await, signal == "TERM");
        let (server, mut sender) = start(dir.path()).await;
        let mut agent = Agent::again(&server, &uaid).await;
        let again = agent.notifications(28).await;
        let expected: Vec<_> = (3..31).map(|it| it.to_string()).collect();
        assert_eq!(texts(&again), expected, "after {signal}");
        assert_eq!(again[0].version, all[3].version, "agents know them by it");
        agent.ack(&again).await;
        assert_eq!(agent.register(0).await, url);
        assert_nothing_before(&mut agent, &mut sender, &url).await;
    }
}

#[tokio::test]
async fn peer_defect_4_unacknowledged_messages_are_redelivered() {
    let dir = tempfile::tempdir().unwrap();
    let (server, mut sender) = start(dir.path()).await;
    let Registered { mut agent, uaid, push: url } = Registered::new(&server).await;
    push_many(&mut sender, &url, 0..20).await;
    agent.notifications(20).await;
    drop(agent);
    let mut agent = Agent::again(&server, &uaid).await;
    assert_eq!(agent.notifications(20).await.len(), 20);
}

#[tokio::test]
async fn an_agent_is_known_from_its_first_registration_on() {
    for _ in 0..3 {
        let dir = tempfile::tempdir().unwrap();
        let (server, _) = start(dir.path()).await;
        let Registered { uaid, push: url, .. } = Registered::new(&server).await;
        server.kill();
        let (server, mut sender) = start(dir.path()).await;
        let mut agent = Agent::again(&server, &uaid).await;
        assert_nothing_before(&mut agent, &mut sender, &url).await;
    }
}
