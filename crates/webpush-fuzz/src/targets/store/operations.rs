//! Operations from the bytes of an input.

use bytes::Bytes;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::id::{ChannelId, EntryRef, InboxId, MessageId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::message::{Draft, Outcome};
use webpush_core::subscription::{ChromiumApp, Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;
use webpush_core::topic::Topic;
use webpush_core::urgency::Urgency;
use webpush_store::{IdleCheck, IdleLimits, Op};

use crate::input::Input;

/// Agents have the first numbers, receipt subscriptions those after.
pub(super) const AGENTS: u8 = 3;
pub(super) const INBOXES: u8 = 5;
pub(super) const SUBSCRIPTIONS: u8 = 3;
pub(super) const CHANNELS: u8 = 2;
const HOUR_MILLIS: u64 = 3_600_000;
const OUTCOMES: [Outcome; 5] =
    [Outcome::Delivered, Outcome::Expired, Outcome::Replaced, Outcome::Canceled, Outcome::Dropped];

pub(super) fn inbox_id(number: u8) -> InboxId {
    InboxId::from_bytes([number; 16])
}

pub(super) fn subscription_id(number: u8) -> SubscriptionId {
    SubscriptionId::from_bytes([number; 16])
}

pub(super) fn channel_id(number: u8) -> ChannelId {
    ChannelId::from_bytes([number; 16])
}

/// Returns the operations that create all inboxes, and a subscription of each agent.
pub(super) fn first() -> Vec<Op> {
    let inboxes = (0..INBOXES).map(|number| Op::CreateInbox(inbox(number, 1)));
    inboxes.chain((0..AGENTS).map(|agent| Op::Subscribe(subscription(agent, 0, 4)))).collect()
}

/// Makes operations, and messages with an ID of their own.
pub(super) struct Operations {
    messages: u64,
    now: Timestamp,
}

impl Operations {
    pub(super) const fn new(now: Timestamp) -> Self {
        Self { messages: 0, now }
    }

    pub(super) const fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Takes an operation. `entries` are in the store.
    pub(super) fn next(&mut self, input: &mut Input<'_>, entries: &[EntryRef]) -> Op {
        let (kind, number) = (input.below(20), input.byte());
        let (agent, id) = (inbox_id(number % AGENTS), subscription_id(number / 16 % SUBSCRIPTIONS));
        match kind {
            0 => Op::CreateInbox(inbox(number % INBOXES, input.byte())),
            1..4 => {
                Op::Subscribe(subscription(number % AGENTS, number / 16 % SUBSCRIPTIONS, input.byte() % 6))
            }
            4 => Op::Unsubscribe(agent, id),
            5 => Op::RemoveInbox(inbox_id(number % INBOXES)),
            6 => Op::Touch(
                inbox_id(number % INBOXES),
                Timestamp::from_millis(u64::from(input.byte()) * HOUR_MILLIS),
            ),
            7 => Op::RemoveIdle(inbox_id(number % INBOXES), idle_check(input)),
            8 => Op::Settle(unknown_entry(number, input), OUTCOMES[input.below(5)]),
            9..13 if !entries.is_empty() => {
                Op::Settle(entries[usize::from(number) % entries.len()], OUTCOMES[input.below(5)])
            }
            _ => Op::Append(self.draft(agent, id, input)),
        }
    }

    fn draft(&mut self, agent: InboxId, subscription: SubscriptionId, input: &mut Input<'_>) -> Draft {
        self.messages += 1;
        let (kind, ttl, length) = (input.byte(), input.byte(), input.byte());
        let topics: [&[u8]; 4] = [b"", b"", b"a", b"bb"];
        let coding = (kind & 0x40 != 0).then_some(&b"aes128gcm"[..]);
        Draft {
            id: MessageId::from_bytes(u128::from(self.messages).to_be_bytes()),
            agent,
            subscription,
            accepted: self.now,
            expires: self.now.after(Duration::from_millis(u64::from(ttl) * 20)),
            urgency: Urgency::ALL[usize::from(kind & 3)],
            topic: Topic::parse(topics[usize::from(kind >> 2 & 3)]),
            encoding: Encoding::from_parts([None, coding, None, None]).unwrap(),
            key: KeyId(kind),
            receipt: (kind & 0x10 != 0).then(|| inbox_id(AGENTS + (kind >> 5 & 1))),
            body: Bytes::from(vec![length; usize::from(length) * 4]),
        }
    }
}

fn inbox(number: u8, key: u8) -> Inbox {
    let owner = if number < AGENTS { Owner::Agent } else { Owner::Receipts };
    Inbox { id: inbox_id(number), owner, created: Timestamp::from_millis(1), key: KeyId(key) }
}

fn subscription(agent: u8, id: u8, protocol: u8) -> Subscription {
    let protocol = match protocol {
        channel @ (0 | 1) => Protocol::Autopush(channel_id(channel)),
        2 => Protocol::Legacy,
        3 => Protocol::Chromium(channel_id(0), Arc::new(ChromiumApp::new("org.chromium", "wp:x").unwrap())),
        _ => Protocol::Rfc8030,
    };
    let sender = (id == 2).then_some(SenderKey([4; 65]));
    let (agent, id) = (inbox_id(agent), subscription_id(id));
    Subscription { agent, id, created: Timestamp::from_millis(2), key: KeyId(1), sender, protocol }
}

/// Returns an entry that probably does not exist.
fn unknown_entry(number: u8, input: &mut Input<'_>) -> EntryRef {
    EntryRef {
        inbox: inbox_id(number % INBOXES),
        position: Position::new(input.byte().into()),
        message: MessageId::from_bytes(u128::from(input.byte()).to_be_bytes()),
    }
}

pub(super) fn idle_check(input: &mut Input<'_>) -> IdleCheck {
    let mut hours = || Duration::from_millis(u64::from(input.byte()) * HOUR_MILLIS);
    let (now, never_monitored, unused) = (hours(), hours(), hours());
    let now = Timestamp::default().after(now);
    IdleCheck { now, limits: IdleLimits { never_monitored, unused } }
}
