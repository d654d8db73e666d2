//! Compares all that can be read from two stores.

use webpush_core::id::{EntryRef, Position};
use webpush_core::session::Scope;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::contract::{block_on, latest};
use webpush_store::memory::MemoryStore;
use webpush_store::{IdleCheck, Store};

use super::machine::records;
use super::operations::{AGENTS, CHANNELS, INBOXES, SUBSCRIPTIONS, channel_id, inbox_id, subscription_id};

pub(super) fn assert_same(model: &MemoryStore, store: &impl Store, now: Timestamp, check: &IdleCheck) {
    assert_eq!(records(model).1, records(store).1);
    for limit in [0, 2, 100] {
        assert_eq!(block_on(model.idle(check, limit)), block_on(store.idle(check, limit)));
        assert_eq!(block_on(model.due(now, limit)), block_on(store.due(now, limit)));
    }
    for number in 0..INBOXES {
        let inbox = inbox_id(number);
        assert_eq!(block_on(model.inbox(inbox)), block_on(store.inbox(inbox)));
        for only in [None, Some(subscription_id(1))] {
            for min_urgency in [Urgency::VeryLow, Urgency::Normal] {
                assert_same_entries(model, store, &Scope { inbox, subscription: only, min_urgency }, now);
            }
        }
    }
    for agent in (0..AGENTS).map(inbox_id) {
        for id in (0..SUBSCRIPTIONS).map(subscription_id) {
            assert_eq!(block_on(model.subscription(agent, id)), block_on(store.subscription(agent, id)));
        }
        for channel in (0..CHANNELS).map(channel_id) {
            assert_eq!(block_on(model.channel(agent, channel)), block_on(store.channel(agent, channel)));
        }
    }
}

fn assert_same_entries(model: &MemoryStore, store: &impl Store, scope: &Scope, now: Timestamp) {
    assert_eq!(block_on(latest(model, scope, now)), block_on(latest(store, scope, now)));
    let mut after = Position::START;
    loop {
        let page = block_on(model.fetch(scope, after, now)).unwrap();
        assert_eq!(block_on(store.fetch(scope, after, now)).as_ref(), Ok(&page));
        for entry in &page.entries {
            let found = block_on(store.entry(&entry.entry_ref()));
            assert_eq!(found.unwrap().as_ref(), Some(entry));
        }
        if !page.more {
            return;
        }
        after = page.scanned;
    }
}

pub(super) fn entries(model: &MemoryStore) -> Vec<EntryRef> {
    let entry = |record| match record {
        webpush_store::Record::Entry(entry) => Some(entry.entry_ref()),
        _ => None,
    };
    records(model).1.into_iter().filter_map(entry).collect()
}
