//! VAPID verification (RFC 8292) with a cache of verified tokens.

mod token_cache;

use crate::p256::P256;
use aws_lc_rs::digest::{Context, SHA256};
use http::HeaderMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use token_cache::{SHARDS, TokenCache, TokenDigest};
use webpush_core::problem::Problem;
use webpush_core::sender::{Credentials, Curve, Expected, VerifiedSender, verify};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

/// Verifies VAPID headers.
///
/// A sender uses a token for hours, and only its first use costs a signature check (RFC 8292 §5). Invalid tokens are not
/// cached, so filling the cache takes valid signatures.
pub struct VapidCache {
    /// The origin that tokens must be issued for.
    audience: String,
    /// Other origins that they may be issued for.
    also: Vec<String>,
    shards: [Mutex<TokenCache>; SHARDS],
    checks: AtomicU64,
}

/// The audiences that a token may be issued for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenAudience {
    /// This server.
    Own,
    /// This server, or Google's push service: Chromium gives its subscriptions URLs of Google.
    GoogleAsWell,
}

impl VapidCache {
    /// Creates an empty cache for the server at this public origin, and at others.
    #[must_use]
    pub fn new(audience: String, also: Vec<String>) -> Self {
        Self { audience, also, shards: Default::default(), checks: AtomicU64::new(0) }
    }

    /// Returns the verified sender of a request, or `None` for a request without VAPID credentials.
    ///
    /// The times of a token tolerate `leeway`.
    ///
    /// # Errors
    /// Fails with [`Problem::VapidInvalid`] if the credentials are invalid.
    pub fn verify(
        &self,
        headers: &HeaderMap,
        audience: TokenAudience,
        now: Timestamp,
        leeway: Duration,
    ) -> Result<Option<VerifiedSender>, Problem> {
        let Some(credentials) = Credentials::parse(headers)? else { return Ok(None) };
        let digest = digest(&credentials, audience);
        let cached = self.with_shard(&digest, |shard| shard.get(&digest));
        if let Some(sender) = cached.filter(|sender| sender.is_valid_at(now, leeway)) {
            return Ok(Some(sender));
        }
        let google_as_well = audience == TokenAudience::GoogleAsWell;
        let expected = Expected { audience: &self.audience, also: &self.also, google_as_well, now, leeway };
        let sender = verify(&credentials, expected, &CountingCurve(&self.checks))?;
        self.with_shard(&digest, |shard| shard.insert(digest, sender));
        Ok(Some(sender))
    }

    /// Returns the number of signatures checked so far.
    #[must_use]
    pub fn signature_checks(&self) -> u64 {
        self.checks.load(Ordering::Relaxed)
    }

    fn with_shard<T>(&self, digest: &TokenDigest, action: impl FnOnce(&mut TokenCache) -> T) -> T {
        let shard = &self.shards[usize::from(digest[0]) % SHARDS];
        action(&mut shard.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Hashes token and key, and the audience, as a token that one accepts may be invalid for the other.
///
/// The length prefix keeps the boundary between token and key unambiguous.
fn digest(credentials: &Credentials<'_>, audience: TokenAudience) -> TokenDigest {
    let mut context = Context::new(&SHA256);
    context.update(&[audience as u8]);
    context.update(&(credentials.token().len() as u64).to_be_bytes());
    context.update(credentials.token().as_bytes());
    context.update(credentials.key().as_bytes());
    let mut digest = TokenDigest::default();
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

/// P-256 that counts signature checks.
struct CountingCurve<'a>(&'a AtomicU64);

impl Curve for CountingCurve<'_> {
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
