//! Creates virtual agents.

use crate::agent::{Registered, VirtualAgent};
use crate::namespace::Namespace;
use crate::ready::Addresses;
use crate::record::PushTarget;
use crate::service_name::ServiceName;
use crate::state::Dev;
use crate::subscription::{KnownSubscription, VirtualUserAgent};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use webpush_client::encryption::AgentKeys;
use webpush_client::url::CapabilityUrl;
use webpush_core::capability::Capability;

/// Creates a subscription of a new virtual agent, with a URL at these addresses.
///
/// # Errors
/// One sentence for the client.
pub(crate) async fn virtual_subscription(
    dev: &Arc<Dev>,
    addresses: &Addresses,
    namespace: Namespace,
    service: ServiceName,
    key: Option<&str>,
    name: Option<String>,
) -> Result<Arc<KnownSubscription>, String> {
    let (agent, target, endpoint) = connect(dev, addresses, service, key).await?;
    Ok(dev.subscriptions.put(KnownSubscription {
        id: dev.subscriptions.next_id(),
        namespace,
        name,
        service,
        endpoint,
        target,
        agent: Some(agent),
        is_gone: AtomicBool::new(false),
    }))
}

/// Connects a new virtual agent. Returns it with its subscription and endpoint.
pub(super) async fn connect(
    dev: &Arc<Dev>,
    addresses: &Addresses,
    service: ServiceName,
    key: Option<&str>,
) -> Result<(VirtualUserAgent, PushTarget, String), String> {
    let url =
        CapabilityUrl::parse(&format!("{}/", dev.addresses.origin())).map_err(|error| error.to_string())?;
    let registering = VirtualAgent::register(url, key, Arc::clone(&dev.service), Arc::clone(&dev.records));
    let Registered { agent, token } = registering.await.map_err(|error| error.to_string())?;
    let Some(Capability::Push(inbox, id)) = dev.service.keyring.open(&format!("/push/{token}")) else {
        return Err("the server gave no push URL".to_owned());
    };
    let keys = Arc::new(AgentKeys::generate().map_err(|error| error.to_string())?);
    let endpoint = addresses.endpoint(service, &token);
    Ok((VirtualUserAgent { keys, connection: agent }, (inbox, id), endpoint))
}
