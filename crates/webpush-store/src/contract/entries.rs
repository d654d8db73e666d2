//! Rules of stored messages.

use super::*;
use crate::StoreError;
use webpush_core::id::ChannelId;
use webpush_core::subscription::{ChromiumApp, SenderKey};

/// Entries of an inbox are read in the order of acceptance, whatever their subscription.
pub async fn order_of_acceptance(open: Open<'_>) {
    let store = seeded(open).await;
    let mut expected = Vec::new();
    for number in 0..20 {
        let subscription = if number % 3 == 0 { OTHER_SUBSCRIPTION } else { SUBSCRIPTION };
        expected.push(append_one(&store, Draft { subscription, ..message(number) }).await);
        append_one(&store, Draft { agent: OTHER_AGENT, ..message(100 + number) }).await;
    }
    assert_eq!(contents(&store, AGENT).await, expected);
    assert!(expected.iter().map(|entry| entry.position).is_sorted());
    assert_eq!(contents(&store, OTHER_AGENT).await.len(), 20);
}

/// A position is after all that were ever assigned before, and never [`Position::START`].
pub async fn positions_are_never_reused(open: Open<'_>) {
    let store = seeded(open).await;
    let mut last = Position::START;
    for number in 0..3 {
        let entry = append_one(&store, message(number)).await;
        assert!(entry.position > last);
        last = entry.position;
        settle(&store, entry, Outcome::Delivered).await;
    }
    store.close();
    let store = open(Quota::default());
    assert!(append_one(&store, message(9)).await.position > last);
}

/// An operation sees the changes of earlier ones in the same batch.
pub async fn a_batch_sees_itself(open: Open<'_>) {
    let store = open(Quota::default());
    commit(&store, vec![inbox(AGENT, Owner::Agent), subscription(AGENT, SUBSCRIPTION)]).await;
    let first = append_one(&store, message(1)).await;
    let applied = commit(
        &store,
        vec![
            inbox(OTHER_AGENT, Owner::Agent),
            subscription(OTHER_AGENT, SUBSCRIPTION),
            Op::Settle(first, Outcome::Delivered),
            Op::Settle(first, Outcome::Delivered),
            Op::Append(message(2)),
            Op::Append(message(3)),
            Op::Unsubscribe(AGENT, SUBSCRIPTION),
            Op::Append(message(4)),
            Op::RemoveInbox(AGENT),
            subscription(AGENT, SUBSCRIPTION),
        ],
    )
    .await;
    let kinds: Vec<&str> = applied.iter().map(kind).collect();
    let expected = [
        "created",
        "created",
        "settled",
        "missing",
        "appended",
        "appended",
        "removed 2",
        "missing",
        "removed 0",
        "missing",
    ];
    assert_eq!(kinds, expected);
    assert_eq!(store.inbox(AGENT).await, Ok(None));
    assert_eq!(contents(&store, AGENT).await, []);
}

fn kind(applied: &Applied) -> &'static str {
    match applied {
        Applied::Created => "created",
        Applied::Appended(_) => "appended",
        Applied::Duplicate(_) => "duplicate",
        Applied::Settled(_) => "settled",
        Applied::Removed(removed) if removed.messages == 0 => "removed 0",
        Applied::Removed(removed) if removed.messages == 2 => "removed 2",
        Applied::Removed(_) => "removed",
        Applied::Touched => "touched",
        Applied::Refused => "refused",
        Applied::Taken => "taken",
        Applied::Missing => "missing",
    }
}

/// Subscriptions need their inbox, messages their subscription, removals their target.
pub async fn nothing_goes_into_what_is_missing(open: Open<'_>) {
    let store = open(Quota::default());
    let ops = vec![
        subscription(AGENT, SUBSCRIPTION),
        Op::Append(message(1)),
        Op::Unsubscribe(AGENT, SUBSCRIPTION),
        Op::RemoveInbox(AGENT),
        inbox(AGENT, Owner::Agent),
        Op::Append(message(1)),
    ];
    let mut expected = vec![Applied::Missing; 6];
    expected[4] = Applied::Created;
    assert_eq!(commit(&store, ops).await, expected);
    assert_eq!(store.subscription(AGENT, SUBSCRIPTION).await, Ok(None));
    assert_eq!(contents(&store, AGENT).await, []);
}

/// Every field is read as it was written, also by the next process.
pub async fn every_field_is_kept(open: Open<'_>) {
    let store = seeded(open).await;
    let sender = Some(SenderKey([4; 65]));
    let channel = ChannelId::from_bytes([11; 16]);
    let plain = Subscription { created: at(3), key: KeyId(1), ..plain_subscription(AGENT, SUBSCRIPTION) };
    let full = Subscription { sender, protocol: Protocol::Autopush(channel), ..plain };
    let app = ChromiumApp::new("org.chromium.linux", &"s".repeat(300)).expect("the names fit");
    let chromium = Protocol::Chromium(channel, Arc::new(app));
    let protocols = [Protocol::Rfc8030, Protocol::Legacy, chromium, full.protocol.clone()];
    let senders = [None, sender];
    let all = protocols.iter().flat_map(|protocol| senders.map(|sender| (protocol.clone(), sender)));
    for subscription in all.map(|(protocol, sender)| Subscription { sender, protocol, ..plain }) {
        commit(&store, vec![Op::Subscribe(subscription.clone())]).await;
        assert_eq!(store.subscription(AGENT, SUBSCRIPTION).await, Ok(Some(subscription)));
    }
    let parts = [None, Some(&b"aesgcm"[..]), Some(&b""[..]), Some(&b"dh=BN\xff"[..])];
    let encoding = Encoding::from_parts(parts).expect("these are header values");
    let rich = Draft {
        accepted: at(11),
        expires: at(5000),
        urgency: Urgency::High,
        topic: Topic::parse(&[b'a'; 32]),
        encoding,
        key: KeyId(255),
        receipt: Some(RECEIPTS),
        body: Bytes::from(vec![0xff; 5000]),
        ..message(1)
    };
    let empty = Draft { body: Bytes::new(), expires: Timestamp::NEVER, ..message(2) };
    let appended = append(&store, vec![rich.clone(), empty.clone(), message(3)]).await;
    let receipts = settle(&store, appended[0].message.entry_ref(), Outcome::Delivered).await;
    let Applied::Settled(settled) = receipts else { unreachable!("it was there to be settled") };
    let rich = Draft { id: message(4).id, ..rich };
    let again = append(&store, vec![rich.clone()]).await;
    store.close();

    let store = open(Quota::default());
    let expected = Inbox { id: RECEIPTS, owner: Owner::Receipts, created: at(1), key: KeyId(7) };
    assert_eq!(store.inbox(RECEIPTS).await, Ok(Some(expected)));
    assert_eq!(store.subscription(AGENT, SUBSCRIPTION).await, Ok(Some(full)));
    for (sent, kept) in [(empty, &appended[1]), (message(3), &appended[2]), (rich, &again[0])] {
        let placed = sent.into_message(kept.message.position);
        assert_eq!(*kept.message, placed);
        assert_eq!(store.entry(&placed.entry_ref()).await, Ok(Some(Entry::Message(Arc::new(placed)))));
    }
    let receipt = settled.receipt.expect("one is owed");
    assert_eq!(receipt.about, appended[0].message.entry_ref());
    assert_eq!(store.entry(&receipt.entry_ref()).await, Ok(Some(Entry::Receipt(receipt))));
}

/// A lazy commit is applied in order, and is on disk once the store is closed.
pub async fn a_lazy_commit_is_kept_by_a_close(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, message(1)).await;
    let lazily = |op| submit(&store, vec![op], Durability::Lazy);
    let commits = [lazily(Op::Append(message(2))), lazily(Op::Settle(entry, Outcome::Delivered))];
    store.close();
    let mut applied = Vec::new();
    for commit in commits {
        applied.push(kind(&commit.await.expect("it was submitted before the store was closed")[0]));
    }
    assert_eq!(applied, ["appended", "settled"]);
    let left = contents(&open(Quota::default()), AGENT).await;
    assert_eq!(left.iter().map(|entry| entry.message).collect::<Vec<_>>(), [message(2).id]);
}

/// After `close` nothing is read or written, and every `done` is still called, once.
pub async fn a_closed_store_refuses(open: Open<'_>) {
    let store = seeded(open).await;
    let entry = append_one(&store, message(1)).await;
    assert!(store.inbox(AGENT).await.is_ok() && store.subscription(AGENT, SUBSCRIPTION).await.is_ok());
    store.close();
    store.close();
    let refused = submit(&store, vec![Op::Append(message(2))], Durability::Durable).await;
    assert_eq!(refused, Err(StoreError::Unavailable));
    assert_eq!(store.inbox(AGENT).await, Err(StoreError::Unavailable));
    assert_eq!(store.subscription(AGENT, SUBSCRIPTION).await, Err(StoreError::Unavailable));
    assert_eq!(store.entry(&entry).await, Err(StoreError::Unavailable));
    assert_eq!(store.fetch(&everything(AGENT), Position::START, at(10)).await, Err(StoreError::Unavailable));
    assert_eq!(store.latest(&everything(AGENT), Position::END, at(10)).await, Err(StoreError::Unavailable));
    assert_eq!(store.due(at(10), 1).await, Err(StoreError::Unavailable));
    assert_eq!(contents(&open(Quota::default()), AGENT).await, [entry]);
}
