//! Rules of removing subscriptions and inboxes (RFC 8030 §7.3).

use super::*;
use crate::{Due, RemovalResult};
use webpush_core::receipt::ReceiptStatus;

async fn removed(store: &Backend, op: Op) -> RemovalResult {
    match commit(store, vec![op]).await.pop() {
        Some(Applied::Removed(removed)) => removed,
        _ => unreachable!("it was there to be removed"),
    }
}

/// Unsubscribing ends the messages of the subscription and no others, and leaves no rows behind.
pub async fn unsubscribe_cancels_its_messages(open: Open<'_>) {
    let store = seeded(open).await;
    let owing = append_one(&store, Draft { receipt: Some(RECEIPTS), ..topical(1, "news") }).await;
    let kept = Draft { subscription: OTHER_SUBSCRIPTION, receipt: Some(RECEIPTS), ..topical(2, "news") };
    let kept = append_one(&store, kept).await;
    let quiet = append_one(&store, message(3)).await;
    let end = removed(&store, Op::Unsubscribe(AGENT, SUBSCRIPTION)).await;
    assert_eq!(end.messages, 2);
    let told: Vec<_> = end.receipts.iter().map(|receipt| (receipt.about, receipt.status)).collect();
    assert_eq!(told, [(owing, ReceiptStatus::Failed)]);
    assert_eq!(store.subscription(AGENT, SUBSCRIPTION).await, Ok(None));
    assert_eq!((store.entry(&owing).await, store.entry(&quiet).await), (Ok(None), Ok(None)));
    assert_eq!(contents(&store, AGENT).await, [kept]);
    assert_eq!(contents(&store, RECEIPTS).await, [end.receipts[0].entry_ref()]);
    assert_eq!(store.due(at(1000), 10).await.map(|due| due.entries), Ok(vec![kept]));
    let again = commit(&store, vec![Op::Unsubscribe(AGENT, SUBSCRIPTION), Op::Append(message(4))]).await;
    assert_eq!(again, [Applied::Missing, Applied::Missing]);
    commit(&store, vec![subscription(AGENT, SUBSCRIPTION)]).await;
    assert_eq!(append(&store, vec![topical(5, "news")]).await[0].replaced, None);
}

/// Removing an agent's inbox ends all its messages and subscriptions.
pub async fn remove_inbox_cancels_everything(open: Open<'_>) {
    let store = seeded(open).await;
    let owing = Draft { receipt: Some(RECEIPTS), ..topical(1, "news") };
    let mut about = vec![append_one(&store, owing.clone()).await];
    append_one(&store, message(2)).await;
    let owing = Draft { subscription: OTHER_SUBSCRIPTION, id: message(3).id, ..owing };
    about.push(append_one(&store, owing).await);
    let of_other = append_one(&store, Draft { agent: OTHER_AGENT, ..message(4) }).await;
    let end = removed(&store, Op::RemoveInbox(AGENT)).await;
    assert_eq!(end.messages, 3);
    assert_eq!(end.receipts.iter().map(|receipt| receipt.about).collect::<Vec<_>>(), about);
    assert_eq!(contents(&store, RECEIPTS).await.len(), 2);
    assert_eq!(contents(&store, AGENT).await, []);
    assert_eq!(contents(&store, OTHER_AGENT).await, [of_other]);
    assert_eq!(store.inbox(AGENT).await, Ok(None));
    assert_eq!(store.subscription(AGENT, SUBSCRIPTION).await, Ok(None));
    assert_eq!(store.subscription(AGENT, OTHER_SUBSCRIPTION).await, Ok(None));
    assert!(matches!(store.subscription(OTHER_AGENT, SUBSCRIPTION).await, Ok(Some(_))));
    let due = Due { entries: vec![of_other], next: None };
    assert_eq!(store.due(at(1000), 10).await, Ok(due));
    assert_eq!(commit(&store, vec![Op::RemoveInbox(AGENT)]).await, [Applied::Missing]);
}

/// Removing a receipt subscription removes its receipts, which owe nothing.
pub async fn remove_inbox_takes_its_receipts(open: Open<'_>) {
    let store = seeded(open).await;
    for number in 0..2 {
        let entry = append_one(&store, Draft { receipt: Some(RECEIPTS), ..message(number) }).await;
        settle(&store, entry, Outcome::Delivered).await;
    }
    let end = removed(&store, Op::RemoveInbox(RECEIPTS)).await;
    assert_eq!(end, RemovalResult::new(RECEIPTS, None));
    assert_eq!(contents(&store, RECEIPTS).await, []);
}
