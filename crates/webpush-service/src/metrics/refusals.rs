//! Requests that were answered with an error, and why.

use super::exposition::{Counters, Exposition};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::problem::Problem;
use webpush_core::sender::Claim;

/// In the order of [`webpush_core::problem::LimitKind`].
const LIMITS: [&str; 8] = [
    "subscription",
    "agent",
    "sender",
    "registration",
    "receipts",
    "elsewhere",
    "notifications",
    "subscription-set",
];
/// In the order of [`Claim`].
const CLAIMS: [Claim; 8] = [
    Claim::Authorization,
    Claim::Key,
    Claim::Token,
    Claim::Algorithm,
    Claim::Audience,
    Claim::Expiry,
    Claim::Subject,
    Claim::Signature,
];

/// Errors that were answered.
#[derive(Debug, Default)]
pub struct Refusals {
    /// By name.
    problems: OnceLock<Vec<(&'static str, AtomicU64)>>,
    limits: Counters<8>,
    claims: Counters<8>,
}

impl Refusals {
    /// Sets the names that errors are counted by, so that each is shown from the start. Later calls change nothing.
    pub fn set_names(&self, names: impl Iterator<Item = &'static str>) {
        self.problems.get_or_init(|| names.map(|name| (name, AtomicU64::new(0))).collect());
    }

    /// Counts an error by its name; `problem` tells what was limited, or which claim of a VAPID token was invalid.
    pub fn count(&self, name: &str, problem: Option<&Problem>) {
        if let Some((_, number)) = self.problems().iter().find(|(problem, _)| *problem == name) {
            number.fetch_add(1, Ordering::Relaxed);
        }
        match problem {
            Some(Problem::TooManyRequests { limit, .. }) => self.limits.add(*limit as usize, 1),
            Some(Problem::VapidInvalid { claim, .. }) => self.claims.add(*claim as usize, 1),
            _ => {}
        }
    }

    fn problems(&self) -> &[(&'static str, AtomicU64)] {
        self.problems.get().map_or(&[], Vec::as_slice)
    }

    /// How many there were, whatever the reason.
    pub(super) fn all(&self) -> u64 {
        self.problems().iter().map(|(_, number)| number.load(Ordering::Relaxed)).sum()
    }

    /// Those that there were, by name, the most frequent first.
    pub fn summary(&self) -> Vec<(&'static str, u64)> {
        let numbers = self.problems().iter().map(|(name, number)| (*name, number.load(Ordering::Relaxed)));
        let mut there: Vec<_> = numbers.filter(|(_, number)| *number > 0).collect();
        there.sort_by_key(|(name, number)| (std::cmp::Reverse(*number), *name));
        there
    }

    pub(super) fn show(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let problems = self.problems().iter().map(|(name, number)| (*name, number.load(Ordering::Relaxed)));
        out.counters(
            "requests_refused",
            "Requests that were answered with an error, by its name; /errors explains them.",
            "problem",
            problems,
        )?;
        out.counters(
            "rate_limited",
            "Requests that were too many (429), by what there was too much of.",
            "limit",
            self.limits.named(LIMITS),
        )?;
        out.counters(
            "vapid_failures",
            "Senders whose VAPID header did not hold, by the first claim that did not.",
            "claim",
            self.claims.named(CLAIMS.map(Claim::as_str)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::problem::LimitKind;

    #[test]
    fn claims_and_limits_stand_where_they_are_named() {
        assert!(CLAIMS.iter().enumerate().all(|(place, claim)| *claim as usize == place));
        for (limit, name) in [
            (LimitKind::Subscription, "subscription"),
            (LimitKind::Agent, "agent"),
            (LimitKind::Sender, "sender"),
            (LimitKind::Registration, "registration"),
            (LimitKind::Receipts, "receipts"),
            (LimitKind::Elsewhere, "elsewhere"),
            (LimitKind::Notifications, "notifications"),
            (LimitKind::SubscriptionSet, "subscription-set"),
        ] {
            assert_eq!(LIMITS[limit as usize], name);
        }
    }
}
