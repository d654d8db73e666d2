//! Messages with a 201 survive a crash.

use crate::support::{Http2Client, Server, Subscription, header};
use http::StatusCode;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::{Semaphore, mpsc};

const ORIGIN: &str = "https://push.example";
const SENDERS: usize = 20;
const ROUNDS: usize = 5;
const ANSWERS_A_ROUND: u32 = 400;

/// An accepted message: its sender, its number and the path of its URL.
struct AcceptedMessage {
    sender: usize,
    number: usize,
    path: String,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kill_9_under_load_loses_no_accepted_message() {
    let dir = tempfile::tempdir().unwrap();
    let start = || Server::start_on(dir.path(), &["--origin", ORIGIN]);
    let server = start();
    let urls = Subscription::from_response(&server.connect().await.post("/subscribe", &[], "").await);
    server.kill();
    let (push, subscription) = (path(&urls.push), path(&urls.subscription));

    let mut answered = Vec::new();
    for round in 0..ROUNDS {
        answered.extend(send_until_killed(start(), round, &push).await);
    }

    let server = start();
    let (pushes, status) = server.connect().await.drain(&subscription).await;
    assert_eq!(status, StatusCode::OK);
    let mut places = BTreeMap::new();
    for (place, pushed) in pushes.iter().enumerate() {
        let path = pushed.request.uri().path().to_owned();
        assert!(places.insert(path, place).is_none(), "a message came twice in one drain");
    }
    let mut last = BTreeMap::new();
    for AcceptedMessage { sender, number, path } in &answered {
        let place =
            *places.get(path).unwrap_or_else(|| panic!("message {number} of sender {sender} is lost"));
        assert_eq!(pushes[place].text(), format!("{sender} {number}"));
        let before = last.insert(*sender, place);
        assert!(before.is_none_or(|before| before < place), "order of acceptance");
    }
    assert!(answered.len() >= ROUNDS * usize::try_from(ANSWERS_A_ROUND).unwrap());
}

/// Many senders push as fast as they can, until the program is killed.
async fn send_until_killed(server: Server, round: usize, push: &str) -> Vec<AcceptedMessage> {
    let (answered, mut answers) = mpsc::unbounded_channel();
    let enough = Arc::new(Semaphore::new(0));
    for sender in round * SENDERS..(round + 1) * SENDERS {
        let peer = server.connect().await;
        tokio::spawn(send(peer, sender, push.to_owned(), answered.clone(), Arc::clone(&enough)));
    }
    drop(answered);
    drop(enough.acquire_many(ANSWERS_A_ROUND).await.unwrap());
    server.kill();
    let mut all = Vec::new();
    while let Some(answer) = answers.recv().await {
        all.push(answer);
    }
    all
}

async fn send(
    mut peer: Http2Client,
    sender: usize,
    push: String,
    answered: mpsc::UnboundedSender<AcceptedMessage>,
    enough: Arc<Semaphore>,
) {
    for number in 0.. {
        let body = format!("{sender} {number}");
        let Ok(response) = peer.try_post(&push, &[("ttl", "3600")], body).await else { return };
        assert_eq!(response.status(), StatusCode::CREATED);
        let path = path(header(&response, "location"));
        answered.send(AcceptedMessage { sender, number, path }).unwrap();
        enough.add_permits(1);
    }
}

fn path(url: &str) -> String {
    url.strip_prefix(ORIGIN).unwrap().to_owned()
}
