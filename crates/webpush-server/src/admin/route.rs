//! Which resource a request is for.

use super::gate::Right;
use super::refusal::Refusal;
use super::{Admin, attempt, broadcasts, messages, metrics, pages, status};
use crate::http::answer::{Answer, no_store};
use crate::http::body::Body;
use crate::http::health::{self, Question};
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Response};
use http_body_util::{Either, Full};
use std::sync::Arc;

/// What the path of one broadcast begins with; the rest is its name.
const ONE_BROADCAST: &str = "/broadcasts/";

/// What the path of one message begins with; the rest is its name.
const ONE_MESSAGE: &str = "/admin/messages/";
/// What is answered step by step.
const TRY: &str = "/admin/try";

/// A body: whole, or lines as they come.
pub(super) type ReplyBody = Either<Full<Bytes>, attempt::Lines>;

/// Serves one request. Every refusal has become an answer.
pub(super) async fn serve(admin: &Arc<Admin>, head: &Parts, mut body: Body) -> Response<ReplyBody> {
    let served = if head.uri.path() == TRY {
        let lines = try_it(admin, head, &mut body).await;
        lines.map(|lines| attempt::answer(lines, Either::Right))
    } else {
        dispatch(admin, head, &mut body).await.map(whole)
    };
    let mut answer = match served {
        Ok(answer) => answer,
        Err(refusal) => {
            body.discard().await;
            whole(refusal.answer())
        }
    };
    no_store(&mut answer);
    answer
}

fn whole(answer: Answer) -> Response<ReplyBody> {
    answer.map(|body| Either::Left(Full::new(body)))
}

async fn try_it(admin: &Arc<Admin>, head: &Parts, body: &mut Body) -> Result<attempt::Lines, Refusal> {
    admin.gate.check(&head.headers, Right::Ask)?;
    if head.method == Method::POST {
        attempt::begin(admin, &head.headers, body).await
    } else {
        Err(Refusal::NotAllowed { allow: "POST" })
    }
}

async fn dispatch(admin: &Arc<Admin>, head: &Parts, body: &mut Body) -> Result<Answer, Refusal> {
    let path = head.uri.path();
    // Whoever looks whether the service is there has no token, and learns nothing else.
    if let Some(question) = Question::on_admin(path) {
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
    if let Some(name) = path.strip_prefix(ONE_MESSAGE) {
        return match head.method {
            Method::GET | Method::HEAD => messages::by_name(admin, name),
            _ => Err(Refusal::NotAllowed { allow: "GET, HEAD" }),
        };
    }
    if let Some(name) = path.strip_prefix(ONE_BROADCAST) {
        if head.uri.query().is_some() {
            return Err(Refusal::wrong("a question mark in a name is written %3F"));
        }
        return match head.method {
            Method::PUT => broadcasts::put(admin, name, &head.headers, body).await,
            Method::DELETE => broadcasts::delete(admin, name).await,
            _ => Err(Refusal::NotAllowed { allow: "PUT, DELETE" }),
        };
    }
    match (path, &head.method) {
        ("/broadcasts", &Method::GET | &Method::HEAD) => broadcasts::list(admin),
        ("/metrics", &Method::GET | &Method::HEAD) => metrics::show(admin).await,
        ("/admin/status", &Method::GET | &Method::HEAD) => status::show(admin).await,
        ("/admin/history", &Method::GET | &Method::HEAD) => status::history(admin),
        ("/admin/trace", &Method::POST) => messages::by_url(admin, &head.headers, body).await,
        ("/admin/trace", _) => Err(Refusal::NotAllowed { allow: "POST" }),
        ("/metrics" | "/admin/status" | "/admin/history", _) => {
            Err(Refusal::NotAllowed { allow: "GET, HEAD" })
        }
        ("/broadcasts", _) => Err(Refusal::NotAllowed { allow: "GET, HEAD" }),
        _ => Err(Refusal::NotFound),
    }
}
