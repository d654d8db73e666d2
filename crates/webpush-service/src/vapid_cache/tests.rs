use super::*;
use http::header::{AUTHORIZATION, HeaderValue};
use std::time::Duration;
use webpush_client::vapid::VapidKey;
use webpush_core::base64url;
use webpush_core::sender::{Claim, VAPID_LEEWAY, parse_key};

const ORIGIN: &str = "https://push.example";
const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);

fn cache() -> VapidCache {
    VapidCache::new(ORIGIN.to_owned(), Vec::new())
}

fn headers(authorization: &str) -> HeaderMap {
    HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(authorization).unwrap())])
}

fn signed(key: &VapidKey) -> String {
    key.authorization(ORIGIN, None, NOW).unwrap()
}

/// Verifies a token: there is no other way to create a `VerifiedSender`.
pub(super) fn verified_sender() -> VerifiedSender {
    cache()
        .verify(&headers(&signed(&VapidKey::generate().unwrap())), TokenAudience::Own, NOW, VAPID_LEEWAY)
        .unwrap()
        .unwrap()
}

fn claim(result: Result<Option<VerifiedSender>, Problem>) -> Claim {
    match result {
        Err(Problem::VapidInvalid { claim, .. }) => claim,
        other => panic!("{other:?}"),
    }
}

#[test]
fn r8292_5_a_the_second_message_with_a_token_costs_no_check() {
    let (cache, key) = (cache(), VapidKey::generate().unwrap());
    let headers = headers(&signed(&key));
    let sender = cache.verify(&headers, TokenAudience::Own, NOW, VAPID_LEEWAY).unwrap().unwrap();
    assert_eq!(sender.key().0, base64url::decode(&key.public()).unwrap()[..]);
    assert_eq!(cache.signature_checks(), 1);
    for _ in 0..10 {
        assert_eq!(cache.verify(&headers, TokenAudience::Own, NOW, VAPID_LEEWAY), Ok(Some(sender)));
    }
    assert_eq!(cache.signature_checks(), 1);
    let other_way = signed(&key).replace(", ", ",");
    cache.verify(&self::headers(&other_way), TokenAudience::Own, NOW, VAPID_LEEWAY).unwrap();
    assert_eq!(cache.signature_checks(), 2, "another token of the same key");
}

#[test]
fn a_cached_token_expires() {
    let (cache, key) = (cache(), VapidKey::generate().unwrap());
    let headers = headers(&signed(&key));
    let end = cache.verify(&headers, TokenAudience::Own, NOW, VAPID_LEEWAY).unwrap().unwrap().expires();
    let last = end.after(VAPID_LEEWAY).before(Duration::from_millis(1));
    assert!(cache.verify(&headers, TokenAudience::Own, last, VAPID_LEEWAY).is_ok());
    assert_eq!(
        claim(cache.verify(&headers, TokenAudience::Own, end.after(VAPID_LEEWAY), VAPID_LEEWAY)),
        Claim::Expiry
    );
    assert_eq!(
        claim(cache.verify(&headers, TokenAudience::Own, end, Duration::ZERO)),
        Claim::Expiry,
        "the leeway may change"
    );
    let clock_set_back = Timestamp::from_millis(NOW.as_millis() - 25 * 3_600_000);
    assert_eq!(
        claim(cache.verify(&headers, TokenAudience::Own, clock_set_back, VAPID_LEEWAY)),
        Claim::Expiry
    );
    assert_eq!(cache.signature_checks(), 1);
}

#[test]
fn invalid_tokens_are_not_cached_and_do_not_match_a_valid_one() {
    let (cache, one, two) = (cache(), VapidKey::generate().unwrap(), VapidKey::generate().unwrap());
    let good = signed(&one);
    cache.verify(&headers(&good), TokenAudience::Own, NOW, VAPID_LEEWAY).unwrap();
    let stolen = headers(&good.replace(&one.public(), &two.public()));
    for checks in [2, 3] {
        assert_eq!(claim(cache.verify(&stolen, TokenAudience::Own, NOW, VAPID_LEEWAY)), Claim::Signature);
        assert_eq!(cache.signature_checks(), checks);
    }
    let elsewhere = one.authorization("https://elsewhere.example", None, NOW).unwrap();
    assert_eq!(
        claim(cache.verify(&headers(&elsewhere), TokenAudience::Own, NOW, VAPID_LEEWAY)),
        Claim::Audience
    );
    let late = NOW.after(Duration::from_secs(24 * 3600 + 60));
    let early = headers(&one.authorization(ORIGIN, None, late).unwrap());
    assert_eq!(claim(cache.verify(&early, TokenAudience::Own, NOW, VAPID_LEEWAY)), Claim::Expiry);
    assert_eq!(cache.signature_checks(), 3, "invalid claims cost no signature check");
}

#[test]
fn a_token_for_google_is_not_remembered_for_our_own_audience() {
    let (cache, key) = (cache(), VapidKey::generate().unwrap());
    let headers = headers(&key.authorization("https://fcm.googleapis.com", None, NOW).unwrap());
    assert_eq!(claim(cache.verify(&headers, TokenAudience::Own, NOW, VAPID_LEEWAY)), Claim::Audience);
    for _ in 0..2 {
        assert!(cache.verify(&headers, TokenAudience::GoogleAsWell, NOW, VAPID_LEEWAY).unwrap().is_some());
        assert_eq!(claim(cache.verify(&headers, TokenAudience::Own, NOW, VAPID_LEEWAY)), Claim::Audience);
    }
    assert_eq!(cache.signature_checks(), 1);
}

#[test]
fn r8292_3_2_a_the_point_must_be_on_the_curve() {
    let key = VapidKey::generate().unwrap().public();
    let mut point: [u8; 65] = base64url::decode(&key).unwrap().try_into().unwrap();
    assert_eq!(parse_key(&key, &P256), Ok(SenderKey(point)));
    point[64] ^= 1;
    assert!(!P256.contains(&point));
    let mut infinity = [0; 65];
    infinity[0] = 4;
    assert!(!P256.contains(&infinity));
    assert!(!P256.contains(&[4; 65]));
}
