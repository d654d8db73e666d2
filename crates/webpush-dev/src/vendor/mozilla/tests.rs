use super::*;
use crate::vendor::Vendor;
use crate::vendor::testing::{
    NOW_SECONDS, accept, assert_accepted, assert_refusals, body, header, translate,
};

/// Returns the error number and the message of a response.
fn errno_and_message(answer: &Answer) -> String {
    let document: Value = serde_json::from_slice(answer.body()).unwrap();
    assert_eq!(document["code"], answer.status().as_u16());
    assert_eq!(document["error"], answer.status().canonical_reason().unwrap());
    assert_eq!(document["more_info"], MORE_INFO);
    format!("{} {}", document["errno"], document["message"].as_str().unwrap())
}

#[test]
fn requests_that_mozilla_refuses() {
    let claims = "109 Invalid VAPID token: A value in the vapid claims is either missing or incorrectly specified (e.g. \
                  \"exp\":\"12345\" or \"sub\":null). Please correct and retry.";
    assert_refusals(
        Vendor::Mozilla,
        &[
            (|sample| sample.authorization = Some("Basic x"), 401, "109 Unknown auth scheme"),
            (
                |sample| sample.authorization = Some("WebPush TOKEN"),
                400,
                "110 Missing p256ecdsa in Crypto-Key header",
            ),
            (|sample| sample.authorization = Some("vapid k=KEY"), 401, "109 Missing VAPID token"),
            (|sample| sample.authorization = Some("vapid t=TOKEN"), 401, "109 Missing VAPID public key"),
            (|sample| sample.authorization = Some("vapid t=x, k=KEY"), 401, "109 InvalidToken"),
            (|sample| sample.is_forged = true, 401, "109 InvalidSignature"),
            (|sample| sample.claims["aud"] = json!("https://example.com"), 401, "109 Invalid VAPID audience"),
            (
                |sample| sample.claims["aud"] = json!("https://updates.push.services.mozilla.com/"),
                401,
                "109 Invalid VAPID audience",
            ),
            (
                |sample| sample.claims["aud"] = json!(["https://updates.push.services.mozilla.com"]),
                401,
                claims,
            ),
            (|sample| sample.claims["exp"] = json!((NOW_SECONDS + 60).to_string()), 401, claims),
            (|sample| sample.claims["exp"] = json!(null), 401, claims),
            (|sample| sample.claims["exp"] = json!(NOW_SECONDS - 3_600), 401, "109 ExpiredSignature"),
            (
                |sample| sample.claims["exp"] = json!(NOW_SECONDS + 86_401),
                401,
                "109 The VAPID token expiration is too long",
            ),
            (|sample| sample.header("content-encoding", None), 400, "110 Missing Content-Encoding header"),
            (
                |sample| sample.header("content-encoding", Some("br")),
                400,
                "110 Unknown Content-Encoding header",
            ),
            (
                |sample| sample.header("encryption", Some("salt=AAAA")),
                400,
                "110 Do not include 'salt' header in aes128gcm Encryption header",
            ),
            (
                |sample| sample.header("crypto-key", Some("keyid=x; dh=AAAA")),
                400,
                "110 Do not include 'dh' header in aes128gcm Crypto-Key header",
            ),
        ],
        errno_and_message,
    );
    assert_accepted(
        Vendor::Mozilla,
        &[
            |sample| sample.authorization = None,
            |sample| sample.claims["sub"] = json!(null),
            |sample| sample.header("content-encoding", Some("aesgcm")),
            |sample| {
                sample.header("content-encoding", None);
                sample.body.clear();
            },
            |sample| {
                sample.authorization = Some("WebPush TOKEN");
                sample.header("crypto-key", Some("p256ecdsa=KEY"));
            },
        ],
    );
}

#[test]
fn responses_have_the_form_of_mozilla() {
    for (status, problem, errno, expected, text) in [
        (401, "vapid-required", Some(109), 401, "109 Missing VAPID public key"),
        (403, "vapid-invalid", Some(109), 401, "109 VAPID public key mismatch"),
        (400, "ttl-missing", Some(111), 400, "111 Missing TTL value"),
        (400, "ttl-malformed", Some(111), 400, "111 Missing TTL value"),
        (400, "ttl-malformed", Some(114), 400, "114 ttl: TTL must be greater than 0"),
        (
            400,
            "topic-malformed",
            Some(113),
            400,
            "113 topic: Topic must be URL and Filename safe Base64 alphabet",
        ),
        (400, "encoding-unreadable", Some(110), 400, "110 A sentence."),
        (404, "not-found", Some(102), 404, "102 Invalid token"),
        (410, "gone", Some(106), 410, "106 No such subscription"),
        (413, "body-too-large", Some(104), 413, "104 A sentence."),
        (429, "too-many-requests", None, 429, "null A sentence."),
        (503, "store-full", Some(201), 503, "201 Service Unavailable"),
    ] {
        let answer = translate(Vendor::Mozilla, status, problem, errno);
        assert_eq!((answer.status().as_u16(), errno_and_message(&answer)), (expected, text.to_owned()));
        assert_eq!(header(&answer, "content-type"), Some("application/json"));
        let retry_after = [(429, "7"), (503, "120")].into_iter().find(|(code, _)| *code == expected);
        assert_eq!(header(&answer, "retry-after"), retry_after.map(|(_, seconds)| seconds));
        assert_eq!(header(&answer, "cache-control"), (expected == 410).then_some("max-age=86400"));
    }
}

#[test]
fn an_accepted_message_has_a_url_and_a_ttl() {
    let answer = accept(Vendor::Mozilla, &[]);
    assert_eq!((answer.status().as_u16(), body(&answer)), (201, String::new()));
    assert_eq!(header(&answer, "location"), Some("https://updates.push.services.mozilla.com/m/TOKEN"));
    assert_eq!(header(&answer, "ttl"), Some("60"));
}

#[test]
fn faults_have_the_form_of_mozilla() {
    for (status, retry_after, expected, text) in [
        (StatusCode::SERVICE_UNAVAILABLE, None, Some("120"), "201 Service Unavailable"),
        (StatusCode::SERVICE_UNAVAILABLE, Some(5), Some("5"), "201 Service Unavailable"),
        (StatusCode::INTERNAL_SERVER_ERROR, None, None, "999 Internal Server Error"),
        (StatusCode::GONE, None, None, "106 No such subscription"),
        (StatusCode::TOO_MANY_REQUESTS, Some(5), Some("5"), "null Too Many Requests"),
    ] {
        let answer = Vendor::Mozilla.fault(status, retry_after);
        assert_eq!((header(&answer, "retry-after"), errno_and_message(&answer)), (expected, text.to_owned()));
    }
}
