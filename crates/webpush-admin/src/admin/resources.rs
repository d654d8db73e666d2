//! The resources below `/admin/`.

use super::auth::Access;
use super::error::AdminError;
use super::query::Query;
use super::reply::Reply;
use super::{
    Admin, agents, archives, backlog, find, import, keys, messages, self_test, status, subscriptions,
};
use crate::archive::ArchiveKind;
use http::Method;
use http::request::Parts;
use std::sync::Arc;
use webpush_http::body::Body;

pub(super) async fn serve(
    admin: &Arc<Admin>,
    head: &Parts,
    path: &str,
    body: &mut Body,
) -> Result<Reply, AdminError> {
    let method = if head.method == Method::HEAD { &Method::GET } else { &head.method };
    let parts: Vec<&str> = path.split('/').collect();
    // First, so that clients without access learn nothing about resources.
    admin.auth.check(&head.headers, Access::Read)?;
    let (allow, access) = allowed(&parts, method).ok_or(AdminError::NotFound)?;
    admin.auth.check(&head.headers, access)?;
    if !allow.split(", ").any(|allowed| allowed == method.as_str()) {
        return Err(AdminError::MethodNotAllowed { allow });
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
        (["backlog", "largest"], _) => backlog::largest::show(admin, query).await,
        (["backup"], _) => archives::serve(admin, ArchiveKind::Backup).await,
        (["export"], _) => archives::serve(admin, ArchiveKind::Export).await,
        (["import"], _) => import::import(admin, body).await,
        (["status"], _) => status::show(admin).await,
        (["history"], _) => status::history(admin),
        (["messages", log_id], _) => messages::by_log_id(admin, log_id).await,
        (["trace"], _) => messages::by_url(admin, &head.headers, body).await,
        (["try"], _) => self_test::start(admin, &head.headers, body).await,
        (["keys"], &Method::GET) => keys::list(admin).await,
        (["keys"], _) => keys::rotate(admin).await,
        _ => Err(AdminError::NotFound),
    }
}

/// Returns the methods of a resource, and the access that `method` requires.
fn allowed(parts: &[&str], method: &Method) -> Option<(&'static str, Access)> {
    let (allow, is_read_only) = match parts {
        ["agents" | "backlog" | "subscriptions" | "status" | "history"] => ("GET", true),
        ["agents", "count"] | ["backlog", "largest"] | ["messages", _] => ("GET", true),
        ["trace" | "try" | "find"] => ("POST", true),
        ["agents", _] | ["subscriptions", _, _] => ("GET, DELETE", method == Method::GET),
        ["backup" | "export"] => ("GET", false),
        ["import"] => ("POST", false),
        ["keys"] => ("GET, POST", method == Method::GET),
        _ => return None,
    };
    Some((allow, if is_read_only { Access::Read } else { Access::Admin }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_that_reveal_secrets_or_modify_data_require_admin_access() {
        for (path, method, access) in [
            ("agents", Method::GET, Access::Read),
            ("agents/count", Method::GET, Access::Read),
            ("backlog/largest", Method::GET, Access::Read),
            ("agents/x", Method::GET, Access::Read),
            ("agents/x", Method::DELETE, Access::Admin),
            ("subscriptions/x/y", Method::DELETE, Access::Admin),
            ("backup", Method::GET, Access::Admin),
            ("export", Method::GET, Access::Admin),
            ("import", Method::POST, Access::Admin),
            ("find", Method::POST, Access::Read),
            ("keys", Method::GET, Access::Read),
            ("keys", Method::POST, Access::Admin),
            ("messages/x", Method::GET, Access::Read),
            ("try", Method::POST, Access::Read),
        ] {
            let parts: Vec<_> = path.split('/').collect();
            assert_eq!(allowed(&parts, &method).unwrap().1, access, "{method} {path}");
        }
        assert!(allowed(&["else"], &Method::GET).is_none());
    }
}
