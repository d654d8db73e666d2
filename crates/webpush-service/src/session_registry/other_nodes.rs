//! The effect of other nodes on the sessions of this one, for a store that several nodes share.

use super::{SessionRegistry, TransportKind, before};
use crate::threads::sync::Arc;
use crate::threads::sync::atomic::Ordering;
use crate::trace::Stage;
use webpush_core::id::{InboxId, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::message::Message;
use webpush_store::MESSAGE_NOTICE_SESSION_AGE;

impl SessionRegistry {
    /// Notifies the sessions of an inbox that it has entries that were not announced.
    ///
    /// They read it, in place of entries that they were told of but have not sent: these may have been replaced.
    pub fn announce_unread(&self, inbox: InboxId) {
        let shard = self.shard(inbox);
        for slot in shard.get(&inbox).into_iter().flat_map(|sessions| sessions.slots.iter()) {
            slot.notify(|wakeup| wakeup.update_mut().missed = true);
        }
    }

    /// Notifies the sessions of an inbox of a message that another node has stored.
    ///
    /// Those that may have missed another message, and those that may have had this one, read the inbox.
    pub fn announce_from_elsewhere(&self, message: &Arc<Message>) {
        let shard = self.shard(message.agent);
        let Some(sessions) = shard.get(&message.agent) else { return };
        self.traces.record(message.id, Stage::Notified);
        let now = self.now();
        let previous = before(message.position);
        let entry = Entry::Message(Arc::clone(message));
        for slot in sessions.slots.iter() {
            let is_old = now.since(slot.began) >= MESSAGE_NOTICE_SESSION_AGE;
            let takes_it = slot.transport.has_own_connection() && is_old;
            slot.notify(|wakeup| {
                if takes_it {
                    wakeup.add(previous, &entry, None);
                } else {
                    wakeup.update_mut().missed = true;
                }
            });
        }
    }

    /// Ends the sessions of an agent that has opened a newer one with the same transport.
    pub fn supersede(&self, inbox: InboxId, transport: TransportKind) {
        let shard = self.shard(inbox);
        let sessions = shard.get(&inbox).into_iter().flat_map(|sessions| sessions.slots.iter());
        sessions.for_each(|older| older.supersede(transport));
    }

    /// Records that the inbox of a new agent was created.
    pub fn record_inbox(&self, inbox: InboxId) {
        let shard = self.shard(inbox);
        for slot in shard.get(&inbox).into_iter().flat_map(|sessions| sessions.slots.iter()) {
            slot.has_inbox.store(true, Ordering::Relaxed);
        }
    }

    /// Returns true if the inbox was created before one of its sessions, or since.
    #[must_use]
    pub(crate) fn has_inbox(&self, inbox: InboxId) -> bool {
        let shard = self.shard(inbox);
        let mut sessions = shard.get(&inbox).into_iter().flat_map(|sessions| sessions.slots.iter());
        sessions.any(|slot| slot.has_inbox.load(Ordering::Relaxed))
    }

    /// Lists the subscriptions of an inbox that have sessions of their own.
    #[must_use]
    pub(crate) fn subscriptions(&self, inbox: InboxId) -> Vec<SubscriptionId> {
        let shard = self.shard(inbox);
        let sessions = shard.get(&inbox).into_iter().flat_map(|sessions| sessions.slots.iter());
        let mut subscriptions: Vec<_> = sessions.filter_map(|slot| slot.scope.subscription).collect();
        subscriptions.sort_unstable();
        subscriptions.dedup();
        subscriptions
    }
}

impl TransportKind {
    /// Returns the transport of a notice.
    #[must_use]
    pub fn from_number(number: u8) -> Option<Self> {
        Self::ALL.get(usize::from(number)).copied()
    }
}
