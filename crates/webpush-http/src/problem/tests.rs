use super::*;
use serde_json::{Value, json};
use webpush_core::problem::LimitKind;
use webpush_core::sender::Claim;

fn style(vapid_status: VapidErrorStatus) -> ErrorStyle {
    ErrorStyle { origin: "https://push.example".to_owned(), vapid_status, refusals: Default::default() }
}

fn parts(failure: impl Into<HttpError>) -> (u16, Value, Answer) {
    parts_in(&style(VapidErrorStatus::Rfc), failure)
}

fn parts_in(style: &ErrorStyle, failure: impl Into<HttpError>) -> (u16, Value, Answer) {
    let answer = style.answer_with(failure.into().kind(), &[]);
    (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap(), answer)
}

fn invalid_vapid() -> Problem {
    Problem::VapidInvalid { claim: Claim::Audience, expected: "a".into(), found: "b".into() }
}

#[test]
fn problems_are_problem_json_and_agree_with_the_status() {
    let (status, body, answer) = parts(Problem::TtlMissing);
    assert_eq!((status, &body["status"]), (400, &json!(400)));
    assert_eq!(answer.headers()[CONTENT_TYPE], "application/problem+json");
    assert_eq!(body["type"], "/errors#ttl-missing");
}

#[test]
fn r9110_a_405_says_what_is_allowed() {
    let (status, _, answer) = parts(Problem::MethodNotAllowed { allow: "POST, OPTIONS" });
    assert_eq!((status, answer.headers()[ALLOW].to_str().unwrap()), (405, "POST, OPTIONS"));
}

#[test]
fn r8030_8_4_b_a_429_says_what_and_until_when() {
    let limit = LimitKind::Sender;
    let (status, body, answer) = parts(Problem::TooManyRequests { limit, retry_after_seconds: 7 });
    assert_eq!((status, answer.headers()[RETRY_AFTER].to_str().unwrap()), (429, "7"));
    assert!(body["detail"].as_str().unwrap().contains("VAPID key"), "{body}");
}

#[test]
fn r6750_3_a_401_names_the_scheme_and_whether_a_token_came() {
    for (wrong, challenge) in [(false, "Bearer"), (true, "Bearer error=\"invalid_token\"")] {
        let (status, _, answer) = parts(Problem::TokenRequired { wrong });
        assert_eq!((status, answer.headers()[WWW_AUTHENTICATE].to_str().unwrap()), (401, challenge));
    }
}

#[test]
fn an_unavailable_store_is_503_with_retry_after() {
    let (status, _, answer) = parts(StoreError::Unavailable);
    assert_eq!((status, answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "5"));
}

#[test]
fn a_full_store_is_503_with_a_longer_retry_after() {
    let (status, _, answer) = parts(StoreError::Full);
    assert_eq!((status, answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "60"));
}

#[test]
fn a_busy_gateway_is_503_with_retry_after() {
    let (status, _, answer) = parts(HttpError::Gateway(GatewayError::Busy));
    assert_eq!((status, answer.headers()[RETRY_AFTER].to_str().unwrap()), (503, "5"));
}

#[test]
fn every_error_has_the_members_of_autopush_as_well() {
    for vapid_status in [VapidErrorStatus::Rfc, VapidErrorStatus::Autopush] {
        for failure in catalogue::samples() {
            let (status, body, _) = parts_in(&style(vapid_status), failure);
            let members: Vec<_> = body.as_object().unwrap().keys().map(String::as_str).collect();
            let all = ["code", "detail", "errno", "error", "message", "more_info", "status", "title", "type"];
            assert_eq!(members, all);
            assert_eq!((&body["code"], &body["status"]), (&json!(status), &json!(status)));
            assert_eq!(body["message"], body["detail"]);
            assert_eq!(body["more_info"], format!("https://push.example{}", body["type"].as_str().unwrap()));
            assert!(!body["error"].as_str().unwrap().is_empty(), "{body}");
        }
    }
    assert_eq!(parts(Problem::TtlMissing).1["error"], "Bad Request");
}

#[test]
fn the_numbers_are_those_of_autopush() {
    let numbers = catalogue::samples().map(|failure| {
        let (status, body, _) = parts(failure);
        let name = body["type"].as_str().unwrap().trim_start_matches("/errors#").to_owned();
        (name, status, body["errno"].as_u64())
    });
    let expected = [
        ("ttl-missing", 400, Some(111)),
        ("ttl-malformed", 400, Some(111)),
        ("ttl-malformed", 400, Some(114)),
        ("urgency-malformed", 400, None),
        ("topic-malformed", 400, Some(113)),
        ("header-malformed", 400, None),
        ("header-malformed", 400, Some(110)),
        ("header-too-large", 431, Some(110)),
        ("header-too-large", 431, None),
        ("encoding-unreadable", 400, Some(110)),
        ("host-not-unique", 400, None),
        ("transfer-coding", 501, None),
        ("body-too-large", 413, Some(104)),
        ("body-incomplete", 400, None),
        ("set-unknown", 400, None),
        ("receipt-subscription-unknown", 400, None),
        ("options-malformed", 400, None),
        ("vapid-required", 401, Some(109)),
        ("vapid-invalid", 403, Some(109)),
        ("same-key", 400, Some(110)),
        ("too-many-requests", 429, None),
        ("token-required", 401, Some(109)),
        ("not-found", 404, Some(102)),
        ("gone", 410, Some(106)),
        ("method-not-allowed", 405, None),
        ("notification-malformed", 400, None),
        ("pushkey-elsewhere", 403, None),
        ("websocket-version", 426, None),
        ("upgrade-malformed", 400, None),
        ("push-unsupported", 505, None),
        ("store-unavailable", 503, Some(201)),
        ("store-full", 503, Some(201)),
        ("memory-low", 503, Some(201)),
        ("store-corrupt", 500, None),
        ("internal", 500, None),
        ("push-service", 502, None),
        ("gateway-busy", 503, None),
    ];
    let expected = expected.map(|(name, status, errno)| (name.to_owned(), status, errno));
    assert_eq!(numbers.collect::<Vec<_>>(), expected);
}

#[test]
fn r8292_4_2_b_invalid_vapid_is_403_or_as_in_autopush_401_with_a_challenge() {
    for (vapid_status, expected) in [(VapidErrorStatus::Rfc, 403), (VapidErrorStatus::Autopush, 401)] {
        let (status, _, answer) = parts_in(&style(vapid_status), invalid_vapid());
        let challenge = answer.headers().get(WWW_AUTHENTICATE).map(HeaderValue::as_bytes);
        assert_eq!((status, challenge), (expected, (expected == 401).then_some(&b"vapid"[..])));
        let (status, _, answer) = parts_in(&style(vapid_status), Problem::VapidRequired);
        assert_eq!((status, answer.headers()[WWW_AUTHENTICATE].as_bytes()), (401, &b"vapid"[..]));
    }
}

#[test]
fn a_410_may_be_remembered_for_a_day() {
    let (status, _, answer) = parts(Problem::Gone);
    assert_eq!((status, answer.headers()[CACHE_CONTROL].to_str().unwrap()), (410, "max-age=86400"));
}
