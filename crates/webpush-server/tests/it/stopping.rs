//! Graceful shutdown.

use crate::agent::Agent;
use crate::event_stream::{BOTH, Events};
use crate::support::{Server, soon, texts};
use http::StatusCode;

#[tokio::test]
async fn sessions_of_every_protocol_end_in_order_within_the_window() {
    let server = Server::start_with(&["--drain-delay", "1s", "--drain-window", "1s"]);
    let (mut sockets, mut monitors, mut streams) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..8 {
        sockets.push(Agent::new(&server).await.0);
        let mut agent = server.connect().await;
        let urls = agent.subscribe().await;
        monitors.push((agent.monitor(&urls.subscription, &[]).await, agent));
        for version in BOTH {
            streams.push(Events::open(&server, version, &urls.set, &[]).await);
        }
    }
    server.signal("TERM");
    for mut socket in sockets {
        socket.assert_closed(1001, "shutting down; reconnect").await;
    }
    for (monitor, agent) in monitors {
        assert_eq!(monitor.end().await.status(), StatusCode::NO_CONTENT);
        assert!(agent.closed().await.is_ok(), "GOAWAY without an error");
    }
    for mut stream in streams {
        assert!(stream.next_or_end().await.is_none(), "an orderly end");
    }
    assert!(server.wait().await);
}

#[tokio::test]
async fn while_load_balancers_are_waited_for_it_serves_as_before() {
    let server = Server::start_with(&["--drain-delay", "1h", "--admin", "127.0.0.1:0"]);
    let (mut old, mut socket) = (server.connect().await, Agent::new(&server).await.0);
    let urls = old.subscribe().await;
    server.signal("TERM");
    let not_ready = async { while crate::admin::ask(&server.admin, "GET", "/ready", "").await.0 != 503 {} };
    soon("a service that is not ready", not_ready).await;
    // New connections are served like existing ones.
    let mut new = server.connect().await;
    assert_eq!(new.get("/__lbheartbeat__", &[]).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    new.push(&urls.push, "during").await;
    let mut monitor = new.monitor(&urls.subscription, &[]).await;
    assert_eq!(monitor.next().await.text(), "during");
    old.push(&urls.push, "again").await;
    assert_eq!(monitor.next().await.text(), "again");
    socket.ping().await;
    // The second signal does not wait for the hour.
    server.signal("TERM");
    assert!(!server.wait().await);
}

#[tokio::test]
async fn messages_acknowledged_during_shutdown_are_not_redelivered() {
    let dir = tempfile::tempdir().unwrap();
    let origin = ["--origin", "https://push.example"];
    // Long enough that no session ends during the test; a second signal exits.
    let server = Server::start_on(dir.path(), &[&origin[..], &["--drain-window", "10000h"]].concat());
    let mut agent = server.connect_as("https://push.example").await;
    let urls = agent.subscribe().await;
    let first = agent.push(&urls.push, "acknowledged").await;
    agent.push(&urls.push, "kept").await;
    let mut monitor = agent.monitor(&urls.subscription, &[]).await;
    assert_eq!((monitor.next().await.text(), monitor.next().await.text()), ("acknowledged", "kept"));
    let mut idle = server.connect_as("https://push.example").await;
    idle.subscribe().await;
    server.signal("TERM");
    // Idle connections are closed immediately, which shows that shutdown has begun.
    assert!(idle.closed().await.is_ok());
    assert_eq!(agent.delete(&first).await, StatusCode::NO_CONTENT);
    let late = agent.push(&urls.push, "accepted while it stops").await;
    assert_eq!(monitor.next().await.url(), late);
    server.signal("INT");
    assert!(!server.wait().await);

    let server = Server::start_on(dir.path(), &origin);
    let mut agent = server.connect_as("https://push.example").await;
    let (pushes, _) = agent.drain(&urls.subscription).await;
    assert_eq!(texts(&pushes), ["kept", "accepted while it stops"]);
}
