//! Receipts of a history.

use super::message::Doubt;
use super::{History, Promise};
use std::collections::BTreeSet;

/// A receipt as it was delivered.
#[derive(Clone, Debug)]
pub(crate) struct ReceiptEvent {
    /// The path of the receipt, to acknowledge it.
    pub(crate) path: String,
    /// The path of the message.
    pub(crate) message: String,
    /// 204 or 410.
    pub(crate) status: u64,
}

impl History {
    /// Records the content of a receipt subscription.
    ///
    /// If the read is quiet, read the inboxes of all agents before.
    pub(crate) fn read_receipts(&mut self, subscription: usize, receipts: &[ReceiptEvent], is_quiet: bool) {
        let mut present = BTreeSet::new();
        for receipt in receipts {
            let Some(&number) = self.paths.get(&receipt.message) else {
                // A message without a response may have expired before any agent saw it.
                if receipt.status != 410 {
                    self.violate(Promise::Receipt, format!("{} for an unknown message", receipt.status));
                }
                continue;
            };
            present.insert(number);
            self.check_receipt(number, subscription, receipt.status, is_quiet);
        }
        for number in 0..self.messages.len() {
            let message = &mut self.messages[number];
            if message.spec.receipts != Some(subscription) {
                continue;
            }
            match (present.contains(&number), message.receipt_settled) {
                (true, Doubt::Maybe) if is_quiet => message.receipt_settled = Doubt::No,
                (false, Doubt::Maybe) if is_quiet => message.receipt_settled = Doubt::Yes,
                (false, Doubt::No) if is_quiet && message.owes_receipt && message.stored == Doubt::Yes => {
                    message.owes_receipt = false;
                    self.violate(Promise::Receipt, format!("the receipt of message {number} is missing"));
                }
                _ => {}
            }
        }
    }

    fn check_receipt(&mut self, number: usize, subscription: usize, status: u64, is_quiet: bool) {
        let message = &self.messages[number];
        let wrong = if message.spec.receipts != Some(subscription) {
            "is for another sender"
        } else if message.receipt_settled == Doubt::Yes {
            "came back after its acknowledgement"
        } else if status == 410 && !message.can_expire() {
            "says 410 for a message that did not expire"
        } else if status == 204 && (message.settled == Doubt::No || is_quiet && message.settled != Doubt::Yes)
        {
            "says 204 for a message that was not acknowledged"
        } else if !matches!(status, 204 | 410) {
            "has another status than 204 and 410"
        } else {
            return;
        };
        self.violate(Promise::Receipt, format!("the receipt of message {number} {wrong}"));
    }

    /// Records that a receipt is acknowledged: before the request without a status, then with it.
    pub(crate) fn acknowledge_receipt(&mut self, receipt: &ReceiptEvent, status: Option<u16>) {
        let Some(number) = self.paths.get(&receipt.message) else { return };
        let message = &mut self.messages[*number];
        match status {
            Some(204) => message.receipt_settled = Doubt::Yes,
            _ => message.receipt_settled = message.receipt_settled.max(Doubt::Maybe),
        }
    }
}
