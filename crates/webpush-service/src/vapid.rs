//! Who sends (RFC 8292): the arithmetic that [`webpush_core::sender`] leaves out, and a memory of tokens found good.

mod token_cache;

use aws_lc_rs::digest::{Context, SHA256};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey};
use http::HeaderMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use token_cache::{SHARDS, TokenCache, TokenName};
use webpush_core::problem::Problem;
use webpush_core::sender::{Credentials, Curve, Expected, VerifiedSender, verify};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

/// P-256 as `aws-lc-rs` has it.
#[derive(Clone, Copy, Debug)]
pub struct P256;

impl Curve for P256 {
    fn contains(&self, point: &[u8; 65]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &key.0).verify(message, signature).is_ok()
    }
}

/// Finds out who sends. A sender uses one token for hours, and only its first use costs a signature check (RFC 8292
/// §5); refused tokens are not remembered, so nobody can fill the memory without signing for it.
pub struct VapidCache {
    /// The origin that tokens must be for. What is remembered was verified for this one.
    audience: String,
    shards: [Mutex<TokenCache>; SHARDS],
    checks: AtomicU64,
}

impl VapidCache {
    /// An empty memory for the service at this public origin.
    #[must_use]
    pub fn new(audience: String) -> Self {
        Self { audience, shards: Default::default(), checks: AtomicU64::new(0) }
    }

    /// The sender of a request; `None` if the request does not say.
    ///
    /// # Errors
    /// [`Problem::VapidInvalid`] when it says something that can't be so.
    pub fn verify(&self, headers: &HeaderMap, now: Timestamp) -> Result<Option<VerifiedSender>, Problem> {
        let Some(credentials) = Credentials::parse(headers)? else { return Ok(None) };
        let name = name(&credentials);
        if let Some(sender) = self.shard(&name, |shard| shard.get(&name)).filter(|it| it.is_valid_at(now)) {
            return Ok(Some(sender));
        }
        let expected = Expected { audience: &self.audience, now };
        let sender = verify(&credentials, expected, &Counted(&self.checks))?;
        self.shard(&name, |shard| shard.insert(name, sender));
        Ok(Some(sender))
    }

    /// How many signatures were checked so far.
    #[must_use]
    pub fn signature_checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    fn shard<T>(&self, name: &TokenName, action: impl FnOnce(&mut TokenCache) -> T) -> T {
        let shard = &self.shards[usize::from(name[0]) % SHARDS];
        action(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A digest stands for token and key: two that differ in either have different ones.
fn name(credentials: &Credentials<'_>) -> TokenName {
    let mut context = Context::new(&SHA256);
    context.update(&(credentials.token().len() as u64).to_be_bytes());
    context.update(credentials.token().as_bytes());
    context.update(credentials.key().as_bytes());
    let mut name = TokenName::default();
    name.copy_from_slice(context.finish().as_ref());
    name
}

/// Counts signature checks.
struct Counted<'a>(&'a AtomicU64);

impl Curve for Counted<'_> {
    fn contains(&self, point: &[u8; 65]) -> bool {
        P256.contains(point)
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        self.0.fetch_add(1, Ordering::Relaxed);
        P256.verifies(key, message, signature)
    }
}

#[cfg(test)]
mod tests;
