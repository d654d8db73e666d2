//! Removal of subscriptions and inboxes, in bounded steps.
//!
//! A commit that ends 100,000 messages would hold all others for half a second. So the messages are canceled in slices
//! first, and the last step removes the rest with the subscription or the inbox. If the process ends in between, some
//! messages are canceled and the request, which got no response, can be repeated.

use crate::service::Service;
use webpush_core::id::{EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::Entry;
use webpush_core::message::Outcome;
use webpush_core::receipt::Receipt;
use webpush_core::session::Scope;
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_store::{Applied, Durability, IdleCheck, Op, RemovalResult, StoreError};

/// Maximum number of entries that a step ends.
const SLICE: usize = 500;
/// Maximum number of pages to look through, so that a sender cannot prolong the removal endlessly.
const PAGES: usize = 20_000;

impl Service {
    /// Removes a subscription with its messages; `None` if it does not exist.
    ///
    /// # Errors
    /// After a [`StoreError`] a part may have been removed.
    pub async fn unsubscribe(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<RemovalResult>, StoreError> {
        let scope = Scope { inbox: agent, subscription: Some(id), min_urgency: Urgency::VeryLow };
        if self.subscription(agent, id).await?.is_none() {
            return Ok(None);
        }
        self.remove(&scope, Op::Unsubscribe(agent, id)).await
    }

    /// Removes an inbox with all that it has; `None` if it does not exist.
    ///
    /// # Errors
    /// After a [`StoreError`] a part may have been removed.
    pub async fn remove_inbox(&self, inbox: InboxId) -> Result<Option<RemovalResult>, StoreError> {
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        self.remove(&scope, Op::RemoveInbox(inbox)).await
    }

    /// Removes an idle inbox with all that it has; `None` if its agent has come back.
    ///
    /// Messages that were canceled before that stay so.
    pub(crate) async fn remove_idle(
        &self,
        inbox: InboxId,
        check: IdleCheck,
    ) -> Result<Option<RemovalResult>, StoreError> {
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        self.remove(&scope, Op::RemoveIdle(inbox, check)).await
    }

    /// Cancels the messages of a subscription but a few, before a commit that removes it.
    ///
    /// # Errors
    /// After a [`StoreError`] some may have been canceled.
    pub async fn cancel_messages(&self, agent: InboxId, id: SubscriptionId) -> Result<(), StoreError> {
        let scope = Scope { inbox: agent, subscription: Some(id), min_urgency: Urgency::VeryLow };
        self.cancel_in_slices(&scope).await.map(drop)
    }

    async fn remove(&self, scope: &Scope, last: Op) -> Result<Option<RemovalResult>, StoreError> {
        let (messages, receipts, receipts_dropped) = self.cancel_in_slices(scope).await?;
        Ok(match self.commit_one(last, Durability::Durable).await? {
            Applied::Removed(mut removed) => {
                removed.messages += messages;
                removed.receipts_dropped += receipts_dropped;
                removed.receipts.splice(0..0, receipts);
                Some(removed)
            }
            _ => None,
        })
    }

    /// Cancels entries until few are left.
    ///
    /// Returns the number of messages, the receipts for them, and the number of receipts that were dropped.
    async fn cancel_in_slices(&self, scope: &Scope) -> Result<(usize, Vec<Receipt>, usize), StoreError> {
        let (mut messages, mut receipts, mut receipts_dropped) = (0, Vec::new(), 0);
        let (mut after, mut slice): (_, Vec<EntryRef>) = (Position::START, Vec::new());
        for _ in 0..PAGES {
            // At this time nothing has expired, so that expired messages that are still stored are found as well.
            let page = self.fetch(None, scope, after, Timestamp::default()).await?;
            slice.extend(page.entries.iter().map(Entry::entry_ref));
            after = page.scanned;
            if slice.len() + page.entries.len() > SLICE || (!page.more && slice.len() > page.entries.len()) {
                let ops = slice.drain(..).map(|entry| Op::Settle(entry, Outcome::Canceled)).collect();
                // The last step is durable, and all before it are then.
                for applied in self.commit(ops, Durability::Lazy).await? {
                    let Applied::Settled(settled) = applied else { continue };
                    messages += usize::from(settled.accepted.is_some());
                    receipts.extend(settled.receipt);
                    receipts_dropped += settled.receipts_dropped;
                }
            }
            if !page.more {
                break;
            }
        }
        Ok((messages, receipts, receipts_dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealing_cipher::Aes256GcmSiv;
    use crate::service::Setup;
    use bytes::Bytes;
    use std::sync::{Arc, Mutex};
    use webpush_core::capability::{KeyId, Keyring};
    use webpush_core::encoding::Encoding;
    use webpush_core::id::MessageId;
    use webpush_core::inbox::{Inbox, Owner};
    use webpush_core::message::Draft;
    use webpush_core::subscription::{Protocol, Subscription};
    use webpush_store::memory::MemoryStore;
    use webpush_store::{Backend, CommitEvent, CommitObserver, Store as _};

    const AGENT: InboxId = InboxId::from_bytes([1; 16]);
    const RECEIPTS: InboxId = InboxId::from_bytes([9; 16]);

    /// The number of entries that each commit has ended.
    #[derive(Default)]
    struct Steps(Mutex<Vec<usize>>);

    impl CommitObserver for Steps {
        fn committed(&self, event: &CommitEvent<'_>) {
            let ended = |applied: &Applied| match applied {
                Applied::Settled(_) => 1,
                Applied::Removed(removed) => removed.messages,
                _ => 0,
            };
            self.0.lock().unwrap().push(event.applied.iter().map(ended).sum());
        }

        fn failed(&self) {}

        fn missed(&self) {}
    }

    fn subscription(number: u8) -> SubscriptionId {
        SubscriptionId::from_bytes([number; 16])
    }

    fn message(number: u32) -> Op {
        Op::Append(Draft {
            id: MessageId::from_bytes(u128::from(number).to_be_bytes()),
            agent: AGENT,
            subscription: subscription((number % 2) as u8),
            accepted: Timestamp::from_millis(1),
            expires: Timestamp::from_millis(2 + u64::from(number)),
            urgency: Urgency::Normal,
            topic: None,
            encoding: Encoding::default(),
            key: KeyId(1),
            receipt: number.is_multiple_of(3).then_some(RECEIPTS),
            body: Bytes::new(),
        })
    }

    async fn filled(messages: u32) -> (Arc<Service>, Arc<Steps>, Backend) {
        let keyring = Keyring::new::<Aes256GcmSiv>(&[(KeyId(1), [1; 32])]).unwrap();
        let store = MemoryStore::default();
        let (handle, steps) = (Backend::from(store.handle()), Arc::<Steps>::default());
        handle.watch(Arc::clone(&steps) as Arc<dyn CommitObserver>);
        let service = Service::new(Setup::new(store, keyring, "https://push.example"));
        let (created, key) = (Timestamp::from_millis(1), KeyId(1));
        let inbox = |id, owner| Op::CreateInbox(Inbox { id, owner, created, key });
        let mut ops = vec![inbox(AGENT, Owner::Agent), inbox(RECEIPTS, Owner::Receipts)];
        let (agent, sender) = (AGENT, None);
        let subscribe = |number| {
            let protocol = Protocol::Rfc8030;
            Op::Subscribe(Subscription { agent, id: subscription(number), created, key, sender, protocol })
        };
        ops.extend([0, 1].map(subscribe));
        ops.extend((0..messages).map(message));
        service.commit(ops, Durability::Durable).await.unwrap();
        (service, steps, handle)
    }

    /// A6: the removal of an agent with many messages does not hold other commits.
    #[tokio::test]
    async fn a_large_inbox_is_removed_in_bounded_steps() {
        let (service, steps, _handle) = filled(3000).await;
        steps.0.lock().unwrap().clear();
        let removed = service.remove_inbox(AGENT).await.unwrap().unwrap();
        assert_eq!((removed.messages, removed.receipts.len()), (3000, 1000));
        let steps = std::mem::take(&mut *steps.0.lock().unwrap());
        assert!(steps.iter().all(|ended| *ended <= SLICE), "{steps:?}");
        assert_eq!(steps.iter().sum::<usize>(), 3000);
        assert_eq!(service.inbox(AGENT).await, Ok(None));
        assert_eq!(service.remove_inbox(AGENT).await, Ok(None));
        let removed = service.remove_inbox(RECEIPTS).await.unwrap().unwrap();
        assert_eq!((removed.messages, removed.receipts), (0, Vec::new()), "a receipt is no message");
    }

    /// A6: nor that of a subscription, which leaves the messages of others alone.
    #[tokio::test]
    async fn a_large_subscription_is_removed_in_bounded_steps() {
        let (service, steps, _handle) = filled(3000).await;
        steps.0.lock().unwrap().clear();
        let removed = service.unsubscribe(AGENT, subscription(1)).await.unwrap().unwrap();
        assert_eq!((removed.subscription, removed.messages), (Some(subscription(1)), 1500));
        assert!(steps.0.lock().unwrap().iter().all(|ended| *ended <= SLICE));
        assert_eq!(service.unsubscribe(AGENT, subscription(1)).await, Ok(None));
        assert_eq!(service.remove_inbox(AGENT).await.unwrap().unwrap().messages, 1500);
    }

    /// A6: nor that of an idle agent.
    #[tokio::test]
    async fn a_large_idle_inbox_is_removed_in_bounded_steps() {
        let (service, steps, _handle) = filled(3000).await;
        steps.0.lock().unwrap().clear();
        let years_later = Timestamp::from_millis(1).after(std::time::Duration::from_secs(100_000_000));
        let removed = crate::idle::remove(&service, years_later).await;
        assert_eq!(removed, Ok(2), "the agent, and the receipts for its messages");
        let steps = std::mem::take(&mut *steps.0.lock().unwrap());
        assert!(steps.iter().all(|ended| *ended <= SLICE), "{steps:?}");
        assert_eq!(steps.iter().sum::<usize>(), 4000);
    }

    /// An agent that comes back while its messages are canceled keeps its subscriptions.
    #[tokio::test]
    async fn an_agent_that_comes_back_is_not_removed() {
        let (service, _, _handle) = filled(3000).await;
        let now = Timestamp::from_millis(1).after(std::time::Duration::from_secs(100_000_000));
        let limits = service.limits.load().idle;
        service.commit(vec![Op::Touch(AGENT, now)], Durability::Durable).await.unwrap();
        assert_eq!(service.remove_idle(AGENT, IdleCheck { now, limits }).await, Ok(None));
        assert!(service.subscription(AGENT, subscription(1)).await.unwrap().is_some());
    }

    /// A process that ends in between leaves an inbox that can be removed.
    #[tokio::test]
    async fn an_interrupted_removal_can_be_repeated() {
        let (service, _, _handle) = filled(1200).await;
        let scope = Scope { inbox: AGENT, subscription: None, min_urgency: Urgency::VeryLow };
        let (messages, receipts, _) = service.cancel_in_slices(&scope).await.unwrap();
        assert!(messages > 1000 && receipts.len() >= messages / 3);
        assert!(service.inbox(AGENT).await.unwrap().is_some());
        let removed = service.remove_inbox(AGENT).await.unwrap().unwrap();
        assert_eq!((removed.messages + messages, removed.receipts.len() + receipts.len()), (1200, 400));
    }
}
