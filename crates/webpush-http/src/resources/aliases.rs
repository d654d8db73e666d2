//! Paths of autopush-rs, for clients and senders that build on them: each means a resource of ours, with the same token.

use crate::problem::Failure;
use std::borrow::Cow;
use webpush_core::capability::Capability;
use webpush_core::problem::Problem;

/// How paths of autopush-rs begin, and ours. The first that fits counts.
const ALIASES: [(&str, &str); 4] =
    [("/wpush/v1/", "/push/"), ("/wpush/v2/", "/push/"), ("/wpush/", "/push/"), ("/m/", "/message/")];

/// What a path means.
pub struct Resource<'a> {
    /// Our path for it.
    pub path: Cow<'a, str>,
    is_alias: bool,
}

/// Finds out what a path means. One that is no alias means itself.
pub fn resolve(path: &str) -> Resource<'_> {
    let own = |(theirs, ours)| path.strip_prefix(theirs).map(|token| format!("{ours}{token}"));
    match ALIASES.into_iter().find_map(own) {
        Some(own) => Resource { path: own.into(), is_alias: true },
        None => Resource { path: path.into(), is_alias: false },
    }
}

impl Resource<'_> {
    /// A failure as it is said here. Senders of autopush-rs are used to 410 for a subscription that is no more, and to 404
    /// for a URL that was never given out. On our own path both are 404 (RFC 8030 §7.3).
    pub(crate) fn in_its_words(&self, failure: Failure, open: Option<Capability>) -> Failure {
        match (failure, open) {
            (Failure::Problem(Problem::NotFound), Some(Capability::Push(..))) if self.is_alias => {
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
    fn old_paths_mean_ours_and_nothing_else_changes() {
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
    fn only_a_subscription_that_was_asked_for_by_an_old_path_is_gone() {
        let push = Capability::Push(InboxId::from_bytes([1; 16]), SubscriptionId::from_bytes([2; 16]));
        let set = Capability::SubscriptionSet(InboxId::from_bytes([1; 16]));
        let is_gone = |path, problem: Problem, open| {
            let failure = resolve(path).in_its_words(problem.into(), open);
            matches!(failure, Failure::Problem(Problem::Gone))
        };
        assert!(is_gone("/wpush/v2/token", Problem::NotFound, Some(push)));
        assert!(!is_gone("/push/token", Problem::NotFound, Some(push)));
        assert!(!is_gone("/wpush/v2/token", Problem::NotFound, None));
        assert!(!is_gone("/wpush/v2/token", Problem::TtlMissing, Some(push)));
        assert!(!is_gone("/m/token", Problem::NotFound, Some(set)));
    }
}
