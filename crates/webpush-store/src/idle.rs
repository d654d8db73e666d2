//! Removal of idle inboxes.

use std::time::Duration;
use webpush_core::id::InboxId;
use webpush_core::inbox::Owner;
use webpush_core::time::Timestamp;

const HOUR_MILLIS: u64 = 3_600_000;

/// How long an inbox that nobody monitors is kept.
///
/// Stores record times by the hour, so an inbox may be removed up to an hour late, but never early.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleLimits {
    /// From the creation of an agent's inbox that was never monitored and has no messages.
    pub never_monitored: Duration,
    /// From the time when any inbox was last monitored, or from its creation.
    pub unused: Duration,
}

impl Default for IdleLimits {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self { never_monitored: day, unused: 60 * day }
    }
}

/// One check for idle inboxes. Only inboxes that are idle at its time may be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleCheck {
    /// The time of the check.
    pub now: Timestamp,
    /// How long inboxes are kept.
    pub limits: IdleLimits,
}

/// The limit that applies to an inbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum IdleClass {
    /// [`IdleLimits::never_monitored`]: an empty inbox of an agent, never monitored.
    Fresh,
    /// [`IdleLimits::unused`].
    Used,
}

impl IdleClass {
    pub(crate) const ALL: [Self; 2] = [Self::Fresh, Self::Used];

    pub(crate) const fn new(owner: Owner, monitored: bool, entries: u64) -> Self {
        match owner {
            Owner::Agent if !monitored && entries == 0 => Self::Fresh,
            Owner::Agent | Owner::Receipts => Self::Used,
        }
    }
}

/// Returns the hours since 1970.
pub(crate) const fn hour(time: Timestamp) -> u64 {
    time.as_millis() / HOUR_MILLIS
}

/// Returns the first moment of an hour since 1970.
pub(crate) const fn beginning(hour: u64) -> Timestamp {
    Timestamp::from_millis(hour.saturating_mul(HOUR_MILLIS))
}

impl IdleCheck {
    /// Returns the hour in which, or after which, an inbox of this class must have been used to be kept.
    pub(crate) fn kept_from(&self, class: IdleClass) -> u64 {
        let IdleLimits { never_monitored, unused } = self.limits;
        let limit = match class {
            IdleClass::Fresh => never_monitored.min(unused),
            IdleClass::Used => unused,
        };
        let limit = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        // All of the hour must be over and past the limit.
        self.now.as_millis().checked_sub(limit).map_or(0, |end| end / HOUR_MILLIS)
    }
}

/// Where an inbox is in the order in which inboxes are looked at.
pub(crate) type IdlePlace = (IdleClass, u64, InboxId);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_hour_must_be_over_before_it_is_past_the_limit() {
        let limits =
            IdleLimits { never_monitored: Duration::from_millis(2), unused: Duration::from_secs(3600) };
        let at = |millis| IdleCheck { now: Timestamp::from_millis(millis), limits };
        assert_eq!(at(1).kept_from(IdleClass::Fresh), 0);
        assert_eq!(at(HOUR_MILLIS + 1).kept_from(IdleClass::Fresh), 0);
        assert_eq!(at(HOUR_MILLIS + 2).kept_from(IdleClass::Fresh), 1);
        assert_eq!(at(2 * HOUR_MILLIS - 1).kept_from(IdleClass::Used), 0);
        assert_eq!(at(2 * HOUR_MILLIS).kept_from(IdleClass::Used), 1);
        let limits = IdleLimits { never_monitored: Duration::MAX, unused: Duration::MAX };
        let never = IdleCheck { now: Timestamp::NEVER, limits };
        assert!(IdleClass::ALL.into_iter().all(|class| never.kept_from(class) == 0));
    }

    #[test]
    fn only_an_empty_agent_that_was_never_monitored_is_fresh() {
        assert_eq!(IdleClass::new(Owner::Agent, false, 0), IdleClass::Fresh);
        for (owner, monitored, entries) in
            [(Owner::Agent, true, 0), (Owner::Agent, false, 1), (Owner::Receipts, false, 0)]
        {
            assert_eq!(IdleClass::new(owner, monitored, entries), IdleClass::Used);
        }
    }
}
