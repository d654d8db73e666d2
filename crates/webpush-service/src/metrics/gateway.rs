//! The Matrix gateway.

use super::exposition::{Counters, Exposition};
use std::fmt;

/// The end of one delivery, in the order of `VERDICTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayOutcome {
    /// The push service has the message.
    Done,
    /// The push URL will never work.
    Rejected,
    /// The delivery may work later.
    Again,
}

const VERDICTS: [&str; 3] = ["done", "rejected", "again"];

/// Deliveries of the gateway, one for each device of a notification.
#[derive(Debug, Default)]
pub struct GatewayCounts {
    here: Counters<3>,
    elsewhere: Counters<3>,
}

impl GatewayCounts {
    /// A delivery is over, to a push URL of this service or of another.
    pub fn count_delivery(&self, here: bool, outcome: GatewayOutcome) {
        let counters = if here { &self.here } else { &self.elsewhere };
        counters.add(outcome as usize, 1);
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.table(
            "gateway_deliveries",
            "Devices of notifications of Matrix homeservers, by whose push URL they have, and what became of it: done, \
             rejected for good, or to be sent again. What is no push URL at all counts as elsewhere.",
            ["target", "verdict"],
            self.here.row("here", VERDICTS).chain(self.elsewhere.row("elsewhere", VERDICTS)),
        )
    }
}
