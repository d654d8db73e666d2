//! The Matrix gateway.

use super::exposition::{Counters, Exposition};
use std::fmt;

/// The outcome of one delivery, in the order of `VERDICTS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GatewayOutcome {
    /// The push service accepted the message.
    Done,
    /// The push URL will never work.
    Rejected,
    /// The delivery may succeed later.
    Again,
}

const VERDICTS: [&str; 3] = ["done", "rejected", "again"];

/// Counters of deliveries, one for each device of a notification.
#[derive(Debug, Default)]
pub struct GatewayCounts {
    here: Counters<3>,
    elsewhere: Counters<3>,
}

impl GatewayCounts {
    /// Counts a delivery to a push URL of this server, or of another push service.
    pub fn count_delivery(&self, here: bool, outcome: GatewayOutcome) {
        let counters = if here { &self.here } else { &self.elsewhere };
        counters.add(outcome as usize, 1);
    }

    pub(super) fn encode(&self, out: &mut Exposition<'_>) -> fmt::Result {
        out.table(
            "gateway_deliveries",
            "Matrix notifications delivered per device, by target (this server or elsewhere) and verdict: done, rejected for \
             good, or to be sent again. Invalid push URLs count as elsewhere.",
            ["target", "verdict"],
            self.here.row("here", VERDICTS).chain(self.elsewhere.row("elsewhere", VERDICTS)),
        )
    }
}
