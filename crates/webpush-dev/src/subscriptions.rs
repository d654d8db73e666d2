//! All subscriptions that tests know.

use crate::namespace::NamespaceScope;
use crate::record::PushTarget;
use crate::subscription::KnownSubscription;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of virtual agents, which have two sockets each.
const MAX_SUBSCRIPTIONS: usize = 5_000;

/// The subscriptions, oldest first.
#[derive(Default)]
pub(crate) struct Subscriptions(Mutex<Table>);

#[derive(Default)]
struct Table {
    list: Vec<Arc<KnownSubscription>>,
    /// IDs by target.
    ///
    /// Targets before a rotation stay, so that late pushes are recorded with their subscription.
    by_target: HashMap<PushTarget, String>,
    last: u64,
}

impl Subscriptions {
    /// Returns an ID for a new subscription.
    pub(crate) fn next_id(&self) -> String {
        let mut table = self.table();
        table.last += 1;
        format!("s{}", table.last)
    }

    /// Adds a subscription, or replaces that with its ID.
    pub(crate) fn put(&self, subscription: KnownSubscription) -> Arc<KnownSubscription> {
        let subscription = Arc::new(subscription);
        let mut table = self.table();
        table.by_target.insert(subscription.target, subscription.id.clone());
        match table.list.iter_mut().find(|one| one.id == subscription.id) {
            Some(old) => *old = Arc::clone(&subscription),
            None => table.list.push(Arc::clone(&subscription)),
        }
        subscription
    }

    /// Returns true if there is no room for another virtual agent.
    pub(crate) fn is_full(&self) -> bool {
        self.table().list.len() >= MAX_SUBSCRIPTIONS
    }

    /// Returns a subscription of a scope.
    pub(crate) fn get(&self, scope: &NamespaceScope, id: &str) -> Option<Arc<KnownSubscription>> {
        let found = self.table().list.iter().find(|one| one.id == id).cloned();
        found.filter(|one| scope.includes(&one.namespace))
    }

    /// Returns the subscription of a push.
    pub(crate) fn of_target(&self, target: &PushTarget) -> Option<Arc<KnownSubscription>> {
        let table = self.table();
        let id = table.by_target.get(target)?;
        table.list.iter().find(|one| one.id == *id).cloned()
    }

    /// Returns the subscriptions of a scope.
    pub(crate) fn all(&self, scope: &NamespaceScope) -> Vec<Arc<KnownSubscription>> {
        self.table().list.iter().filter(|one| scope.includes(&one.namespace)).cloned().collect()
    }

    /// Removes the subscriptions of a scope, and returns them.
    pub(crate) fn take(&self, scope: &NamespaceScope) -> Vec<Arc<KnownSubscription>> {
        let mut table = self.table();
        let (taken, kept) =
            std::mem::take(&mut table.list).into_iter().partition(|one| scope.includes(&one.namespace));
        table.list = kept;
        let Table { list, by_target, .. } = &mut *table;
        by_target.retain(|_, id| list.iter().any(|one| one.id == *id));
        taken
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
