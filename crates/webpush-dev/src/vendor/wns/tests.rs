use super::*;
use crate::vendor::Vendor;
use crate::vendor::testing::{
    NOW_SECONDS, accept, assert_accepted, assert_refusals, body, header, translate,
};
use serde_json::json;

/// Returns the outcome and the description of a response.
fn outcome(answer: &Answer) -> String {
    assert_eq!(header(answer, "x-wns-status"), header(answer, "x-wns-notificationstatus"));
    assert!(answer.body().is_empty());
    let description = header(answer, "x-wns-error-description").unwrap_or("-");
    format!("{}: {description}", header(answer, "x-wns-status").unwrap())
}

#[test]
fn requests_that_wns_refuses() {
    assert_refusals(
        Vendor::Wns,
        &[
            (|sample| sample.authorization = None, 401, "dropped: -"),
            (
                |sample| sample.is_forged = true,
                401,
                "dropped: JWT Authentication Failed, unable to validate token signature",
            ),
            (
                |sample| sample.claims["aud"] = json!("https://example.com"),
                401,
                "dropped: JWT Authentication Failed",
            ),
            (
                |sample| sample.claims["exp"] = json!(NOW_SECONDS + 86_401),
                401,
                "dropped: JWT Authentication Failed",
            ),
            (
                |sample| sample.header("ttl", Some("0")),
                400,
                "dropped: Ttl value conflicts with X-WNS-Cache-Policy.",
            ),
            (
                |sample| {
                    sample.header("ttl", Some("0"));
                    sample.header("x-wns-cache-policy", Some("cache"));
                },
                400,
                "dropped: Ttl value conflicts with X-WNS-Cache-Policy.",
            ),
            (
                |sample| sample.header("x-wns-cache-policy", Some("no-cache")),
                400,
                "dropped: Ttl value conflicts with X-WNS-Cache-Policy.",
            ),
        ],
        outcome,
    );
    assert_accepted(
        Vendor::Wns,
        &[
            |sample| sample.header("x-wns-cache-policy", Some("cache")),
            |sample| sample.claims["sub"] = json!(null),
            |sample| sample.header("ttl", None),
            |sample| {
                sample.header("ttl", Some("0"));
                sample.header("x-wns-cache-policy", Some("no-cache"));
            },
        ],
    );
}

#[test]
fn responses_have_the_form_of_wns() {
    for (status, problem, expected, text) in [
        (401, "vapid-required", 401, "dropped: -".to_owned()),
        (403, "vapid-invalid", 401, format!("dropped: {MISMATCH}")),
        (400, "ttl-missing", 400, "dropped: A sentence.".to_owned()),
        (404, "not-found", 404, "dropped: -".to_owned()),
        (410, "gone", 410, "dropped: -".to_owned()),
        (413, "body-too-large", 413, "dropped: -".to_owned()),
        (429, "too-many-requests", 429, "channelthrottled: -".to_owned()),
        (503, "store-full", 503, "dropped: -".to_owned()),
    ] {
        let answer = translate(Vendor::Wns, status, problem, None);
        assert_eq!((answer.status().as_u16(), outcome(&answer)), (expected, text), "{problem}");
        assert_eq!(header(&answer, "retry-after"), matches!(expected, 429 | 503).then_some("7"));
    }
}

#[test]
fn an_accepted_message_is_received() {
    let answer = accept(Vendor::Wns, &[]);
    assert_eq!((answer.status().as_u16(), body(&answer)), (201, String::new()));
    assert_eq!(outcome(&answer), "received: -");
    assert_eq!(header(&answer, "x-wns-msg-id").unwrap().len(), 16);
    assert_eq!(header(&answer, "x-wns-deviceconnectionstatus"), None);
    let answer = accept(Vendor::Wns, &[("x-wns-requestforstatus", "true")]);
    assert_eq!(header(&answer, "x-wns-deviceconnectionstatus"), Some("connected"));
}

#[test]
fn faults_have_the_form_of_wns() {
    for status in [StatusCode::NOT_ACCEPTABLE, StatusCode::TOO_MANY_REQUESTS] {
        let answer = Vendor::Wns.fault(status, Some(900));
        assert_eq!(
            (header(&answer, "retry-after"), &*outcome(&answer)),
            (Some("900"), "channelthrottled: -")
        );
    }
    assert_eq!(outcome(&Vendor::Wns.fault(StatusCode::GONE, None)), "dropped: -");
}
