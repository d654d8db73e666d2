//! Comparison of everything that can be read.

use super::{channel_id, inbox_id, subscription_id};
use std::collections::BTreeSet;
use webpush_core::id::{EntryRef, Position};
use webpush_core::inbox::Entry;
use webpush_core::session::Scope;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::latest;
use webpush_store::{Detail, Entries, IdleCheck, Record, Store};

/// Compares the results of all reads.
pub(crate) async fn assert_same(model: &impl Store, store: &impl Store, now: Timestamp, check: &IdleCheck) {
    for limit in [0, 2, 100] {
        assert_eq!(model.idle(check, limit).await, store.idle(check, limit).await);
    }
    assert_eq!(snapshot(model, &Detail::EVERYTHING).await, snapshot(store, &Detail::EVERYTHING).await);
    let some = Detail { after: Some(inbox_id(1)), subscriptions: false, entries: Entries::First };
    assert_eq!(snapshot(model, &some).await, snapshot(store, &some).await);
    for number in 0..5 {
        let inbox = inbox_id(number);
        assert_eq!(model.inbox(inbox).await, store.inbox(inbox).await);
        for id in (0..3).map(subscription_id) {
            assert_eq!(model.subscription(inbox, id).await, store.subscription(inbox, id).await);
        }
        for channel in (0..2).map(channel_id) {
            assert_eq!(model.channel(inbox, channel).await, store.channel(inbox, channel).await);
        }
        for only in [None, Some(subscription_id(1))] {
            for floor in [Urgency::VeryLow, Urgency::Normal] {
                let scope = Scope { inbox, subscription: only, min_urgency: floor };
                assert_eq!(latest(model, &scope, now).await, latest(store, &scope, now).await);
                let mut after = Position::START;
                loop {
                    let page = model.fetch(&scope, after, now).await.unwrap();
                    assert_eq!(Ok(&page), store.fetch(&scope, after, now).await.as_ref());
                    for entry in &page.entries {
                        assert_eq!(
                            Ok(Some(entry)),
                            store.entry(&entry.entry_ref()).await.as_ref().map(Option::as_ref)
                        );
                    }
                    after = page.scanned;
                    if !page.more {
                        break;
                    }
                }
            }
        }
    }
    for limit in [0, 3, 1000] {
        for then in [Timestamp::default(), now, Timestamp::from_millis(now.as_millis() + 20)] {
            assert_same_due(model, store, then, limit).await;
        }
    }
}

/// Compares the messages that have ended.
///
/// Those that end together may come in any order, and a limit may cut between them.
async fn assert_same_due(model: &impl Store, store: &impl Store, now: Timestamp, limit: usize) {
    let (expected, found) = (model.due(now, limit).await.unwrap(), store.due(now, limit).await.unwrap());
    assert_eq!(expected.next, found.next);
    let ends_of_found = ends(model, &found.entries).await;
    assert!(ends_of_found.iter().all(Option::is_some), "{:?}", found.entries);
    assert_eq!(ends(model, &expected.entries).await, ends_of_found);
    let distinct: BTreeSet<EntryRef> = found.entries.iter().copied().collect();
    assert_eq!(distinct.len(), found.entries.len(), "{:?}", found.entries);
    if expected.entries.len() < limit {
        assert_eq!(distinct, expected.entries.into_iter().collect());
    }
}

/// Returns the ends of these messages of the model; `None` for those that it does not have.
async fn ends(model: &impl Store, messages: &[EntryRef]) -> Vec<Option<Timestamp>> {
    let mut ends = Vec::new();
    for message in messages {
        ends.push(match model.entry(message).await {
            Ok(Some(Entry::Message(message))) => Some(message.removal_time()),
            _ => None,
        });
    }
    ends
}

pub(crate) async fn snapshot(store: &impl Store, detail: &Detail) -> Vec<Record> {
    store.snapshot(detail).await.unwrap().collect::<Result<_, _>>().unwrap()
}
