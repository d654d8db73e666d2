//! A store whose positions are shown as those of the model.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use webpush_core::id::{ChannelId, EntryRef, InboxId, Position, SubscriptionId};
use webpush_core::inbox::{Entry, Inbox};
use webpush_core::message::Message;
use webpush_core::receipt::Receipt;
use webpush_core::session::{Page, Scope};
use webpush_core::subscription::Subscription;
use webpush_core::time::Timestamp;
use webpush_store::contract::block_on;
use webpush_store::memory::MemoryStore;
use webpush_store::postgres::PostgresStore;
use webpush_store::{
    Applied, CommitObserver, Detail, Done, Due, Durability, IdleCheck, Latest, Notice, Op, Record, Snapshot,
    Store, StoreError,
};

/// Where a position that the store has not assigned is looked for.
const NOWHERE: u64 = 1 << 60;

/// A store on PostgreSQL.
///
/// A new inbox starts above the positions of removed ones in it, and above those of all in the model.
pub(crate) struct Translated {
    store: PostgresStore,
    positions: Mutex<Positions>,
}

#[derive(Default)]
struct Positions {
    in_model: BTreeMap<(InboxId, Position), Position>,
    in_store: BTreeMap<(InboxId, Position), Position>,
    /// The position that a snapshot of the model begins with.
    highest: Position,
}

impl Positions {
    fn add(&mut self, inbox: InboxId, model: Position, store: Position) {
        let end = (inbox, Position::END);
        if let Some((_, known)) = self.in_store.range((inbox, model)..=end).next() {
            assert_eq!((*known, self.in_model.get(&(inbox, store))), (store, Some(&model)));
            return;
        }
        let later = self.in_model.range((inbox, store)..=end).next();
        assert_eq!(later, None, "positions grow: {store:?} was assigned in {inbox:?}");
        self.in_store.insert((inbox, model), store);
        self.in_model.insert((inbox, store), model);
    }

    fn position(&self, inbox: InboxId, position: Position) -> Position {
        self.in_model.get(&(inbox, position)).copied().unwrap_or(position)
    }

    fn entry_ref(&self, entry: EntryRef) -> EntryRef {
        EntryRef { position: self.position(entry.inbox, entry.position), ..entry }
    }

    fn message(&self, message: &Arc<Message>) -> Arc<Message> {
        let position = self.position(message.agent, message.position);
        Arc::new(Message { position, ..Message::clone(message) })
    }

    fn receipt(&self, receipt: Receipt) -> Receipt {
        let position = self.position(receipt.inbox, receipt.position);
        Receipt { position, about: self.entry_ref(receipt.about), ..receipt }
    }

    fn entry(&self, entry: Entry) -> Entry {
        match entry {
            Entry::Message(message) => Entry::Message(self.message(&message)),
            Entry::Receipt(receipt) => Entry::Receipt(self.receipt(receipt)),
        }
    }

    fn to_store(&self, inbox: InboxId, position: Position) -> Position {
        if position == Position::START || position == Position::END {
            return position;
        }
        let nowhere = || Position::new(NOWHERE + position.get());
        self.in_store.get(&(inbox, position)).copied().unwrap_or_else(nowhere)
    }

    fn applied(&self, applied: Applied) -> Applied {
        match applied {
            Applied::Appended(mut appended) => {
                appended.message = self.message(&appended.message);
                appended.replaced = appended.replaced.map(|entry| self.entry_ref(entry));
                appended.dropped.iter_mut().for_each(|entry| *entry = self.entry_ref(*entry));
                appended.receipts.iter_mut().for_each(|receipt| *receipt = self.receipt(*receipt));
                Applied::Appended(appended)
            }
            Applied::Duplicate(message) => Applied::Duplicate(self.message(&message)),
            Applied::Settled(mut settled) => {
                settled.entry = self.entry_ref(settled.entry);
                settled.receipt = settled.receipt.map(|receipt| self.receipt(receipt));
                Applied::Settled(settled)
            }
            Applied::Removed(mut removed) => {
                removed.receipts.iter_mut().for_each(|receipt| *receipt = self.receipt(*receipt));
                Applied::Removed(removed)
            }
            other => other,
        }
    }

    fn record(&self, record: Record) -> Record {
        match record {
            Record::Entry(entry) => Record::Entry(self.entry(entry)),
            Record::Position(_) => Record::Position(self.highest),
            other => other,
        }
    }
}

/// Returns the inbox and position of each entry that an operation stored, in the order of storing.
fn stored(applied: &Applied) -> Vec<(InboxId, Position)> {
    let place = |receipt: &Receipt| (receipt.inbox, receipt.position);
    match applied {
        Applied::Appended(appended) => std::iter::once((appended.message.agent, appended.message.position))
            .chain(appended.receipts.iter().map(place))
            .collect(),
        Applied::Settled(settled) => settled.receipt.iter().map(place).collect(),
        Applied::Removed(removed) => removed.receipts.iter().map(place).collect(),
        _ => Vec::new(),
    }
}

impl Translated {
    pub(crate) fn new(store: PostgresStore) -> Self {
        Self { store, positions: Mutex::default() }
    }

    pub(crate) const fn inner(&self) -> &PostgresStore {
        &self.store
    }

    /// Goes on with another store that has the same entries.
    pub(crate) fn replace(&mut self, store: PostgresStore) {
        self.store.close();
        self.store = store;
    }

    /// Records which position of the store is which of the model, from the results of the same operations.
    pub(crate) fn learn(&self, model: &[Applied], store: &[Applied]) {
        let mut positions = self.positions.lock().unwrap();
        for (of_model, of_store) in model.iter().flat_map(stored).zip(store.iter().flat_map(stored)) {
            assert_eq!(of_model.0, of_store.0);
            positions.add(of_model.0, of_model.1, of_store.1);
        }
    }

    pub(crate) fn translated(&self, applied: Vec<Applied>) -> Vec<Applied> {
        let positions = self.positions.lock().unwrap();
        applied.into_iter().map(|applied| positions.applied(applied)).collect()
    }

    /// Makes a snapshot begin with the position of the model.
    pub(crate) fn set_highest(&self, model: &MemoryStore) {
        let first = block_on(model.snapshot(&Detail::INBOXES)).unwrap().next().unwrap().unwrap();
        if let Record::Position(highest) = first {
            self.positions.lock().unwrap().highest = highest;
        }
    }

    fn show<T>(&self, show: impl FnOnce(&Positions) -> T) -> T {
        show(&self.positions.lock().unwrap())
    }
}

impl Store for Translated {
    fn commit(&self, ops: Vec<Op>, durability: Durability, done: Done) {
        let to_store = |op| match op {
            Op::Settle(entry, outcome) => {
                let position = self.show(|positions| positions.to_store(entry.inbox, entry.position));
                Op::Settle(EntryRef { position, ..entry }, outcome)
            }
            other => other,
        };
        self.store.commit(ops.into_iter().map(to_store).collect(), durability, done);
    }

    fn watch(&self, observer: Arc<dyn CommitObserver>) {
        self.store.watch(observer);
    }

    fn notify(&self, notice: Notice) {
        self.store.notify(notice);
    }

    async fn inbox(&self, id: InboxId) -> Result<Option<Inbox>, StoreError> {
        self.store.inbox(id).await
    }

    async fn subscription(
        &self,
        agent: InboxId,
        id: SubscriptionId,
    ) -> Result<Option<Subscription>, StoreError> {
        self.store.subscription(agent, id).await
    }

    async fn channel(&self, agent: InboxId, channel: ChannelId) -> Result<Option<Subscription>, StoreError> {
        self.store.channel(agent, channel).await
    }

    async fn entry(&self, entry: &EntryRef) -> Result<Option<Entry>, StoreError> {
        let position = self.show(|positions| positions.to_store(entry.inbox, entry.position));
        let found = self.store.entry(&EntryRef { position, ..*entry }).await?;
        Ok(found.map(|entry| self.show(|positions| positions.entry(entry))))
    }

    async fn fetch(&self, scope: &Scope, after: Position, now: Timestamp) -> Result<Page, StoreError> {
        let after = self.show(|positions| positions.to_store(scope.inbox, after));
        let page = self.store.fetch(scope, after, now).await?;
        Ok(self.show(|positions| Page {
            entries: page.entries.into_iter().map(|entry| positions.entry(entry)).collect(),
            scanned: positions.position(scope.inbox, page.scanned),
            more: page.more,
        }))
    }

    async fn latest(&self, scope: &Scope, before: Position, now: Timestamp) -> Result<Latest, StoreError> {
        let before = self.show(|positions| positions.to_store(scope.inbox, before));
        let latest = self.store.latest(scope, before, now).await?;
        Ok(self.show(|positions| match latest {
            Latest::Entry(entry) => Latest::Entry(positions.entry(entry)),
            Latest::Continue(position) => Latest::Continue(positions.position(scope.inbox, position)),
            Latest::Nothing => Latest::Nothing,
        }))
    }

    async fn due(&self, now: Timestamp, limit: usize) -> Result<Due, StoreError> {
        let due = self.store.due(now, limit).await?;
        let entries = due.entries.into_iter();
        Ok(self.show(|positions| Due {
            entries: entries.map(|entry| positions.entry_ref(entry)).collect(),
            next: due.next,
        }))
    }

    async fn idle(&self, check: &IdleCheck, limit: usize) -> Result<Vec<InboxId>, StoreError> {
        self.store.idle(check, limit).await
    }

    async fn snapshot(&self, detail: &Detail) -> Result<Snapshot, StoreError> {
        let records: Vec<_> = self.store.snapshot(detail).await?.collect();
        let show = |record: Record| self.show(|positions| positions.record(record));
        let records: Vec<_> = records.into_iter().map(|record| record.map(show)).collect();
        Ok(Box::new(records.into_iter()))
    }

    fn close(&self) {
        self.store.close();
    }
}
