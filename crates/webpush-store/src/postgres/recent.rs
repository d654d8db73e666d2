//! Messages appended recently by this node, so that a message that is submitted again is stored once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use webpush_core::id::{InboxId, MessageId, Position};

/// Messages in a generation. Two generations are remembered.
const GENERATION: usize = 50_000;

type Generation = HashMap<(InboxId, MessageId), Position>;

/// The positions of messages by inbox and ID.
#[derive(Default)]
pub(super) struct RecentMessages(Mutex<Generations>);

#[derive(Default)]
struct Generations {
    young: Generation,
    old: Generation,
}

impl RecentMessages {
    pub(super) fn position(&self, inbox: InboxId, message: MessageId) -> Option<Position> {
        let generations = self.lock();
        let key = (inbox, message);
        generations.young.get(&key).or_else(|| generations.old.get(&key)).copied()
    }

    pub(super) fn add(&self, messages: impl IntoIterator<Item = ((InboxId, MessageId), Position)>) {
        let mut generations = self.lock();
        for (key, position) in messages {
            if generations.young.len() >= GENERATION {
                generations.old = std::mem::take(&mut generations.young);
            }
            generations.young.insert(key, position);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Generations> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
