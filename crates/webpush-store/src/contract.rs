//! What every [`Store`] must do, as checks that run: one function for each rule.
//!
//! A check takes a function that opens the store under test. When it is called again, after the store was closed, it
//! must open the same store with what the first one left. [`crate::contract_tests`] makes a test of each rule.

#![allow(clippy::expect_used, reason = "a check that fails must stop its test")]

mod channels;
mod entries;
mod expiry;
mod fetch;
mod idle;
mod inboxes;
mod quota;
mod settle;
mod snapshots;
mod topics;

pub use channels::{
    a_channel_is_found_until_it_is_unsubscribed, a_channel_is_of_one_agent, a_channel_is_taken_once,
};
pub use entries::{
    a_batch_sees_itself, a_closed_store_refuses, a_lazy_commit_is_kept_by_a_close, every_field_is_kept,
    nothing_goes_into_what_is_missing, order_of_acceptance, positions_are_never_reused,
};
pub use expiry::{due_in_deadline_order, due_never_names_receipts};
pub use fetch::{
    fetch_admits_what_the_scope_says, fetch_pages, fetch_stops_after_scanning_enough,
    latest_is_the_newest_that_the_scope_admits,
};
pub use idle::{
    an_empty_agent_that_nobody_monitors_is_idle, an_inbox_that_nobody_uses_is_idle,
    only_what_is_still_idle_is_removed,
};
pub use inboxes::{
    remove_inbox_cancels_everything, remove_inbox_takes_its_receipts, unsubscribe_cancels_its_messages,
};
pub use quota::{
    a_dropped_message_owes_its_receipt, a_full_inbox_drops_the_least_urgent_and_oldest,
    a_full_receipt_inbox_drops_the_oldest, a_new_message_may_be_the_one_to_go, bytes_count_as_well,
    every_end_leaves_room, subscriptions_are_bounded,
};
pub use settle::{
    a_gone_receipt_inbox_gets_nothing, a_receipt_is_settled_like_any_entry,
    an_entry_is_named_by_position_and_id, receipts_say_how_messages_end, settling_twice_does_nothing,
};
pub use snapshots::{
    a_closed_store_shows_nothing, a_picture_can_be_put_back, a_picture_is_of_one_moment,
    a_picture_shows_each_inbox_with_what_it_holds, a_position_that_is_put_back_is_taken,
    nothing_is_put_over_what_is_there,
};
pub use topics::{
    a_topic_is_of_one_subscription, a_topic_replaces_what_is_outstanding, a_topic_replaces_within_a_batch,
    an_ended_message_is_not_replaced,
};

use crate::{Appended, Applied, Durability, Op, Quota, Store};
use bytes::Bytes;
use std::sync::{Arc, mpsc};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::outcome::Outcome;
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// Opens the store under test, with these bounds for each inbox.
pub type Open<'a> = &'a dyn Fn(Quota) -> Arc<dyn Store>;

/// Makes one `#[test]` of each rule. `$open` is an expression that gives a fresh `Fn(Quota) -> Arc<dyn Store>`.
#[macro_export]
macro_rules! contract_tests {
    ($open:expr) => {
        $crate::contract_tests!($open;
            a_channel_is_found_until_it_is_unsubscribed a_channel_is_of_one_agent a_channel_is_taken_once
            a_batch_sees_itself a_closed_store_refuses a_lazy_commit_is_kept_by_a_close every_field_is_kept
            nothing_goes_into_what_is_missing order_of_acceptance positions_are_never_reused
            due_in_deadline_order due_never_names_receipts
            fetch_admits_what_the_scope_says fetch_pages fetch_stops_after_scanning_enough
            latest_is_the_newest_that_the_scope_admits
            remove_inbox_cancels_everything remove_inbox_takes_its_receipts unsubscribe_cancels_its_messages
            a_gone_receipt_inbox_gets_nothing a_receipt_is_settled_like_any_entry receipts_say_how_messages_end
            settling_twice_does_nothing an_entry_is_named_by_position_and_id
            an_empty_agent_that_nobody_monitors_is_idle an_inbox_that_nobody_uses_is_idle
            only_what_is_still_idle_is_removed
            a_dropped_message_owes_its_receipt a_full_inbox_drops_the_least_urgent_and_oldest
            a_full_receipt_inbox_drops_the_oldest a_new_message_may_be_the_one_to_go bytes_count_as_well
            every_end_leaves_room subscriptions_are_bounded
            a_closed_store_shows_nothing a_picture_can_be_put_back a_picture_is_of_one_moment
            a_picture_shows_each_inbox_with_what_it_holds a_position_that_is_put_back_is_taken
            nothing_is_put_over_what_is_there
            a_topic_is_of_one_subscription a_topic_replaces_what_is_outstanding a_topic_replaces_within_a_batch
            an_ended_message_is_not_replaced
        );
    };
    ($open:expr; $($rule:ident)*) => {
        $(#[test]
        fn $rule() {
            $crate::contract::$rule(&$open);
        })*
    };
}

/// Commits durably and waits for the end.
///
/// # Panics
/// When the store refuses.
pub fn commit(store: &dyn Store, ops: Vec<Op>) -> Vec<Applied> {
    let (sender, receiver) = mpsc::channel();
    store.commit(ops, Durability::Durable, Box::new(move |result| drop(sender.send(result))));
    receiver.recv().expect("done is called").expect("the store works")
}

const AGENT: InboxId = InboxId::from_bytes([1; 16]);
const OTHER_AGENT: InboxId = InboxId::from_bytes([2; 16]);
const RECEIPTS: InboxId = InboxId::from_bytes([3; 16]);
const SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([4; 16]);
const OTHER_SUBSCRIPTION: SubscriptionId = SubscriptionId::from_bytes([5; 16]);

const fn at(millis: u64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn inbox(id: InboxId, owner: Owner) -> Op {
    Op::CreateInbox(Inbox { id, owner, created: at(1), key: KeyId(7) })
}

fn subscription(agent: InboxId, id: SubscriptionId) -> Op {
    Op::Subscribe(plain_subscription(agent, id))
}

const fn plain_subscription(agent: InboxId, id: SubscriptionId) -> Subscription {
    Subscription { agent, id, created: at(2), key: KeyId(8), sender: None, protocol: Protocol::Rfc8030 }
}

/// A message that is accepted at 10 ms and expires at 1,000 ms.
fn message(number: u64) -> Draft {
    let mut id = [6; 16];
    id[8..].copy_from_slice(&number.to_be_bytes());
    Draft {
        id: MessageId::from_bytes(id),
        agent: AGENT,
        subscription: SUBSCRIPTION,
        accepted: at(10),
        expires: at(1000),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(9),
        receipt: None,
        body: Bytes::from(number.to_string()),
    }
}

fn topical(number: u64, topic: &str) -> Draft {
    Draft { topic: Topic::parse(topic.as_bytes()), ..message(number) }
}

/// A store with two agents, of which the first has two subscriptions, and a receipt subscription.
fn seeded(open: Open) -> Arc<dyn Store> {
    seeded_with(open, Quota::default())
}

fn seeded_with(open: Open, quota: Quota) -> Arc<dyn Store> {
    let store = open(quota);
    let ops = vec![
        inbox(AGENT, Owner::Agent),
        inbox(OTHER_AGENT, Owner::Agent),
        inbox(RECEIPTS, Owner::Receipts),
        subscription(AGENT, SUBSCRIPTION),
        subscription(AGENT, OTHER_SUBSCRIPTION),
        subscription(OTHER_AGENT, SUBSCRIPTION),
    ];
    assert_eq!(commit(&*store, ops), vec![Applied::Created; 6]);
    store
}

fn append(store: &dyn Store, messages: Vec<Draft>) -> Vec<Appended> {
    let applied = commit(store, messages.into_iter().map(Op::Append).collect());
    let appended = applied.into_iter().filter_map(|applied| match applied {
        Applied::Appended(appended) => Some(appended),
        _ => None,
    });
    appended.collect()
}

/// Appends one message and names it.
fn append_one(store: &dyn Store, message: Draft) -> EntryRef {
    append(store, vec![message]).first().expect("it is appended").message.entry_ref()
}

fn settle(store: &dyn Store, entry: EntryRef, outcome: Outcome) -> Applied {
    commit(store, vec![Op::Settle(entry, outcome)]).pop().expect("one answer for one operation")
}

const fn everything(inbox: InboxId) -> Scope {
    Scope { inbox, only: None, floor: Urgency::VeryLow }
}

fn fetch(store: &dyn Store, scope: Scope, after: Position, now: u64) -> Page {
    store.fetch(&scope, after, at(now)).expect("the store can be read")
}

/// What is in an inbox at 10 ms, by reference.
fn contents(store: &dyn Store, inbox: InboxId) -> Vec<EntryRef> {
    fetch(store, everything(inbox), Position::START, 10).entries.iter().map(Entry::entry_ref).collect()
}
