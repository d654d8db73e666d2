//! Paths of autopush-rs and of Google's push service, as aliases of ours with the same token.

use crate::problem::ServiceError;
use std::borrow::Cow;
use webpush_core::capability::Capability;
use webpush_core::problem::Problem;

/// Prefixes of others and ours. The first match counts.
const ALIASES: [(&str, &str, Alias); 7] = [
    ("/wpush/v1/", "/push/", Alias::Autopush),
    ("/wpush/v2/", "/push/", Alias::Autopush),
    ("/wpush/", "/push/", Alias::Autopush),
    ("/m/", "/message/", Alias::Autopush),
    // Chromium puts these before the token, behind an origin of Google.
    ("/fcm/send/", "/push/", Alias::Google),
    ("/wp/", "/push/", Alias::Google),
    ("/preprod/wp/", "/push/", Alias::Google),
];

/// The service whose path an alias is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    /// autopush-rs.
    Autopush,
    /// Google's push service.
    Google,
}

/// A path, with its alias resolved.
pub struct Resource<'a> {
    /// Our path.
    pub path: Cow<'a, str>,
    /// The service whose path it is, unless it is ours.
    pub alias: Option<Alias>,
}

/// Resolves a path. One that is not an alias is returned unchanged.
pub fn resolve(path: &str) -> Resource<'_> {
    let own = |(theirs, ours, alias)| Some((format!("{ours}{}", path.strip_prefix(theirs)?), alias));
    match ALIASES.into_iter().find_map(own) {
        Some((own, alias)) => Resource { path: own.into(), alias: Some(alias) },
        None => Resource { path: path.into(), alias: None },
    }
}

impl Resource<'_> {
    /// Returns the error that a client of this path expects.
    ///
    /// Senders of both services expect 410 for a removed subscription, and 404 for a URL that never existed. On our own paths,
    /// both are 404 (RFC 8030 §7.3).
    pub(crate) fn for_client(&self, failure: ServiceError, open: Option<Capability>) -> ServiceError {
        match (failure, open) {
            (ServiceError::Problem(Problem::NotFound), Some(Capability::Push(..)))
                if self.alias.is_some() =>
            {
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
            ("/fcm/send/token", "/push/token"),
            ("/wp/token", "/push/token"),
            ("/preprod/wp/token", "/push/token"),
            ("/fcm/token", "/fcm/token"),
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
        assert!(is_gone("/fcm/send/token", Problem::NotFound, Some(push)));
        assert!(!is_gone("/push/token", Problem::NotFound, Some(push)));
        assert!(!is_gone("/wpush/v2/token", Problem::NotFound, None));
        assert!(!is_gone("/wpush/v2/token", Problem::TtlMissing, Some(push)));
        assert!(!is_gone("/m/token", Problem::NotFound, Some(set)));
    }
}
