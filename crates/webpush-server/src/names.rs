//! What agents and subscriptions are called in front of people: keyed hashes of their ids. They say whether two are the
//! same, and grant nothing; nobody without the keys of the data folder can go from the one to the other.

use aws_lc_rs::hmac;
use webpush_core::id::{InboxId, SubscriptionId};

/// What the key of the hashes is derived for.
const PURPOSE: &[u8] = b"webpush-server names";
const NAME_BYTES: usize = 8;

/// Gives names, the same for as long as there is the data folder.
pub struct Names(hmac::Key);

impl Names {
    /// Under the first sealing key of the folder, which is never removed.
    #[must_use]
    pub fn new(first_sealing_key: &[u8; 32]) -> Self {
        let from = hmac::Key::new(hmac::HMAC_SHA256, first_sealing_key);
        Self(hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&from, PURPOSE).as_ref()))
    }

    /// Of an agent.
    #[must_use]
    pub fn agent(&self, agent: InboxId) -> String {
        self.of(agent.as_bytes())
    }

    /// Of a subscription, within its agent.
    #[must_use]
    pub fn subscription(&self, agent: InboxId, id: SubscriptionId) -> String {
        self.of(&[&agent.as_bytes()[..], id.as_bytes()].concat())
    }

    fn of(&self, id: &[u8]) -> String {
        let hash = hmac::sign(&self.0, id);
        hash.as_ref().iter().take(NAME_BYTES).map(|byte| format!("{byte:02x}")).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_and_differ_by_id_and_folder() {
        let names = Names::new(&[1; 32]);
        let [one, other] = [1, 2].map(|n| InboxId::from_bytes([n; 16]));
        let id = SubscriptionId::from_bytes([1; 16]);
        assert_eq!(names.agent(one), Names::new(&[1; 32]).agent(one));
        assert_eq!(names.agent(one).len(), 2 * NAME_BYTES);
        let all = [names.agent(one), names.agent(other), names.subscription(one, id)];
        assert!(all.iter().enumerate().all(|(n, name)| !all[..n].contains(name)));
        assert_ne!(names.agent(one), Names::new(&[2; 32]).agent(one));
    }
}
