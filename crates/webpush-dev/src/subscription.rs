//! A subscription that tests know: a virtual agent's, or a browser's.

use crate::agent::VirtualAgent;
use crate::namespace::Namespace;
use crate::record::{AgentAck, PushTarget};
use crate::service_name::ServiceName;
use bytes::Bytes;
use http::HeaderMap;
use serde::Serialize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use webpush_client::encryption::{AgentKeys, LegacyParameters, decrypt, decrypt_aesgcm};
use webpush_core::base64url;

/// A subscription. It is replaced as a whole when it is rotated.
pub(crate) struct KnownSubscription {
    pub(crate) id: String,
    pub(crate) namespace: Namespace,
    pub(crate) name: Option<String>,
    pub(crate) service: ServiceName,
    pub(crate) endpoint: String,
    pub(crate) target: PushTarget,
    /// `None` for a browser's.
    pub(crate) agent: Option<VirtualUserAgent>,
    pub(crate) is_gone: AtomicBool,
}

/// A virtual agent with its keys.
pub(crate) struct VirtualUserAgent {
    pub(crate) keys: Arc<AgentKeys>,
    pub(crate) connection: VirtualAgent,
}

/// A subscription as the control API shows it. Libraries read it as a `PushSubscription`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SubscriptionView<'a> {
    id: &'a str,
    namespace: &'a Namespace,
    r#virtual: bool,
    name: Option<&'a str>,
    service: ServiceName,
    endpoint: &'a str,
    expiration_time: Option<u64>,
    keys: Option<KeysView>,
    online: Option<bool>,
    acknowledge: Option<AgentAck>,
    state: &'static str,
}

/// The keys for senders.
#[derive(Serialize)]
pub(crate) struct KeysView {
    p256dh: String,
    auth: String,
}

impl KeysView {
    pub(crate) fn new(keys: &AgentKeys) -> Self {
        Self {
            p256dh: base64url::encode(keys.recipient().p256dh.as_bytes()),
            auth: base64url::encode(keys.recipient().auth.expose()),
        }
    }
}

impl KnownSubscription {
    pub(crate) fn view(&self) -> SubscriptionView<'_> {
        let settings = self.agent.as_ref().map(|agent| agent.connection.settings());
        SubscriptionView {
            id: &self.id,
            namespace: &self.namespace,
            r#virtual: self.agent.is_some(),
            name: self.name.as_deref(),
            service: self.service,
            endpoint: &self.endpoint,
            expiration_time: None,
            keys: self.agent.as_ref().map(|agent| KeysView::new(&agent.keys)),
            online: settings.map(|settings| settings.online),
            acknowledge: settings.map(|settings| settings.acknowledge),
            state: if self.is_gone() { "gone" } else { "active" },
        }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.is_gone.load(Ordering::Acquire)
    }

    /// Decrypts a message to this subscription.
    ///
    /// # Errors
    /// The reason, if it cannot be decrypted.
    pub(crate) fn decrypt(&self, headers: &HeaderMap, body: &Bytes) -> Result<Vec<u8>, String> {
        let Some(agent) = &self.agent else { return Err("only the browser has the keys".to_owned()) };
        if body.is_empty() {
            return Ok(Vec::new());
        }
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let plaintext = match text("content-encoding") {
            "aes128gcm" => decrypt(&agent.keys, body),
            "aesgcm" => LegacyParameters::parse(text("encryption"), text("crypto-key"))
                .and_then(|parameters| decrypt_aesgcm(&agent.keys, &parameters, body)),
            _ => return Err("its PushContent-Encoding is neither aes128gcm nor aesgcm".to_owned()),
        };
        plaintext.map_err(|error| error.to_string())
    }
}
