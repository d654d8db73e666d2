use super::*;
use crate::vendor::Vendor;
use crate::vendor::testing::{
    NOW_SECONDS, accept, assert_accepted, assert_refusals, body, header, translate,
};
use serde_json::json;

#[test]
fn requests_that_fcm_refuses() {
    assert_refusals(
        Vendor::Fcm,
        &[
            (|sample| sample.authorization = None, 401, "authorization header must be specified.\n"),
            (|sample| sample.is_forged = true, 403, "invalid JWT provided\n"),
            (|sample| sample.authorization = Some("vapid t=x, k=KEY"), 403, "invalid JWT provided\n"),
            (
                |sample| sample.authorization = Some("vapid t=TOKEN"),
                403,
                "authorization header had no public application server key specified. Authorization header should \
                 have the following format: vapid t=jwtToken; k=base64(publicApplicationServerKey)\n",
            ),
            (
                |sample| sample.authorization = Some("vapid k=KEY"),
                403,
                "authorization header had invalid format. authorization header should have the following format: \
                 t=jwtToken; k=base64(publicApplicationServerKey)\n",
            ),
            (|sample| sample.key = Some("AAAA".to_owned()), 403, "public key must be 65 bytes long\n"),
            (
                |sample| sample.key = Some("*".to_owned()),
                403,
                "make sure the public key is base64url-encoded [RFC7515]\n",
            ),
            (
                |sample| sample.claims["aud"] = json!("https://example.com"),
                403,
                "aud claim in the token MUST include the origin of the push resource URL\n",
            ),
            (|sample| sample.claims["aud"] = json!(null), 403, "invalid aud claim\n"),
            (|sample| sample.claims["exp"] = json!(null), 403, "exp claim is missing\n"),
            (|sample| sample.claims["exp"] = json!(NOW_SECONDS - 3_600), 403, "token has expired\n"),
            (
                |sample| sample.claims["exp"] = json!(NOW_SECONDS + 86_401),
                403,
                "exp claim MUST NOT be more than 24 hours from the time of the request\n",
            ),
            (|sample| sample.body = vec![0; 4097], 400, "The body exceeds the limit of 4096 bytes.\n"),
            (|sample| sample.header("ttl", Some("2419201")), 400, "TTL must be between 0 and 2419200.\n"),
        ],
        body,
    );
    assert_accepted(
        Vendor::Fcm,
        &[
            |sample| sample.claims["sub"] = json!(null),
            |sample| sample.claims["exp"] = json!(NOW_SECONDS + 86_400),
            |sample| sample.body = vec![0; 4096],
            |sample| sample.header("ttl", Some("2419200")),
            |sample| {
                sample.authorization = Some("WebPush TOKEN");
                sample.header("crypto-key", Some("p256ecdsa=KEY"));
            },
        ],
    );
}

#[test]
fn responses_have_the_form_of_fcm() {
    for (status, problem, expected, text) in [
        (401, "vapid-required", 401, "authorization header must be specified."),
        (403, "vapid-invalid", 403, MISMATCH),
        (404, "not-found", 404, UNKNOWN),
        (410, "gone", 410, "push subscription has unsubscribed or expired."),
        (413, "body-too-large", 400, "A sentence."),
        (400, "ttl-missing", 400, "A sentence."),
        (400, "topic-malformed", 400, "A sentence."),
        (429, "too-many-requests", 429, "A sentence."),
    ] {
        let answer = translate(Vendor::Fcm, status, problem, None);
        assert_eq!((answer.status().as_u16(), body(&answer)), (expected, format!("{text}\n")), "{problem}");
        assert_eq!(header(&answer, "content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(header(&answer, "retry-after"), (status == 429).then_some("7"));
    }
    let answer = translate(Vendor::Fcm, 503, "store-unavailable", Some(201));
    assert!(body(&answer).contains("<TITLE>Service Unavailable</TITLE>"));
    assert_eq!(header(&answer, "retry-after"), Some("7"));
}

#[test]
fn an_accepted_message_has_an_id() {
    let answer = accept(Vendor::Fcm, &[]);
    assert_eq!((answer.status().as_u16(), body(&answer)), (201, String::new()));
    let location = header(&answer, "location").unwrap();
    let id = location.strip_prefix("https://fcm.googleapis.com/0:").unwrap();
    assert_eq!((id.len(), id.find('%')), (33, Some(16)), "{id}");
    assert_eq!(header(&answer, "ttl"), None);
    assert_eq!(header(&answer, "x-frame-options"), Some("SAMEORIGIN"));
}

#[test]
fn faults_have_the_form_of_fcm() {
    let answer = Vendor::Fcm.fault(StatusCode::TOO_MANY_REQUESTS, Some(5));
    assert_eq!(
        (header(&answer, "retry-after"), body(&answer)),
        (Some("5"), "Too Many Requests\n".to_owned())
    );
    assert_eq!(
        body(&Vendor::Fcm.fault(StatusCode::GONE, None)),
        "push subscription has unsubscribed or expired.\n"
    );
    assert!(body(&Vendor::Fcm.fault(StatusCode::BAD_GATEWAY, None)).contains("Error 502"));
}
