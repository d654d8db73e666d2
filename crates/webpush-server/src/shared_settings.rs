//! Settings that must be equal on all nodes of a cluster.
//!
//! Each node publishes a hash of each value in the database, and compares them with those of the others. Hashes are keyed
//! with the secret of the cluster, as tokens are among the values.

use crate::server_config::ServerConfig;
use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use std::fmt::Write as _;
use std::sync::Arc;
use webpush_service::bearer_tokens::TokenSource;
use webpush_service::secret::Secret;
use webpush_store::Backend;
use webpush_store::postgres::SettingHashes;

/// Sections whose settings are all compared, as they are written.
pub(crate) const SECTIONS: [&str; 4] = ["subscribe", "messages", "rates", "matrix"];
/// Compared settings of other sections.
pub(crate) const SETTINGS: [&str; 7] = [
    "listen.origin",
    "storage.quota_messages",
    "storage.quota_bytes",
    "storage.quota_receipts",
    "storage.quota_subscriptions",
    "storage.expire_unused_after",
    "storage.expire_idle_after",
];
/// The tokens themselves are compared, not where they are.
pub(crate) const TOKENS: &str = "subscribe.tokens";
pub(crate) const TOKEN_FILE: &str = "subscribe.tokens_file";
/// The name of all broadcasts of the configuration.
const BROADCASTS: &str = "broadcasts";
/// Bytes of a hash that are kept.
const HASH_BYTES: usize = 8;
/// The purpose of the key.
const CONTEXT: &[u8] = b"webpush-server settings";

/// Publishes the settings of this node.
pub struct SharedSettings {
    key: Key,
    store: Arc<Backend>,
    at_start: SettingHashes,
}

impl SharedSettings {
    /// Publishes the settings at the start.
    ///
    /// # Errors
    /// Fails if the tokens cannot be read.
    pub fn publish(
        settings: &ServerConfig,
        origin: &str,
        secret: &Secret,
        store: Arc<Backend>,
    ) -> anyhow::Result<Self> {
        let key = Key::new(HMAC_SHA256, secret.expose().as_bytes());
        let key = Key::new(HMAC_SHA256, sign(&key, CONTEXT).as_ref());
        let at_start = hashes(&key, settings, origin)?;
        store.set_settings(at_start.clone());
        Ok(Self { key, store, at_start })
    }

    /// Returns the hashes of a configuration that was read again.
    ///
    /// # Errors
    /// Fails if the tokens cannot be read.
    pub fn hashes(&self, settings: &ServerConfig, origin: &str) -> anyhow::Result<SettingHashes> {
        hashes(&self.key, settings, origin)
    }

    /// Publishes them, except for settings that need a restart, which still have their values of the start.
    pub fn replace(&self, mut hashes: SettingHashes, needs_restart: &[String]) {
        for name in needs_restart {
            if let Some(hash) = self.at_start.get(name) {
                hashes.insert(name.clone(), hash.clone());
            }
        }
        self.store.set_settings(hashes);
    }
}

fn hashes(key: &Key, settings: &ServerConfig, origin: &str) -> anyhow::Result<SettingHashes> {
    let effective = &settings.effective;
    let mut values: Vec<(&str, String)> = Vec::new();
    for setting in effective.settings.iter().filter(|setting| is_shared(&setting.name, setting.section())) {
        let value = effective.values.get(&setting.name);
        let texts = value.into_iter().flat_map(|value| &value.texts);
        values.push((&setting.name, texts.map(|text| text.to_string_lossy()).collect::<Vec<_>>().join(",")));
    }
    values.retain(|(name, _)| !["listen.origin", TOKENS, TOKEN_FILE].contains(name));
    values.push(("listen.origin", origin.to_owned()));
    let tokens = settings.subscribe_tokens.as_ref().map(TokenSource::read_all).transpose()?;
    let mut tokens = tokens.unwrap_or_default();
    tokens.sort_unstable();
    values.push((TOKENS, tokens.join("\n")));
    values.push((BROADCASTS, format!("{:?}", settings.broadcasts)));
    Ok(values.into_iter().map(|(name, value)| (name.to_owned(), hash(key, name, &value))).collect())
}

fn is_shared(name: &str, section: &str) -> bool {
    SECTIONS.contains(&section) || SETTINGS.contains(&name)
}

fn hash(key: &Key, name: &str, value: &str) -> String {
    let tag = sign(key, format!("{name}\n{value}").as_bytes());
    tag.as_ref().iter().take(HASH_BYTES).fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
