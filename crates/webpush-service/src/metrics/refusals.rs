//! Requests refused, by error.

use super::exposition::{Counters, Exposition};
use std::fmt;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use webpush_core::problem::Problem;
use webpush_core::sender::Claim;

/// In the order of [`webpush_core::problem::LimitKind`].
const LIMITS: [&str; 10] = [
    "subscription",
    "agent",
    "sender",
    "registration",
    "receipts",
    "elsewhere",
    "scans",
    "notifications",
    "sessions",
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

/// Counters of refused requests.
#[derive(Debug, Default)]
pub struct Refusals {
    /// Counters by error name.
    problems: OnceLock<Vec<(&'static str, AtomicU64)>>,
    limits: Counters<10>,
    claims: Counters<8>,
}

impl Refusals {
    /// Sets the names of all errors, so that each is exposed from the start. Later calls change nothing.
    pub fn set_names(&self, names: impl Iterator<Item = &'static str>) {
        self.problems.get_or_init(|| names.map(|name| (name, AtomicU64::new(0))).collect());
    }

    /// Counts an error by its name, and by the exceeded limit or invalid VAPID claim of `problem`.
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

    /// Returns the number of all errors.
    pub(super) fn total(&self) -> u64 {
        self.problems().iter().map(|(_, number)| number.load(Ordering::Relaxed)).sum()
    }

    /// Returns the errors that occurred and their numbers, the most frequent first.
    pub fn summary(&self) -> Vec<(&'static str, u64)> {
        let numbers = self.problems().iter().map(|(name, number)| (*name, number.load(Ordering::Relaxed)));
        let mut occurred: Vec<_> = numbers.filter(|(_, number)| *number > 0).collect();
        occurred.sort_by_key(|(name, number)| (std::cmp::Reverse(*number), *name));
        occurred
    }

    pub(super) fn encode(&self, out: &mut Exposition<'_>) -> fmt::Result {
        let problems = self.problems().iter().map(|(name, number)| (*name, number.load(Ordering::Relaxed)));
        out.counters(
            "requests_refused",
            "Requests refused with an error, by name; /errors explains each.",
            "problem",
            problems,
        )?;
        out.counters(
            "rate_limited",
            "Requests refused with 429, by the rate limit exceeded.",
            "limit",
            self.limits.labeled(LIMITS),
        )?;
        out.counters(
            "vapid_failures",
            "Invalid VAPID headers, by the first invalid part.",
            "claim",
            self.claims.labeled(CLAIMS.map(Claim::as_str)),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::problem::LimitKind;

    #[test]
    fn labels_are_in_the_order_of_claims_and_limits() {
        assert!(CLAIMS.iter().enumerate().all(|(index, claim)| *claim as usize == index));
        for (limit, name) in [
            (LimitKind::Subscription, "subscription"),
            (LimitKind::Agent, "agent"),
            (LimitKind::Sender, "sender"),
            (LimitKind::Registration, "registration"),
            (LimitKind::Receipts, "receipts"),
            (LimitKind::Elsewhere, "elsewhere"),
            (LimitKind::Scans, "scans"),
            (LimitKind::Notifications, "notifications"),
            (LimitKind::Sessions, "sessions"),
            (LimitKind::SubscriptionSet, "subscription-set"),
        ] {
            assert_eq!(LIMITS[limit as usize], name);
        }
    }
}
