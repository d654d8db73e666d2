use super::*;
use crate::vendor::Vendor;
use crate::vendor::testing::{
    NOW_SECONDS, accept, assert_accepted, assert_refusals, body, header, translate,
};

fn reason(answer: &Answer) -> String {
    let document: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(header(answer, "apns-id").unwrap().len(), 36);
    document["reason"].as_str().unwrap().to_owned()
}

#[test]
fn requests_that_apple_refuses() {
    assert_refusals(
        Vendor::Apple,
        &[
            (|sample| sample.authorization = None, 403, "BadAuthorizationHeader"),
            (|sample| sample.authorization = Some("vapid t=TOKEN"), 403, "BadAuthorizationHeader"),
            (
                |sample| {
                    sample.authorization = Some("WebPush TOKEN");
                    sample.header("crypto-key", Some("p256ecdsa=KEY"));
                },
                403,
                "BadAuthorizationHeader",
            ),
            (|sample| sample.key = Some("AAAA".to_owned()), 403, "BadVapidPublicKey"),
            (|sample| sample.is_forged = true, 403, "BadJwtToken"),
            (|sample| sample.claims["aud"] = json!("https://example.com"), 403, "BadJwtToken"),
            (|sample| sample.claims["exp"] = json!(NOW_SECONDS + 86_401), 403, "BadJwtToken"),
            (|sample| sample.claims["exp"] = json!(NOW_SECONDS - 3_600), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!(null), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!("me@example.com"), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!("mailto:me@localhost"), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!("mailto: <me@example.com>"), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!("mailto:"), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!("https://localhost"), 403, "BadJwtToken"),
            (|sample| sample.claims["sub"] = json!("https://app.localhost:3000/"), 403, "BadJwtToken"),
            (|sample| sample.header("topic", Some("spike")), 400, "BadWebPushTopic"),
        ],
        reason,
    );
    assert_accepted(
        Vendor::Apple,
        &[
            |sample| sample.claims["sub"] = json!("https://example.com"),
            |sample| sample.header("topic", Some("neueangebote")),
            |sample| sample.header("topic", Some("abc")),
        ],
    );
}

#[test]
fn responses_have_the_form_of_apple() {
    for (status, problem, expected, text) in [
        (401, "vapid-required", 403, "BadAuthorizationHeader"),
        (403, "vapid-invalid", 400, "VapidPkHashMismatch"),
        (400, "ttl-missing", 400, "BadTtl"),
        (400, "urgency-malformed", 400, "BadUrgency"),
        (400, "topic-malformed", 400, "BadWebPushTopic"),
        (400, "header-malformed", 400, "BadWebPushRequest"),
        (404, "not-found", 404, "BadPath"),
        (410, "gone", 410, "Unregistered"),
        (413, "body-too-large", 413, "PayloadTooLarge"),
        (429, "too-many-requests", 429, "TooManyRequests"),
        (503, "store-full", 503, "ServiceUnavailable"),
        (500, "internal", 500, "InternalServerError"),
    ] {
        let answer = translate(Vendor::Apple, status, problem, None);
        assert_eq!((answer.status().as_u16(), reason(&answer)), (expected, text.to_owned()), "{problem}");
        assert_eq!(header(&answer, "retry-after"), matches!(expected, 429 | 503).then_some("7"));
    }
}

#[test]
fn an_accepted_message_has_an_id() {
    let answer = accept(Vendor::Apple, &[]);
    assert_eq!((answer.status().as_u16(), body(&answer)), (201, String::new()));
    let id = header(&answer, "apns-id").unwrap();
    assert_eq!(id.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
}

#[test]
fn faults_have_the_form_of_apple() {
    let answer = Vendor::Apple.fault(StatusCode::TOO_MANY_REQUESTS, Some(5));
    assert_eq!((header(&answer, "retry-after"), &*reason(&answer)), (Some("5"), "TooManyRequests"));
    assert_eq!(reason(&Vendor::Apple.fault(StatusCode::GONE, None)), "Unregistered");
    assert_eq!(reason(&Vendor::Apple.fault(StatusCode::BAD_GATEWAY, None)), "InternalServerError");
}
