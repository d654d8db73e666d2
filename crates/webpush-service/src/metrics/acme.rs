//! ACME orders.

use super::exposition::{Counters, Exposition};
use std::fmt;

const OUTCOMES: [&str; 2] = ["issued", "failed"];

/// Completed ACME orders.
#[derive(Debug, Default)]
pub struct AcmeCounts {
    orders: Counters<2>,
}

impl AcmeCounts {
    /// Counts a completed order.
    pub fn count_order(&self, issued: bool) {
        self.orders.add(usize::from(!issued), 1);
    }

    pub(super) fn encode(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.counters(
            "acme_orders",
            "ACME orders completed, by outcome.",
            "outcome",
            self.orders.labeled(OUTCOMES),
        )
    }
}
