//! Certificates by ACME.

use super::exposition::{Counters, Exposition};
use std::fmt;

const OUTCOMES: [&str; 2] = ["issued", "failed"];

/// Orders of certificates that are over.
#[derive(Debug, Default)]
pub struct AcmeCounts {
    orders: Counters<2>,
}

impl AcmeCounts {
    /// An order is over, with a certificate that can be used or without.
    pub fn count_order(&self, issued: bool) {
        self.orders.add(usize::from(!issued), 1);
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.counters(
            "acme_orders",
            "Certificates that were ordered by ACME, and what became of it.",
            "outcome",
            self.orders.named(OUTCOMES),
        )
    }
}
