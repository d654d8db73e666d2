//! The history that clients saw, and whether it keeps the promises of the server.
//!
//! An event is recorded when a client sends a request or reads a response. Time is a counter of these events, so that
//! order means "the response came before the other request was sent". A quiet read, with no request under way, settles
//! what became of requests without a response: from then on the server must stick to it.

mod message;
mod receipts;
#[cfg(test)]
mod tests;

pub(crate) use message::{MessageSpec, body};
pub(crate) use receipts::ReceiptEvent;

use message::{Doubt, Message};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// How long after its TTL a message may be delivered, by a request that was under way.
const EXPIRY_LEEWAY: Duration = Duration::from_secs(3);

/// A broken promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// An accepted message is gone, or a subscription.
    Lost,
    /// A message was delivered that had ended, or that was never stored.
    Returned,
    /// Messages were delivered in another order than they were accepted in.
    Order,
    /// A message was delivered with another body.
    Body,
    /// A receipt is missing, wrong, or came back.
    Receipt,
}

/// A message as it was delivered.
#[derive(Clone, Debug)]
pub(crate) struct Delivery {
    /// The path of the message.
    pub(crate) path: String,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// How much a read of an inbox proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ReadKind {
    /// The store may fail meanwhile, which ends the response early.
    Partial,
    /// Everything that was accepted before is in it.
    Complete,
    /// No other request was under way, and none is without its effect.
    Quiet,
}

/// Everything that clients sent and saw.
#[derive(Debug, Default)]
pub(crate) struct History {
    clock: u64,
    messages: Vec<Message>,
    /// Messages by path, as far as it is known.
    paths: BTreeMap<String, usize>,
    /// Broken promises, each with a description.
    pub(crate) violations: Vec<(Promise, String)>,
}

impl History {
    fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn violate(&mut self, promise: Promise, text: String) {
        self.violations.push((promise, text));
    }

    /// Number of messages that were accepted, and of those without a response.
    #[must_use]
    pub(crate) fn counts(&self) -> (u64, u64) {
        let accepted = self.messages.iter().filter(|message| message.answered.is_some()).count();
        (accepted as u64, (self.messages.len() - accepted) as u64)
    }

    /// Records that a message is sent, before its request.
    pub(crate) fn send(&mut self, spec: MessageSpec) -> usize {
        let sent = self.tick();
        if spec.topic.is_some() {
            for older in self.messages.iter_mut().filter(|older| older.shares_topic(&spec)) {
                older.replaced = older.replaced.max(Doubt::Maybe);
            }
        }
        self.messages.push(Message::new(spec, sent));
        self.messages.len() - 1
    }

    /// Records 201 or 202.
    pub(crate) fn accepted(&mut self, message: usize, path: String) {
        self.messages[message].answered = Some(self.clock + 1);
        self.store(message, path);
    }

    /// Records a response that says that the message is not stored.
    pub(crate) fn refused(&mut self, message: usize, status: u16) {
        self.messages[message].stored = Doubt::No;
        if matches!(status, 404 | 410) {
            let inbox = self.messages[message].spec.inbox;
            self.violate(Promise::Lost, format!("a subscription of agent {inbox}: a push got {status}"));
        }
    }

    /// Records the receipt subscription that the response to a message names.
    pub(crate) fn set_receipts(&mut self, message: usize, subscription: usize) {
        self.messages[message].spec.receipts = Some(subscription);
    }

    /// Checks only what holds on damaged disks.
    ///
    /// Returns the number of messages that were delivered as they were sent.
    pub(crate) fn read_damaged(&mut self, inbox: usize, deliveries: &[Delivery]) -> usize {
        deliveries.iter().filter(|delivery| self.identify(inbox, delivery).is_some()).count()
    }

    /// Returns the number of messages of an agent that have not ended, at least.
    #[must_use]
    pub(crate) fn pending(&self, inbox: usize) -> usize {
        let is_pending = |message: &&Message| {
            message.spec.inbox == inbox
                && message.stored == Doubt::Yes
                && message.settled == Doubt::No
                && message.replaced == Doubt::No
                && !message.can_expire()
        };
        self.messages.iter().filter(is_pending).count()
    }

    /// Records that a message is known to be stored.
    fn store(&mut self, message: usize, path: String) {
        let now = self.tick();
        let stored = &mut self.messages[message];
        stored.stored = Doubt::Yes;
        stored.path = Some(path.clone());
        let spec = stored.spec.clone();
        self.paths.insert(path, message);
        if spec.topic.is_some() {
            for older in self.messages[..message].iter_mut().filter(|older| older.shares_topic(&spec)) {
                if older.replaced != Doubt::Yes {
                    older.replaced = Doubt::Yes;
                    older.replaced_at = now;
                }
            }
        }
    }

    /// Records that an acknowledgement is sent, before its request.
    pub(crate) fn acknowledge(&mut self, path: &str) {
        if let Some(message) = self.paths.get(path) {
            let message = &mut self.messages[*message];
            message.settled = message.settled.max(Doubt::Maybe);
            message.acknowledgements += 1;
        }
    }

    /// Records the response to an acknowledgement. Other statuses than 204 and 404 leave it in doubt.
    pub(crate) fn acknowledged(&mut self, path: &str, status: u16) {
        let Some(&number) = self.paths.get(path) else { return };
        let message = &mut self.messages[number];
        // One without a response may have had its effect.
        let is_only_one = message.acknowledgements == 1;
        match status {
            204 => {
                message.settled = Doubt::Yes;
                message.owes_receipt = true;
            }
            404 if is_only_one && message.replaced == Doubt::No && !message.can_expire() => {
                self.violate(Promise::Lost, format!("message {number}: its acknowledgement got 404"));
            }
            _ => {}
        }
    }

    /// Begins to read an inbox; returns the time for [`History::read`].
    pub(crate) fn begin_read(&mut self) -> (u64, Instant) {
        (self.tick(), Instant::now())
    }

    /// Records the content of an inbox. Its agent must not have acknowledged anything meanwhile.
    pub(crate) fn read(
        &mut self,
        inbox: usize,
        began: (u64, Instant),
        deliveries: &[Delivery],
        kind: ReadKind,
    ) {
        let mut present = BTreeMap::new();
        let mut last_sent = (0, 0);
        for delivery in deliveries {
            let Some(number) = self.identify(inbox, delivery) else { continue };
            if present.insert(number, ()).is_some() {
                self.violate(Promise::Returned, format!("message {number} came twice in one response"));
            }
            self.check_present(number, began);
            if self.messages[number].stored != Doubt::Yes {
                self.store(number, delivery.path.clone());
            }
            let message = &self.messages[number];
            let answered = message.answered.unwrap_or(u64::MAX);
            if answered < last_sent.0 {
                let text = format!(
                    "agent {inbox}: message {number} came after message {}, which was sent later",
                    last_sent.1
                );
                self.violate(Promise::Order, text);
            }
            last_sent = last_sent.max((self.messages[number].sent, number));
        }
        for number in 0..self.messages.len() {
            if self.messages[number].spec.inbox == inbox {
                self.resolve(number, began.0, present.contains_key(&number), kind);
            }
        }
    }

    /// Returns the message that has this body.
    fn identify(&mut self, inbox: usize, delivery: &Delivery) -> Option<usize> {
        let number = message::number(&delivery.body).filter(|number| *number < self.messages.len());
        let known = number.filter(|number| {
            let message = &self.messages[*number];
            message.spec.inbox == inbox
                && delivery.body == body(*number, message.spec.length)
                && message.path.as_ref().is_none_or(|path| *path == delivery.path)
        });
        if known.is_none() {
            let text = format!(
                "agent {inbox}: {} bytes that nobody sent to it, or under another URL{}",
                delivery.body.len(),
                number.map(|number| format!(", beginning as message {number}")).unwrap_or_default()
            );
            self.violate(Promise::Body, text);
        }
        known
    }

    fn check_present(&mut self, number: usize, began: (u64, Instant)) {
        let message = &self.messages[number];
        let reason = match message {
            Message { settled: Doubt::Yes, .. } => "after its acknowledgement",
            Message { replaced: Doubt::Yes, replaced_at, .. } if *replaced_at < began.0 => {
                "although its topic was replaced"
            }
            Message { stored: Doubt::No, .. } => "although it was not stored after an earlier start",
            Message { expires: Some(expires), .. } if *expires + EXPIRY_LEEWAY < began.1 => "after its TTL",
            _ => return,
        };
        self.violate(Promise::Returned, format!("message {number} was delivered {reason}"));
    }

    /// Updates the state of a message after a read.
    fn resolve(&mut self, number: usize, began: u64, is_present: bool, kind: ReadKind) {
        let is_quiet = kind == ReadKind::Quiet;
        let message = &mut self.messages[number];
        if is_present {
            if is_quiet {
                // It has not ended, so it must stay.
                for doubt in [&mut message.settled, &mut message.replaced] {
                    if *doubt == Doubt::Maybe {
                        *doubt = Doubt::No;
                    }
                }
            }
            return;
        }
        let must_be_present = kind != ReadKind::Partial
            && message.stored == Doubt::Yes
            && message.stored_before(began)
            && message.settled == Doubt::No
            && message.replaced == Doubt::No
            && !message.can_expire();
        if must_be_present {
            // Reported once.
            message.settled = Doubt::Yes;
            let state = if message.answered.is_some() { "accepted" } else { "delivered before" };
            self.violate(Promise::Lost, format!("message {number}, which was {state}"));
        } else if is_quiet {
            if message.settled == Doubt::Maybe {
                message.owes_receipt = message.replaced == Doubt::No && !message.can_expire();
                message.settled = Doubt::Yes;
            }
            if message.replaced == Doubt::Maybe {
                message.replaced = Doubt::Yes;
                message.replaced_at = began;
            }
            if message.stored == Doubt::Maybe {
                message.stored = Doubt::No;
            }
        }
    }
}
