//! Reads that share a statement: look-ups of subscriptions, and fetches of inboxes.
//!
//! Every push needs the first, and every message of another node the second.
//! While a statement reads for some, the next ones wait and share another one, as commits share a group.

use super::read::{InboxRows, Readers, SubscriptionKey};
use crate::StoreError;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::timeout;
use webpush_core::inbox::Entry;
use webpush_core::subscription::Subscription;

/// Statements that may be under way.
const RUNNING: usize = 2;

/// A kind of read that many callers can share.
pub(super) trait SharedRead: 'static {
    /// The row or rows that one caller asks for.
    type Key: Copy + Send + Sync + 'static;
    /// The result for one caller.
    type Value: Send + 'static;

    /// Callers that share a statement at most.
    const TOGETHER: usize;

    /// Reads by one statement. Returns a result for each key, in their order.
    fn read(
        readers: &Readers,
        keys: &[Self::Key],
    ) -> impl Future<Output = Result<Vec<Result<Self::Value, StoreError>>, StoreError>> + Send;
}

/// Looks up subscriptions.
pub(super) struct SubscriptionLookup;

impl SharedRead for SubscriptionLookup {
    type Key = SubscriptionKey;
    type Value = Option<Subscription>;

    const TOGETHER: usize = 256;

    async fn read(
        readers: &Readers,
        keys: &[SubscriptionKey],
    ) -> Result<Vec<Result<Option<Subscription>, StoreError>>, StoreError> {
        let found = readers.subscriptions(keys).await?;
        Ok(keys.iter().map(|key| found.get(key).cloned().transpose()).collect())
    }
}

/// Reads the first entries after a position of an inbox.
pub(super) struct FirstRows;

impl SharedRead for FirstRows {
    type Key = InboxRows;
    type Value = Vec<Entry>;

    /// Each caller may get a whole page.
    const TOGETHER: usize = 32;

    async fn read(
        readers: &Readers,
        keys: &[InboxRows],
    ) -> Result<Vec<Result<Vec<Entry>, StoreError>>, StoreError> {
        readers.first_rows(keys).await
    }
}

type ResultOf<R> = Result<<R as SharedRead>::Value, StoreError>;
type Waiting<R> = (<R as SharedRead>::Key, oneshot::Sender<ResultOf<R>>);

/// Reads of one kind.
pub(super) struct SharedReads<R: SharedRead> {
    readers: Arc<Readers>,
    runtime: Handle,
    state: Arc<Mutex<ReadQueue<R>>>,
}

/// Reads that no statement has begun.
struct ReadQueue<R: SharedRead> {
    waiting: Vec<Waiting<R>>,
    running: usize,
}

impl<R: SharedRead> SharedReads<R> {
    pub(super) fn new(readers: Arc<Readers>, runtime: Handle) -> Self {
        let state = Arc::new(Mutex::new(ReadQueue { waiting: Vec::new(), running: 0 }));
        Self { readers, runtime, state }
    }

    /// Reads by a statement that begins after this call.
    pub(super) async fn read(&self, key: R::Key) -> ResultOf<R> {
        let (sender, found) = oneshot::channel();
        let starts = {
            let mut state = lock(&self.state);
            state.waiting.push((key, sender));
            let starts = state.running < RUNNING;
            state.running += usize::from(starts);
            starts
        };
        if starts {
            let (readers, state) = (Arc::clone(&self.readers), Arc::clone(&self.state));
            let run = Run { readers, state, is_done: false };
            self.runtime.spawn(run.run());
        }
        // The statement before may take as long as its own.
        match timeout(super::read::TIMEOUT, found).await {
            Ok(Ok(found)) => found,
            Ok(Err(_)) | Err(_) => Err(StoreError::Unavailable),
        }
    }
}

/// A task that reads what waits.
struct Run<R: SharedRead> {
    readers: Arc<Readers>,
    state: Arc<Mutex<ReadQueue<R>>>,
    is_done: bool,
}

impl<R: SharedRead> Run<R> {
    async fn run(mut self) {
        while let Some(mut together) = self.take() {
            // Their callers may have gone.
            together.retain(|(_, sender)| !sender.is_closed());
            let keys: Vec<R::Key> = together.iter().map(|(key, _)| *key).collect();
            let senders = together.into_iter().map(|(_, sender)| sender);
            // A send fails if the caller has gone.
            match R::read(&self.readers, &keys).await {
                Ok(found) => senders.zip(found).for_each(|(sender, result)| drop(sender.send(result))),
                Err(error) => senders.for_each(|sender| drop(sender.send(Err(error.clone())))),
            }
        }
    }

    /// Takes what waits; `None` if nothing does, and the task is done.
    fn take(&mut self) -> Option<Vec<Waiting<R>>> {
        let mut state = lock(&self.state);
        if state.waiting.is_empty() {
            state.running -= 1;
            self.is_done = true;
            return None;
        }
        let count = state.waiting.len().min(R::TOGETHER);
        Some(state.waiting.drain(..count).collect())
    }
}

impl<R: SharedRead> Drop for Run<R> {
    /// Fails what waits if the task has panicked, or its runtime has ended.
    fn drop(&mut self) {
        if !self.is_done {
            let mut state = lock(&self.state);
            state.running -= 1;
            state.waiting.clear();
        }
    }
}

fn lock<R: SharedRead>(state: &Mutex<ReadQueue<R>>) -> MutexGuard<'_, ReadQueue<R>> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
