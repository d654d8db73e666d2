//! What messages and agents are called where people see them. An id is half of a capability, so what is shown is a hash of
//! it, with a key that this process alone has: the same thing has the same name until it ends.

use std::hash::{BuildHasher as _, RandomState};
use webpush_core::id::{InboxId, MessageId};

/// Makes names.
#[derive(Default)]
pub struct Names(RandomState);

impl Names {
    /// Of a message.
    #[must_use]
    pub fn message(&self, id: MessageId) -> String {
        self.name("message", id.as_bytes())
    }

    /// Of an agent.
    #[must_use]
    pub fn agent(&self, id: InboxId) -> String {
        self.name("agent", id.as_bytes())
    }

    fn name(&self, kind: &str, bytes: &[u8; 16]) -> String {
        format!("{:016x}", self.0.hash_one((kind, bytes)))
    }
}
