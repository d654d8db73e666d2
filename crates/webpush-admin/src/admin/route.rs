//! Which resource a request is for.

use super::auth::Right;
use super::refusal::Refusal;
use super::reply::{Reply, whole};
use super::{Admin, broadcasts, metrics, pages, resources};
use http::Method;
use http::request::Parts;
use std::sync::Arc;
use webpush_http::answer::{Answer, no_store};
use webpush_http::body::Body;
use webpush_http::resources::health::{self, HealthCheck};

/// What the paths of agents, copies and keys begin with.
const ADMIN: &str = "/admin/";
/// What the path of one broadcast begins with; the rest is its name.
const ONE_BROADCAST: &str = "/broadcasts/";

/// Serves one request. Every refusal has become an answer.
pub(super) async fn serve(admin: &Arc<Admin>, head: &Parts, mut body: Body) -> Reply {
    let mut answer = match reply(admin, head, &mut body).await {
        Ok(answer) => answer,
        Err(refusal) => {
            body.discard().await;
            whole(refusal.answer())
        }
    };
    no_store(&mut answer);
    answer
}

async fn reply(admin: &Arc<Admin>, head: &Parts, body: &mut Body) -> Result<Reply, Refusal> {
    match head.uri.path().strip_prefix(ADMIN) {
        Some(path) => resources::serve(admin, head, path, body).await,
        None => dispatch(admin, head, body).await.map(whole),
    }
}

async fn dispatch(admin: &Arc<Admin>, head: &Parts, body: &mut Body) -> Result<Answer, Refusal> {
    let path = head.uri.path();
    // Whoever looks whether the service is there has no token, and learns nothing else.
    if let Some(question) = HealthCheck::on_admin(path) {
        return match head.method {
            Method::GET | Method::HEAD => Ok(health::answer(&admin.service, question).await),
            _ => Err(Refusal::NotAllowed { allow: "GET, HEAD" }),
        };
    }
    // So is the page: it has nothing in it, and asks for the token itself.
    if let Some(page) = pages::find(path) {
        return match head.method {
            Method::GET | Method::HEAD => Ok(page.answer()),
            _ => Err(Refusal::NotAllowed { allow: "GET, HEAD" }),
        };
    }
    admin.gate.check(&head.headers, Right::Ask)?;
    if let Some(name) = path.strip_prefix(ONE_BROADCAST) {
        if head.uri.query().is_some() {
            return Err(Refusal::wrong("a question mark in a name is written %3F"));
        }
        return match head.method {
            Method::PUT => {
                admin.gate.check(&head.headers, Right::Own)?;
                broadcasts::put(admin, name, &head.headers, body).await
            }
            Method::DELETE => {
                admin.gate.check(&head.headers, Right::Own)?;
                broadcasts::delete(admin, name).await
            }
            _ => Err(Refusal::NotAllowed { allow: "PUT, DELETE" }),
        };
    }
    match (path, &head.method) {
        ("/broadcasts", &Method::GET | &Method::HEAD) => broadcasts::list(admin),
        ("/metrics", &Method::GET | &Method::HEAD) => metrics::show(admin).await,
        ("/metrics" | "/broadcasts", _) => Err(Refusal::NotAllowed { allow: "GET, HEAD" }),
        _ => Err(Refusal::NotFound),
    }
}
