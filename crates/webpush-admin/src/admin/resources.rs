//! What is below `/admin/`: agents and subscriptions, messages, the backlog, copies, keys, and what the page shows.

use super::auth::Right;
use super::refusal::Refusal;
use super::reply::{Reply, whole};
use super::{
    Admin, agents, backlog, copies, find, import, messages, sealing_keys, self_test, status, subscriptions,
};
use crate::archive::Kind;
use http::Method;
use http::request::Parts;
use std::sync::Arc;
use webpush_http::body::Body;

/// The most that a list shows at once, and how much it shows unless that is asked for.
pub(super) const MOST_LISTED: usize = 1000;
const LISTED: usize = 100;

/// What a list is asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// Only what comes after this.
    pub(super) after: Option<String>,
    /// Only what this agent has.
    pub(super) agent: Option<String>,
    pub(super) limit: Option<usize>,
}

impl Query {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let mut query = Self::default();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("after", name)) => query.after = Some(name.to_owned()),
                Some(("agent", name)) => query.agent = Some(name.to_owned()),
                Some(("limit", number)) => {
                    let limit = number.parse().ok().filter(|limit| (1..=MOST_LISTED).contains(limit));
                    let limit = limit.ok_or_else(|| {
                        Refusal::wrong(format_args!("limit is a number from 1 to {MOST_LISTED}"))
                    })?;
                    query.limit = Some(limit);
                }
                _ => return Err(Refusal::wrong("a list can be asked for after, agent and limit")),
            }
        }
        Ok(query)
    }

    pub(super) fn limit(&self) -> usize {
        self.limit.unwrap_or(LISTED)
    }
}

pub(super) async fn serve(
    admin: &Arc<Admin>,
    head: &Parts,
    path: &str,
    body: &mut Body,
) -> Result<Reply, Refusal> {
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let parts: Vec<&str> = path.split('/').collect();
    // Whoever may not ask is told nothing else.
    admin.gate.check(&head.headers, Right::Ask)?;
    let (allow, right) = allowed(&parts, method).ok_or(Refusal::NotFound)?;
    admin.gate.check(&head.headers, right)?;
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(Refusal::NotAllowed { allow });
    }
    let query = Query::parse(head.uri.query().unwrap_or_default())?;
    match (&parts[..], method) {
        (["agents"], _) => agents::list(admin, query).await,
        (["agents", "count"], _) => agents::count(admin).await,
        (["agents", log_id], &Method::GET) => agents::show(admin, log_id).await,
        (["agents", log_id], _) => agents::revoke(admin, log_id).await,
        (["subscriptions"], _) => subscriptions::list(admin, query).await,
        (["subscriptions", agent, log_id], &Method::GET) => subscriptions::show(admin, agent, log_id).await,
        (["subscriptions", agent, log_id], _) => subscriptions::revoke(admin, agent, log_id).await,
        (["find"], _) => find::find(admin, &head.headers, body).await,
        (["backlog"], _) => backlog::show(admin, query).await,
        (["backup"], _) => copies::write(admin, Kind::Backup).await,
        (["export"], _) => copies::write(admin, Kind::Export).await,
        (["import"], _) => import::import(admin, body).await,
        (["status"], _) => status::show(admin).await.map(whole),
        (["history"], _) => status::history(admin).map(whole),
        (["messages", log_id], _) => messages::by_log_id(admin, log_id).await.map(whole),
        (["trace"], _) => messages::by_url(admin, &head.headers, body).await.map(whole),
        (["try"], _) => self_test::begin(admin, &head.headers, body).await,
        (["keys"], &Method::GET) => sealing_keys::list(admin),
        (["keys"], _) => sealing_keys::rotate(admin).await,
        _ => Err(Refusal::NotFound),
    }
}

/// The methods of a resource, and who may use this one.
fn allowed(parts: &[&str], method: &Method) -> Option<(&'static str, Right)> {
    let (allow, asking) = match parts {
        ["agents" | "backlog" | "subscriptions" | "status" | "history"] => ("GET", true),
        ["agents", "count"] | ["messages", _] => ("GET", true),
        ["trace" | "try" | "find"] => ("POST", true),
        ["agents", _] | ["subscriptions", _, _] => ("GET, DELETE", method == Method::GET),
        ["backup" | "export"] => ("GET", false),
        ["import"] => ("POST", false),
        ["keys"] => ("GET, POST", method == Method::GET),
        _ => return None,
    };
    Some((allow, if asking { Right::Ask } else { Right::Own }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_secrets_or_changes_something_is_the_owners() {
        for (path, method, right) in [
            ("agents", Method::GET, Right::Ask),
            ("agents/count", Method::GET, Right::Ask),
            ("agents/x", Method::GET, Right::Ask),
            ("agents/x", Method::DELETE, Right::Own),
            ("subscriptions/x/y", Method::DELETE, Right::Own),
            ("backup", Method::GET, Right::Own),
            ("export", Method::GET, Right::Own),
            ("import", Method::POST, Right::Own),
            ("find", Method::POST, Right::Ask),
            ("keys", Method::GET, Right::Ask),
            ("keys", Method::POST, Right::Own),
            ("messages/x", Method::GET, Right::Ask),
            ("try", Method::POST, Right::Ask),
        ] {
            let parts: Vec<_> = path.split('/').collect();
            assert_eq!(allowed(&parts, &method).unwrap().1, right, "{method} {path}");
        }
        assert!(allowed(&["else"], &Method::GET).is_none());
    }

    #[test]
    fn lists_are_bounded() {
        assert_eq!(Query::parse("").unwrap().limit(), LISTED);
        let query = Query::parse("after=ab/cd&limit=1000&agent=ef").unwrap();
        assert_eq!(
            (query.limit(), query.after.as_deref(), query.agent.as_deref()),
            (1000, Some("ab/cd"), Some("ef"))
        );
        for wrong in ["limit=0", "limit=1001", "limit=x", "limit", "order=1"] {
            assert!(Query::parse(wrong).is_err(), "{wrong}");
        }
    }
}
