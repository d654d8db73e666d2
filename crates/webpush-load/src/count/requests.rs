//! A push request, from its head to its acceptance.

use super::samples::{self, BODY, KEY, NOW, ORIGIN};
use anyhow::{Context as _, ensure};
use bytes::Bytes;
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use std::hint::black_box;
use std::time::Duration;
use webpush_client::vapid::VapidKey;
use webpush_core::id::MessageId;
use webpush_core::problem::Problem;
use webpush_core::publish::{AcceptContext, PublishRequest, Retention, accept};
use webpush_core::sender::{VAPID_LEEWAY, VerifiedSender};
use webpush_core::subscription::{Protocol, Subscription};
use webpush_service::vapid_cache::{TokenAudience, VapidCache};

/// Parses the headers.
///
/// # Errors
/// If they are refused.
pub fn parse(times: u32) -> anyhow::Result<()> {
    let headers = samples::headers();
    for _ in 0..times {
        black_box(request(black_box(&headers)).map_err(refused)?);
    }
    Ok(())
}

/// Accepts a push of a verified sender to a subscription that is restricted to it.
///
/// # Errors
/// If it is refused.
pub fn judge_one(times: u32) -> anyhow::Result<()> {
    let (cache, credentials) = remembered()?;
    let sender = sender(&cache, &credentials)?;
    let subscription =
        Subscription { sender: Some(*sender.key()), ..samples::subscription(Protocol::Rfc8030) };
    let request = request(&samples::headers()).map_err(refused)?;
    let (max_ttl, id) = (Duration::from_secs(30 * 86_400), MessageId::from_bytes([3; 16]));
    for _ in 0..times {
        let context = AcceptContext {
            id,
            key: KEY,
            receipt: None,
            sender: Some(sender),
            max_ttl,
            aesgcm_in_body: None,
            now: NOW,
        };
        let accepted = accept(request.clone(), black_box(&subscription), context).map_err(refused)?;
        ensure!(matches!(black_box(accepted).retention, Retention::Until(_)), "it is not to be kept");
    }
    Ok(())
}

/// Identifies a sender by a cached token.
///
/// # Errors
/// If the token is not valid.
pub fn vapid(times: u32) -> anyhow::Result<()> {
    let (cache, credentials) = remembered()?;
    for _ in 0..times {
        black_box(sender(&cache, black_box(&credentials))?);
    }
    ensure!(cache.signature_checks() == 1, "the token was forgotten");
    Ok(())
}

fn request(headers: &HeaderMap) -> Result<PublishRequest, Problem> {
    PublishRequest::parse(headers, Bytes::from_static(&BODY))
}

fn refused(problem: Problem) -> anyhow::Error {
    anyhow::anyhow!("refused: {problem:?}")
}

fn remembered() -> anyhow::Result<(VapidCache, HeaderMap)> {
    let value = VapidKey::generate()?.authorization(ORIGIN, Some("mailto:a@b.example"), NOW)?;
    let credentials = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::try_from(value)?)]);
    let cache = VapidCache::new(ORIGIN.to_owned(), Vec::new());
    sender(&cache, &credentials)?;
    Ok((cache, credentials))
}

fn sender(cache: &VapidCache, credentials: &HeaderMap) -> anyhow::Result<VerifiedSender> {
    cache
        .verify(credentials, TokenAudience::Own, NOW, VAPID_LEEWAY)
        .map_err(refused)?
        .context("nobody says who sends")
}
