//! Paths of autopush-rs, as aliases of ours with the same token.

use crate::problem::ServiceError;
use std::borrow::Cow;
use webpush_core::capability::Capability;
use webpush_core::problem::Problem;

/// Prefixes of autopush-rs and ours. The first match counts.
const ALIASES: [(&str, &str); 4] =
    [("/wpush/v1/", "/push/"), ("/wpush/v2/", "/push/"), ("/wpush/", "/push/"), ("/m/", "/message/")];

/// A path, with its alias resolved.
pub struct Resource<'a> {
    /// Our path.
    pub path: Cow<'a, str>,
    is_alias: bool,
}

/// Resolves a path. One that is not an alias is returned unchanged.
pub fn resolve(path: &str) -> Resource<'_> {
    let own = |(theirs, ours)| path.strip_prefix(theirs).map(|token| format!("{ours}{token}"));
    match ALIASES.into_iter().find_map(own) {
        Some(own) => Resource { path: own.into(), is_alias: true },
        None => Resource { path: path.into(), is_alias: false },
    }
}

impl Resource<'_> {
    /// Returns the error that a client of this path expects.
    ///
    /// Senders of autopush-rs expect 410 for a removed subscription, and 404 for a URL that never existed. On our own paths,
    /// both are 404 (RFC 8030 §7.3).
    pub(crate) fn for_client(&self, failure: ServiceError, open: Option<Capability>) -> ServiceError {
        match (failure, open) {
            (ServiceError::Problem(Problem::NotFound), Some(Capability::Push(..))) if self.is_alias => {
                Problem::Gone.into()
            }
            (failure, _) => failure,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::id::{InboxId, SubscriptionId};

    #[test]
    fn aliases_are_resolved_and_other_paths_stay() {
        for (path, own) in [
            ("/wpush/v1/token", "/push/token"),
            ("/wpush/v2/token", "/push/token"),
            ("/wpush/token", "/push/token"),
            ("/wpush/v3/token", "/push/v3/token"),
            ("/wpush/", "/push/"),
            ("/m/token", "/message/token"),
            ("/push/token", "/push/token"),
            ("/push/v1/token", "/push/v1/token"),
            ("/wpush", "/wpush"),
            ("/message/token", "/message/token"),
            ("/", "/"),
            ("", ""),
        ] {
            assert_eq!(resolve(path).path, own);
        }
    }

    #[test]
    fn only_a_removed_subscription_on_an_alias_is_gone() {
        let push = Capability::Push(InboxId::from_bytes([1; 16]), SubscriptionId::from_bytes([2; 16]));
        let set = Capability::SubscriptionSet(InboxId::from_bytes([1; 16]));
        let is_gone = |path, problem: Problem, open| {
            let failure = resolve(path).for_client(problem.into(), open);
            matches!(failure, ServiceError::Problem(Problem::Gone))
        };
        assert!(is_gone("/wpush/v2/token", Problem::NotFound, Some(push)));
        assert!(!is_gone("/push/token", Problem::NotFound, Some(push)));
        assert!(!is_gone("/wpush/v2/token", Problem::NotFound, None));
        assert!(!is_gone("/wpush/v2/token", Problem::TtlMissing, Some(push)));
        assert!(!is_gone("/m/token", Problem::NotFound, Some(set)));
    }
}
