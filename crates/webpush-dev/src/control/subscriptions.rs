//! Subscriptions: virtual agents, and those of browsers.

use super::error::ControlError;
use super::{reply, subscribe};
use crate::agent::Settings;
use crate::namespace::NamespaceScope;
use crate::push::PushUrl;
use crate::ready::Addresses;
use crate::record::AgentAck;
use crate::service_name::ServiceName;
use crate::state::Dev;
use crate::subscription::KnownSubscription;
use http::{Method, Request, StatusCode};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use webpush_core::capability::Capability;
use webpush_http::answer::{Answer, empty};

/// The request to create a subscription.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct NewSubscription {
    application_server_key: Option<String>,
    /// As pages write it; it has no effect.
    #[serde(rename = "userVisibleOnly")]
    _user_visible_only: Option<bool>,
    service: Option<ServiceName>,
    name: Option<String>,
    /// A browser's.
    endpoint: Option<String>,
}

/// The request to change a virtual agent.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    online: Option<bool>,
    acknowledge: Option<AgentAck>,
}

pub(super) fn list(dev: &Dev, scope: &NamespaceScope) -> Result<Answer, ControlError> {
    let all = dev.subscriptions.all(scope);
    let views: Vec<_> = all.iter().map(|one| one.view()).collect();
    reply(&json!({ "subscriptions": views }))
}

pub(super) async fn create(
    dev: &Arc<Dev>,
    scope: &NamespaceScope,
    addresses: &Addresses,
    request: NewSubscription,
) -> Result<Answer, ControlError> {
    let NewSubscription { application_server_key, service, name, endpoint, .. } = request;
    let subscription = match endpoint {
        Some(_) if application_server_key.is_some() || service.is_some() => {
            return Err(ControlError::BadRequest(
                "with endpoint, which is a browser's, there is no applicationServerKey or service".to_owned(),
            ));
        }
        Some(endpoint) => claim(dev, scope, endpoint, name).await?,
        None if dev.subscriptions.is_full() => {
            return Err(ControlError::Conflict(
                "there are too many subscriptions: reset the namespaces of old tests",
            ));
        }
        None => {
            let service = service.unwrap_or(ServiceName::Https);
            let key = application_server_key.as_deref();
            let created =
                subscribe::virtual_subscription(dev, addresses, scope.namespace(), service, key, name);
            created.await.map_err(ControlError::BadRequest)?
        }
    };
    let mut answer = reply(&subscription.view())?;
    *answer.status_mut() = StatusCode::CREATED;
    Ok(answer)
}

/// Puts a browser's subscription into a namespace.
async fn claim(
    dev: &Dev,
    scope: &NamespaceScope,
    endpoint: String,
    name: Option<String>,
) -> Result<Arc<KnownSubscription>, ControlError> {
    let request = Request::builder().method(Method::POST).uri(&*endpoint).body(());
    let request = request.map_err(|_| ControlError::BadRequest("the endpoint is not a URL".to_owned()))?;
    let PushUrl::Push(push_url) = PushUrl::from_request(&request.into_parts().0, &dev.addresses) else {
        return Err(ControlError::NotFound);
    };
    let Some(Capability::Push(inbox, id)) = dev.service.keyring.open(&push_url.push_path()) else {
        return Err(ControlError::NotFound);
    };
    let stored = dev.service.subscription(inbox, id).await.map_err(ControlError::Store)?;
    if stored.is_none() {
        return Err(ControlError::NotFound);
    }
    let known = dev.subscriptions.of_target(&(inbox, id));
    if known.as_ref().is_some_and(|known| known.agent.is_some()) {
        return Err(ControlError::Conflict("this endpoint is a virtual agent's"));
    }
    Ok(dev.subscriptions.put(KnownSubscription {
        id: known.map_or_else(|| dev.subscriptions.next_id(), |known| known.id.clone()),
        namespace: scope.namespace(),
        name,
        service: push_url.service,
        endpoint,
        target: (inbox, id),
        agent: None,
        is_gone: AtomicBool::new(false),
    }))
}

pub(super) fn show(dev: &Dev, scope: &NamespaceScope, id: &str) -> Result<Answer, ControlError> {
    reply(&find(dev, scope, id)?.view())
}

pub(super) async fn change(
    dev: &Dev,
    scope: &NamespaceScope,
    id: &str,
    change: Change,
) -> Result<Answer, ControlError> {
    let _changing = dev.changing.lock().await;
    let subscription = find(dev, scope, id)?;
    let Some(agent) = &subscription.agent else {
        return Err(ControlError::Conflict("a browser's subscription cannot be changed from here"));
    };
    if subscription.is_gone() {
        return Err(ControlError::Conflict("the subscription has expired"));
    }
    let now = agent.connection.settings();
    let settings = Settings {
        online: change.online.unwrap_or(now.online),
        acknowledge: change.acknowledge.unwrap_or(now.acknowledge),
    };
    if now.online && now.acknowledge == AgentAck::Never && settings.acknowledge != AgentAck::Never {
        // It gets again what it has not acknowledged.
        agent.connection.change(Settings { online: false, ..settings }).await;
    }
    agent.connection.change(settings).await;
    reply(&subscription.view())
}

pub(super) async fn expire(dev: &Dev, scope: &NamespaceScope, id: &str) -> Result<Answer, ControlError> {
    let _changing = dev.changing.lock().await;
    let subscription = find(dev, scope, id)?;
    dev.expire(&subscription).await.map_err(ControlError::Store)?;
    Ok(empty(StatusCode::NO_CONTENT))
}

/// Gives a virtual agent a new endpoint, or makes a browser subscribe anew.
pub(super) async fn rotate(
    dev: &Arc<Dev>,
    scope: &NamespaceScope,
    addresses: &Addresses,
    id: &str,
) -> Result<Answer, ControlError> {
    let _changing = dev.changing.lock().await;
    let old = find(dev, scope, id)?;
    let (inbox, subscription) = old.target;
    if old.is_gone() {
        return Err(ControlError::Conflict("the subscription has expired"));
    }
    let Some(old_agent) = &old.agent else {
        // The browser finds its agent unknown when it reconnects, and subscribes anew.
        dev.service.remove_inbox(inbox).await.map_err(ControlError::Store)?;
        old.is_gone.store(true, Ordering::Release);
        return reply(&json!({}));
    };
    let stored = dev.service.subscription(inbox, subscription).await.map_err(ControlError::Store)?;
    let sender = stored.and_then(|stored| stored.sender);
    let key = sender.map(|key| webpush_core::base64url::encode(key.0));
    let connected = subscribe::connect(dev, addresses, old.service, key.as_deref()).await;
    let (agent, target, endpoint) = connected.map_err(ControlError::BadRequest)?;
    agent.connection.change(old_agent.connection.settings()).await;
    dev.expire(&old).await.map_err(ControlError::Store)?;
    let new = dev.subscriptions.put(KnownSubscription {
        id: old.id.clone(),
        namespace: old.namespace.clone(),
        name: old.name.clone(),
        service: old.service,
        endpoint,
        target,
        agent: Some(agent),
        is_gone: AtomicBool::new(false),
    });
    reply(&new.view())
}

fn find(dev: &Dev, scope: &NamespaceScope, id: &str) -> Result<Arc<KnownSubscription>, ControlError> {
    dev.subscriptions.get(scope, id).ok_or(ControlError::NotFound)
}
