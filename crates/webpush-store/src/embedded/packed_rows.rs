//! Packed forms of the rows that are cached.

use super::row_cache::PackedRow;
use super::sender_pool::SenderPool;
use super::usage_row::UsageRow;
use std::sync::Arc;
use webpush_core::capability::KeyId;
use webpush_core::id::{ChannelId, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Inbox, Owner};
use webpush_core::subscription::{Protocol, SenderKey, Subscription};
use webpush_core::time::Timestamp;

/// An inbox: 26 bytes with its key.
pub(super) struct PackedInbox {
    created: [u8; 8],
    owner: Owner,
    key: KeyId,
}

impl PackedRow for PackedInbox {
    type Key = InboxId;
    type Row = Inbox;
    type Pool = ();

    fn pack(row: &Inbox, (): &()) -> Option<Self> {
        Some(Self { created: row.created.as_millis().to_le_bytes(), owner: row.owner, key: row.key })
    }

    fn unpack(&self, id: &InboxId) -> Inbox {
        let created = Timestamp::from_millis(u64::from_le_bytes(self.created));
        Inbox { id: *id, owner: self.owner, created, key: self.key }
    }
}

/// A subscription: 64 bytes with its key. Subscriptions of one application server share its key.
pub(super) struct PackedSubscription {
    sender: Option<Arc<SenderKey>>,
    channel: [u8; 16],
    /// Milliseconds; 48 bits reach the year 10889.
    created: [u8; 6],
    key: KeyId,
    protocol: PackedProtocol,
}

#[derive(Clone, Copy)]
enum PackedProtocol {
    Rfc8030,
    Autopush,
    Legacy,
}

impl PackedRow for PackedSubscription {
    type Key = (InboxId, SubscriptionId);
    type Row = Subscription;
    type Pool = SenderPool;

    fn pack(row: &Subscription, pool: &SenderPool) -> Option<Self> {
        let [created @ .., 0, 0] = row.created.as_millis().to_le_bytes() else { return None };
        let sender = match &row.sender {
            Some(key) => Some(pool.intern(key)?),
            None => None,
        };
        let protocol = match &row.protocol {
            Protocol::Rfc8030 => PackedProtocol::Rfc8030,
            Protocol::Autopush(_) => PackedProtocol::Autopush,
            Protocol::Legacy => PackedProtocol::Legacy,
            // Its names are longer than a packed row.
            Protocol::Chromium(..) => return None,
        };
        let channel = row.channel().map(|channel| *channel.as_bytes()).unwrap_or_default();
        Some(Self { sender, channel, created, key: row.key, protocol })
    }

    fn unpack(&self, (agent, id): &(InboxId, SubscriptionId)) -> Subscription {
        let mut created = [0; 8];
        created[..6].copy_from_slice(&self.created);
        Subscription {
            agent: *agent,
            id: *id,
            created: Timestamp::from_millis(u64::from_le_bytes(created)),
            key: self.key,
            sender: self.sender.as_deref().copied(),
            protocol: match self.protocol {
                PackedProtocol::Rfc8030 => Protocol::Rfc8030,
                PackedProtocol::Autopush => Protocol::Autopush(ChannelId::from_bytes(self.channel)),
                PackedProtocol::Legacy => Protocol::Legacy,
            },
        }
    }
}

/// A usage row: 44 bytes with its key.
///
/// Those of inboxes that are full, or that hold 4 GiB, are not packed. The memtables have them, as they change all the
/// time.
#[derive(Clone, Copy)]
pub(super) struct PackedUsage {
    last: [u8; 8],
    body_bytes: u32,
    entries: u32,
    subscriptions: u32,
    hour: u32,
    owner: Owner,
    monitored: bool,
}

impl PackedRow for PackedUsage {
    type Key = InboxId;
    type Row = UsageRow;
    type Pool = ();

    fn pack(row: &UsageRow, (): &()) -> Option<Self> {
        if row.ranked.is_some() {
            return None;
        }
        Some(Self {
            last: row.last.get().to_le_bytes(),
            body_bytes: row.body_bytes.try_into().ok()?,
            entries: row.entries.try_into().ok()?,
            subscriptions: row.subscriptions.try_into().ok()?,
            hour: row.hour.try_into().ok()?,
            owner: row.owner,
            monitored: row.monitored,
        })
    }

    fn unpack(&self, _: &InboxId) -> UsageRow {
        UsageRow {
            owner: self.owner,
            entries: self.entries.into(),
            body_bytes: self.body_bytes.into(),
            subscriptions: self.subscriptions.into(),
            last: Position::new(u64::from_le_bytes(self.last)),
            monitored: self.monitored,
            hour: self.hour.into(),
            ranked: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::embedded::id_hash::IdHash;
    use crate::system;

    const AGENT: InboxId = InboxId::from_bytes([1; 16]);
    const ID: SubscriptionId = SubscriptionId::from_bytes([2; 16]);

    fn subscription(sender: Option<SenderKey>, protocol: Protocol, created: u64) -> Subscription {
        let created = Timestamp::from_millis(created);
        Subscription { agent: AGENT, id: ID, created, key: KeyId(3), sender, protocol }
    }

    fn usage(body_bytes: u64, ranked: bool) -> UsageRow {
        let ranked = ranked.then(Default::default);
        let (owner, last) = (Owner::Receipts, Position::new(u64::MAX));
        UsageRow { owner, entries: 1, body_bytes, subscriptions: 2, last, monitored: true, hour: 3, ranked }
    }

    #[test]
    fn rows_are_unpacked_as_they_were() {
        for owner in [Owner::Agent, Owner::Receipts] {
            let inbox = Inbox { id: AGENT, owner, created: Timestamp::NEVER, key: KeyId(9) };
            assert_eq!(PackedInbox::pack(&inbox, &()).unwrap().unpack(&AGENT), inbox);
        }
        let pool = SenderPool::new(IdHash::new(&system::env()).unwrap(), 8);
        let autopush = Protocol::Autopush(ChannelId::from_bytes([4; 16]));
        for protocol in [Protocol::Rfc8030, autopush, Protocol::Legacy] {
            for sender in [None, Some(SenderKey([5; 65]))] {
                let row = subscription(sender, protocol.clone(), (1 << 48) - 1);
                assert_eq!(PackedSubscription::pack(&row, &pool).unwrap().unpack(&(AGENT, ID)), row);
            }
        }
        let row = usage(u32::MAX.into(), false);
        assert_eq!(PackedUsage::pack(&row, &()).unwrap().unpack(&AGENT), row);
    }

    #[test]
    fn rows_that_do_not_fit_are_not_packed() {
        let pool = SenderPool::new(IdHash::new(&system::env()).unwrap(), 8);
        assert!(PackedSubscription::pack(&subscription(None, Protocol::Rfc8030, 1 << 48), &pool).is_none());
        assert!(PackedUsage::pack(&usage(1 << 32, false), &()).is_none());
        assert!(PackedUsage::pack(&usage(1, true), &()).is_none());
    }

    #[test]
    fn packed_rows_have_the_documented_sizes() {
        assert_eq!(size_of::<(InboxId, PackedInbox)>(), 26);
        assert_eq!(size_of::<((InboxId, SubscriptionId), PackedSubscription)>(), 64);
        assert_eq!(size_of::<(InboxId, PackedUsage)>(), 44);
    }
}
