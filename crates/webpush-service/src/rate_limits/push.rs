//! The rate policy of push requests.
//!
//! | stage | charged | reason |
//! |---|---|---|
//! | found | subscription and agent, unless restricted to one sender | needs only the URL, so a flood is refused before its bodies are read |
//! | authenticated | sender | with unverified keys, others could exhaust a sender's rate |
//! | accepted | subscription and agent, if restricted to one sender | earlier, anyone who knows the URL could exhaust that sender's rate |

use super::RateLimits;
use crate::client_addr::ClientAddr;
use webpush_core::problem::{LimitKind, Problem};
use webpush_core::subscription::{SenderKey, Subscription};

/// A stage of a push request. Each is charged once, in this order.
#[derive(Clone, Copy, Debug)]
pub enum PushStage<'a> {
    /// The subscription of its URL exists.
    Found(&'a Subscription),
    /// The signature of its sender is valid.
    Authenticated(&'a SenderKey),
    /// It meets all conditions of its subscription, and is about to be stored.
    Accepted(&'a Subscription),
}

impl RateLimits {
    /// Charges a push request for a stage.
    ///
    /// # Errors
    /// Fails with [`Problem::TooManyRequests`] if a rate is exceeded.
    pub fn charge(&self, client: &ClientAddr, stage: PushStage<'_>) -> Result<(), Problem> {
        match stage {
            PushStage::Found(subscription) if subscription.sender.is_none() => {
                self.charge_message(client, subscription)
            }
            PushStage::Accepted(subscription) if subscription.sender.is_some() => {
                self.charge_message(client, subscription)
            }
            PushStage::Found(_) | PushStage::Accepted(_) => Ok(()),
            PushStage::Authenticated(sender) => self.charge_sender(client, sender),
        }
    }

    fn charge_message(&self, client: &ClientAddr, to: &Subscription) -> Result<(), Problem> {
        self.charge_key(client, self.subscriptions.as_ref(), to.id, LimitKind::Subscription)?;
        self.charge_key(client, self.agents.as_ref(), to.agent, LimitKind::Agent)
    }

    fn charge_sender(&self, client: &ClientAddr, sender: &SenderKey) -> Result<(), Problem> {
        let Some(table) = &self.senders else { return Ok(()) };
        let sender = super::sender_hash(sender);
        if self.exempt_senders.contains(&sender) {
            return Ok(());
        }
        self.charge_key(client, Some(table), sender, LimitKind::Sender)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{client, limits, refused, subscription};
    use super::*;

    const SENDER: SenderKey = SenderKey([1; 65]);

    #[test]
    fn an_open_subscription_is_charged_before_the_body_and_a_restricted_one_after_authentication() {
        for (restricted_to, charged_when_found) in [(None, true), (Some(SENDER), false)] {
            let limits = limits(|rates| rates.subscription = "1/m:1".parse().unwrap());
            let (client, mut to) = (client("192.0.2.1"), subscription(1, 1));
            to.sender = restricted_to;
            let [found, accepted] = [PushStage::Found(&to), PushStage::Accepted(&to)];
            let (due, free) = if charged_when_found { (found, accepted) } else { (accepted, found) };
            (0..3).for_each(|_| assert_eq!(limits.charge(&client, free), Ok(())));
            assert_eq!(limits.charge(&client, due), Ok(()));
            assert_eq!(limits.charge(&client, due), refused(LimitKind::Subscription, 60));
            assert_eq!(limits.charge(&client, free), Ok(()));
        }
    }
}
