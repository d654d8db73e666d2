//! Routes requests to resources.

use super::auth::Access;
use super::error::AdminError;
use super::reply::{Reply, whole};
use super::{Admin, broadcasts, metrics, pages, proof, resources};
use http::Method;
use http::request::Parts;
use std::net::SocketAddr;
use std::sync::Arc;
use webpush_http::answer::{Answer, no_store};
use webpush_http::body::Body;
use webpush_http::resources::health::{self, HealthCheck};

/// Prefix of the paths of agents, backups and keys.
const ADMIN: &str = "/admin/";
/// Prefix of the path of a broadcast; the rest is its name.
const ONE_BROADCAST: &str = "/broadcasts/";

/// Serves one request.
pub(super) async fn serve(
    admin: &Arc<Admin>,
    head: &Parts,
    mut body: Body,
    address: Option<SocketAddr>,
) -> Reply {
    let mut answer = match reply(admin, head, &mut body, address).await {
        Ok(answer) => answer,
        Err(error) => {
            body.discard().await;
            whole(error.answer())
        }
    };
    no_store(&mut answer);
    answer
}

async fn reply(
    admin: &Arc<Admin>,
    head: &Parts,
    body: &mut Body,
    address: Option<SocketAddr>,
) -> Result<Reply, AdminError> {
    // It comes before the token.
    if head.uri.path() == proof::PATH {
        return match head.method {
            Method::POST => admin.auth.prove(&head.headers, body, address).await,
            _ => Err(AdminError::MethodNotAllowed { allow: "POST" }),
        };
    }
    match head.uri.path().strip_prefix(ADMIN) {
        Some(path) => resources::serve(admin, head, path, body).await,
        None => dispatch(admin, head, body).await.map(whole),
    }
}

async fn dispatch(admin: &Arc<Admin>, head: &Parts, body: &mut Body) -> Result<Answer, AdminError> {
    let path = head.uri.path();
    // Health checks need no token.
    if let Some(check) = HealthCheck::on_admin(path) {
        return match head.method {
            Method::GET | Method::HEAD => Ok(health::answer(&admin.service, check).await),
            _ => Err(AdminError::MethodNotAllowed { allow: "GET, HEAD" }),
        };
    }
    // Nor does the dashboard, which contains no data and asks for the token itself.
    if let Some(page) = pages::find(path) {
        return match head.method {
            Method::GET | Method::HEAD => Ok(page.answer()),
            _ => Err(AdminError::MethodNotAllowed { allow: "GET, HEAD" }),
        };
    }
    admin.auth.check(&head.headers, Access::Read)?;
    if let Some(name) = path.strip_prefix(ONE_BROADCAST) {
        if head.uri.query().is_some() {
            return Err(AdminError::bad_request("write a question mark in a name as %3F"));
        }
        return match head.method {
            Method::PUT => {
                admin.auth.check(&head.headers, Access::Admin)?;
                broadcasts::put(admin, name, &head.headers, body).await
            }
            Method::DELETE => {
                admin.auth.check(&head.headers, Access::Admin)?;
                broadcasts::delete(admin, name).await
            }
            _ => Err(AdminError::MethodNotAllowed { allow: "PUT, DELETE" }),
        };
    }
    match (path, &head.method) {
        ("/broadcasts", &Method::GET | &Method::HEAD) => broadcasts::list(admin),
        ("/metrics", &Method::GET | &Method::HEAD) => metrics::show(admin, &head.headers).await,
        ("/metrics" | "/broadcasts", _) => Err(AdminError::MethodNotAllowed { allow: "GET, HEAD" }),
        _ => Err(AdminError::NotFound),
    }
}
