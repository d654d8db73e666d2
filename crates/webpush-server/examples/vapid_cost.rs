//! Measures the verification of VAPID tokens: new, cached and invalid ones.
//!
//! ```text
//! cargo run --release -p webpush-server --example vapid_cost [ROUNDS]
//! ```

use anyhow::{Context as _, ensure};
use http::HeaderMap;
use http::header::{AUTHORIZATION, HeaderValue};
use std::hint::black_box;
use std::time::Instant;
use webpush_client::vapid::VapidKey;
use webpush_core::sender::VAPID_LEEWAY;
use webpush_core::time::Timestamp;
use webpush_service::vapid_cache::{TokenAudience, VapidCache};

const ORIGIN: &str = "https://push.example";
const MAX_ROUNDS: usize = 100_000;

fn main() -> anyhow::Result<()> {
    let rounds: usize = std::env::args().nth(1).map_or(Ok(5_000), |text| text.parse()).context("ROUNDS")?;
    ensure!((1..=MAX_ROUNDS).contains(&rounds), "ROUNDS: 1 to {MAX_ROUNDS}");
    let now = Timestamp::from_millis(1_700_000_000_000);
    let key = VapidKey::generate()?;
    // Signatures are randomized, so each of these is a different token.
    let fresh = requests(&key, ORIGIN, rounds, now)?;
    let elsewhere = requests(&key, "https://elsewhere.example", rounds, now)?;
    let stolen = fresh.iter().map(with_signature_changed).collect::<anyhow::Result<Vec<_>>>()?;

    let cache = VapidCache::new(ORIGIN.to_owned(), Vec::new());
    let ask =
        |headers: &HeaderMap| cache.verify(black_box(headers), TokenAudience::Own, now, VAPID_LEEWAY).is_ok();
    measure("without a token", rounds, |_| ask(&HeaderMap::new()));
    measure("token never seen", rounds, |at| ask(&fresh[at]));
    ensure!(cache.signature_checks() == rounds as u64, "a token was remembered before it was seen");
    measure("token remembered", rounds, |_| ask(&fresh[0]));
    measure("one of many remembered", rounds, |at| ask(&fresh[at]));
    ensure!(rounds > 1_000 || cache.signature_checks() == rounds as u64, "a remembered token was checked");
    measure("refused: wrong aud", rounds, |at| !ask(&elsewhere[at]));
    measure("refused: bad signature", rounds, |at| !ask(&stolen[at]));
    Ok(())
}

fn requests(key: &VapidKey, origin: &str, count: usize, now: Timestamp) -> anyhow::Result<Vec<HeaderMap>> {
    (0..count).map(|_| headers(&key.authorization(origin, Some("mailto:a@b.example"), now)?)).collect()
}

fn headers(authorization: &str) -> anyhow::Result<HeaderMap> {
    Ok(HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization)?)]))
}

/// The same token with another signature.
fn with_signature_changed(request: &HeaderMap) -> anyhow::Result<HeaderMap> {
    let value = request[AUTHORIZATION].to_str()?;
    let (signed, rest) = value.rsplit_once('.').context("no token")?;
    let flipped = if rest.starts_with('A') { "B" } else { "A" };
    headers(&format!("{signed}.{flipped}{}", &rest[1..]))
}

fn measure(what: &str, rounds: usize, mut once: impl FnMut(usize) -> bool) {
    let began = Instant::now();
    let as_meant = (0..rounds).filter(|at| once(*at)).count();
    let micros = began.elapsed().as_secs_f64() * 1e6 / rounds as f64;
    println!("{what:24} {micros:9.3} µs   ({as_meant} of {rounds} as meant)");
}
