//! The contract of a [`Store`] as executable checks: one function per rule.
//!
//! A check takes a function that opens the store under test. When it is called again after the store was closed, it must
//! open the same store with its content. [`crate::contract_tests`] makes a test of each rule.
//!
//! Checks take a [`Backend`], so a new store must first become a variant of it.

#![allow(clippy::expect_used, reason = "a check that fails must stop its test")]

mod channels;
mod entries;
mod expiry;
mod fetch;
mod handles;
mod idle;
mod inboxes;
mod quota;
mod settle;
mod snapshots;
mod topics;

pub use channels::{
    a_channel_is_found_until_it_is_unsubscribed, a_channel_is_of_one_agent, a_channel_is_taken_once,
    a_channel_moves_within_a_batch,
};
pub use entries::{
    a_batch_sees_itself, a_closed_store_refuses, a_lazy_commit_is_kept_by_a_close, every_field_is_kept,
    nothing_goes_into_what_is_missing, order_of_acceptance, positions_are_never_reused,
};
pub use expiry::{due_in_deadline_order, due_never_names_receipts};
pub use fetch::{
    fetch_admits_what_the_scope_says, fetch_pages, fetch_stops_after_scanning_enough,
    fetch_stops_after_scanning_enough_bytes, latest, latest_is_the_newest_that_the_scope_admits,
};
pub use handles::{
    a_commit_that_is_submitted_twice_is_stored_once, a_handle_may_vanish_in_the_middle,
    a_notice_reaches_the_others, a_watch_sees_every_handle, positions_grow_over_the_lives_of_an_inbox,
    two_handles_write_to_one_inbox, two_threads_write_to_one_inbox,
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
    a_gone_receipt_inbox_gets_nothing, a_receipt_goes_into_no_agents_inbox,
    a_receipt_is_settled_like_any_entry, an_entry_is_named_by_position_and_id, receipts_say_how_messages_end,
    settling_twice_does_nothing,
};
pub use snapshots::{
    a_closed_store_shows_nothing, a_position_that_is_put_back_is_taken, a_snapshot_can_be_put_back,
    a_snapshot_is_of_one_moment, a_snapshot_shows_each_inbox_with_what_it_holds,
    a_topic_stays_with_the_latest_message, nothing_is_put_over_what_is_there,
};
pub use topics::{
    a_topic_is_of_one_subscription, a_topic_replaces_what_is_outstanding, a_topic_replaces_within_a_batch,
    an_ended_message_is_not_replaced,
};

use crate::{AppendResult, Applied, Backend, Durability, Op, Quota, Store, StoreError};
use bytes::Bytes;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox, Owner};
use webpush_core::message::Draft;
use webpush_core::message::Outcome;
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;

/// Opens the store under test, with this quota for each inbox.
pub type Open<'a> = &'a dyn Fn(Quota) -> Backend;

/// Makes one `#[test]` of each rule.
///
/// `$open` is an expression that gives a fresh `Fn(Quota) -> Backend`. Attributes after it, such as `#[ignore]`, are those
/// of each test.
#[macro_export]
macro_rules! contract_tests {
    (@rule [$(#[$attribute:meta])*] $open:expr, $rule:ident) => {
        #[test]
        $(#[$attribute])*
        fn $rule() {
            $crate::contract::block_on($crate::contract::$rule(&$open));
        }
    };
    (@rules $attributes:tt $open:expr, $($rule:ident)*) => {
        $($crate::contract_tests!(@rule $attributes $open, $rule);)*
    };
    ($open:expr $(, #[$attribute:meta])*) => {
        $crate::contract_tests!(@rules [$(#[$attribute])*] $open,
            a_channel_is_found_until_it_is_unsubscribed a_channel_is_of_one_agent a_channel_is_taken_once a_channel_moves_within_a_batch
            a_batch_sees_itself a_closed_store_refuses a_lazy_commit_is_kept_by_a_close every_field_is_kept
            nothing_goes_into_what_is_missing order_of_acceptance positions_are_never_reused
            due_in_deadline_order due_never_names_receipts
            fetch_admits_what_the_scope_says fetch_pages fetch_stops_after_scanning_enough fetch_stops_after_scanning_enough_bytes
            latest_is_the_newest_that_the_scope_admits
            a_commit_that_is_submitted_twice_is_stored_once a_handle_may_vanish_in_the_middle
            a_watch_sees_every_handle a_notice_reaches_the_others positions_grow_over_the_lives_of_an_inbox two_handles_write_to_one_inbox
            two_threads_write_to_one_inbox
            remove_inbox_cancels_everything remove_inbox_takes_its_receipts unsubscribe_cancels_its_messages
            a_gone_receipt_inbox_gets_nothing a_receipt_goes_into_no_agents_inbox
            a_receipt_is_settled_like_any_entry receipts_say_how_messages_end settling_twice_does_nothing an_entry_is_named_by_position_and_id
            an_empty_agent_that_nobody_monitors_is_idle an_inbox_that_nobody_uses_is_idle
            only_what_is_still_idle_is_removed
            a_dropped_message_owes_its_receipt a_full_inbox_drops_the_least_urgent_and_oldest
            a_full_receipt_inbox_drops_the_oldest a_new_message_may_be_the_one_to_go bytes_count_as_well
            every_end_leaves_room subscriptions_are_bounded
            a_closed_store_shows_nothing a_snapshot_can_be_put_back a_snapshot_is_of_one_moment
            a_snapshot_shows_each_inbox_with_what_it_holds a_position_that_is_put_back_is_taken
            a_topic_stays_with_the_latest_message nothing_is_put_over_what_is_there
            a_topic_is_of_one_subscription a_topic_replaces_what_is_outstanding a_topic_replaces_within_a_batch
            an_ended_message_is_not_replaced
        );
    };
}

/// Runs a future to completion on this thread.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    struct Unpark(Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result,
            Poll::Pending => thread::park(),
        }
    }
}

/// Commits durably, and blocks until the result.
///
/// # Panics
/// If the commit fails.
pub fn commit_blocking(store: &impl Store, ops: Vec<Op>) -> Vec<Applied> {
    block_on(commit(store, ops))
}

async fn commit(store: &impl Store, ops: Vec<Op>) -> Vec<Applied> {
    submit(store, ops, Durability::Durable).await.expect("the store works")
}

/// Submits a commit immediately, and returns a future of its result.
fn submit<S: Store>(
    store: &S,
    ops: Vec<Op>,
    durability: Durability,
) -> impl Future<Output = CommitResult> + use<S> {
    let slot = Arc::new(Mutex::new((None, None::<Waker>)));
    let done = Arc::clone(&slot);
    store.commit(
        ops,
        durability,
        Box::new(move |result| {
            let mut slot = done.lock().expect("nobody panics with it");
            assert_eq!(slot.0.replace(result), None, "done is called once");
            slot.1.take().into_iter().for_each(Waker::wake);
        }),
    );
    poll_fn(move |context| {
        let mut slot = slot.lock().expect("nobody panics with it");
        slot.1 = Some(context.waker().clone());
        slot.0.take().map_or(Poll::Pending, Poll::Ready)
    })
}

type CommitResult = Result<Vec<Applied>, StoreError>;

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
async fn seeded(open: Open<'_>) -> Backend {
    seeded_with(open, Quota::default()).await
}

async fn seeded_with(open: Open<'_>, quota: Quota) -> Backend {
    let store = open(quota);
    let ops = vec![
        inbox(AGENT, Owner::Agent),
        inbox(OTHER_AGENT, Owner::Agent),
        inbox(RECEIPTS, Owner::Receipts),
        subscription(AGENT, SUBSCRIPTION),
        subscription(AGENT, OTHER_SUBSCRIPTION),
        subscription(OTHER_AGENT, SUBSCRIPTION),
    ];
    assert_eq!(commit(&store, ops).await, vec![Applied::Created; 6]);
    store
}

async fn append(store: &Backend, messages: Vec<Draft>) -> Vec<AppendResult> {
    let applied = commit(store, messages.into_iter().map(Op::Append).collect()).await;
    let appended = applied.into_iter().filter_map(|applied| match applied {
        Applied::Appended(appended) => Some(appended),
        _ => None,
    });
    appended.collect()
}

/// Appends messages, each in a commit of its own.
async fn append_each(store: &Backend, messages: impl IntoIterator<Item = Draft>) -> Vec<EntryRef> {
    let mut entries = Vec::new();
    for message in messages {
        entries.push(append_one(store, message).await);
    }
    entries
}

/// Appends one message and names it.
async fn append_one(store: &Backend, message: Draft) -> EntryRef {
    append(store, vec![message]).await.first().expect("it is appended").message.entry_ref()
}

async fn settle(store: &Backend, entry: EntryRef, outcome: Outcome) -> Applied {
    commit(store, vec![Op::Settle(entry, outcome)]).await.pop().expect("one answer for one operation")
}

const fn everything(inbox: InboxId) -> Scope {
    Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow }
}

async fn fetch(store: &Backend, scope: Scope, after: Position, now: u64) -> Page {
    store.fetch(&scope, after, at(now)).await.expect("the store can be read")
}

/// Returns the entries of an inbox at 10 ms, by reference.
async fn contents(store: &Backend, inbox: InboxId) -> Vec<EntryRef> {
    fetch(store, everything(inbox), Position::START, 10).await.entries.iter().map(Entry::entry_ref).collect()
}
