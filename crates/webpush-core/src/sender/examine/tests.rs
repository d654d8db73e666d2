use super::*;
use crate::sender::testing::{Fake, OFF_CURVE, key, key_text, token};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;

const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_500);
const ES256_HEADER: &str = r#"{"typ":"JWT","alg":"ES256"}"#;
const GOOD: &str = r#"{"aud":"https://push.example","exp":1700043200,"sub":"mailto:a@b.example"}"#;

fn expected() -> Expected<'static> {
    Expected {
        audience: "https://push.example",
        also: &[],
        google_as_well: false,
        now: NOW,
        leeway: Duration::ZERO,
    }
}

fn headers(token: &str, key: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("vapid t={token}, k={key}")).unwrap();
    HeaderMap::from_iter([(AUTHORIZATION, value)])
}

/// Calls [`examine`] and [`verify`], which must agree.
fn check(token: &str, key: &str) -> Result<VerifiedSender, (Claim, String)> {
    check_as(expected(), token, key)
}

fn check_as(expected: Expected<'_>, token: &str, key: &str) -> Result<VerifiedSender, (Claim, String)> {
    let headers = headers(token, key);
    let credentials = Credentials::parse(&headers).unwrap().unwrap();
    let examination = examine(&credentials, expected, &Fake);
    let verified = verify(&credentials, expected, &Fake);
    assert_eq!(verified.as_ref().ok(), examination.sender.as_ref());
    verified.map_err(|problem| {
        let Problem::VapidInvalid { claim, expected, found } = problem else { panic!("{problem:?}") };
        let first = examination.checks.iter().find(|check| !check.passed).unwrap();
        assert_eq!((first.claim, &first.expected, &first.found), (claim, &expected, &found));
        (claim, found.into_owned())
    })
}

fn claims(claims: &str) -> Result<VerifiedSender, (Claim, String)> {
    check(&token(1, ES256_HEADER, claims), &key_text(1))
}

fn failed(result: Result<VerifiedSender, (Claim, String)>) -> Option<Claim> {
    result.err().map(|(claim, _)| claim)
}

#[test]
fn r8292_2_good_credentials_make_a_verified_sender() {
    let sender = claims(GOOD).unwrap();
    assert_eq!((sender.key(), sender.expires()), (&key(1), Timestamp::from_millis(1_700_043_200_000)));
    assert!(!format!("{sender:?}").contains("key"));
}

#[test]
fn r8292_2_a_the_audience_is_the_origin() {
    let with = |aud: &str| claims(&format!(r#"{{"aud":{aud},"exp":1700043200}}"#));
    for right in [
        r#""https://push.example""#,
        r#""https://push.example/""#,
        r#""https://push.example:443""#,
        r#""HTTPS://PUSH.example""#,
        r#"["https://push.example"]"#,
        r#"["x","https://push.example"]"#,
    ] {
        assert_eq!(failed(with(right)), None, "{right}");
    }
    for wrong in [
        r#""https://push.example/push""#,
        r#""http://push.example""#,
        r#""https://push.example:8443""#,
        r#""https://push.example.evil""#,
        r#""push.example""#,
        r#""*""#,
        r#"["https://push.example",1]"#,
        "[]",
        "{}",
        "null",
    ] {
        assert_eq!(failed(with(wrong)), Some(Claim::Audience), "{wrong}");
    }
    assert_eq!(failed(claims(r#"{"exp":1700043200}"#)), Some(Claim::Audience));
    let (_, found) = with(r#""https://push.example/push""#).unwrap_err();
    assert_eq!(found, r#""https://push.example/push""#);
}

/// C2: npm web-push up to 3.1 and several libraries in other languages leave the port out.
#[test]
fn an_audience_without_the_port_of_the_service_is_accepted() {
    let service = Expected { audience: "https://push.example:8443", ..expected() };
    let with = |aud: &str| {
        let token = token(1, ES256_HEADER, &format!(r#"{{"aud":"{aud}","exp":1700043200}}"#));
        failed(check_as(service, &token, &key_text(1)))
    };
    for right in ["https://push.example:8443", "https://Push.example:8443/", "https://push.example"] {
        assert_eq!(with(right), None, "{right}");
    }
    for wrong in ["https://push.example:443", "http://push.example", "https://other.example"] {
        assert_eq!(with(wrong), Some(Claim::Audience), "{wrong}");
    }
}

/// Chromium gives websites URLs of Google, so that is what their servers sign for.
#[test]
fn an_audience_of_google_is_accepted_where_it_is_expected() {
    let with = |google_as_well, aud: &str| {
        let expected = Expected { google_as_well, ..expected() };
        let token = token(1, ES256_HEADER, &format!(r#"{{"aud":"{aud}","exp":1700043200}}"#));
        failed(check_as(expected, &token, &key_text(1)))
    };
    for right in [
        "https://fcm.googleapis.com",
        "https://FCM.googleapis.com:443/",
        "https://jmt17.google.com",
        "https://jmt1.google.com",
    ] {
        assert_eq!(with(true, right), None, "{right}");
        assert_eq!(with(false, right), Some(Claim::Audience), "{right}");
    }
    for wrong in [
        "http://fcm.googleapis.com",
        "https://fcm.googleapis.com:8443",
        "https://fcm.googleapis.com/fcm/send",
        "https://fcm.googleapis.com.evil.example",
        "https://x.fcm.googleapis.com",
        "https://jmt.google.com",
        "https://jmtx.google.com",
        "https://jmt17.google.com.evil.example",
        "https://www.google.com",
    ] {
        assert_eq!(with(true, wrong), Some(Claim::Audience), "{wrong}");
    }
    assert_eq!(with(true, "https://push.example"), None);
}

/// C1: mastodon signs for 24 hours from its own time.
#[test]
fn r8292_2_b_4_2_d_both_ends_tolerate_the_leeway() {
    let with = |exp: &str, leeway: u64| {
        let expected = Expected { leeway: Duration::from_secs(leeway), ..expected() };
        let claims = format!(r#"{{"aud":"https://push.example","exp":{exp}}}"#);
        failed(check_as(expected, &token(1, ES256_HEADER, &claims), &key_text(1)))
    };
    // 24 hours from now, and now.
    for (exp, least) in [("1700086401", 1), ("1700086460.5", 60), ("1700000000", 1), ("1699999940.6", 60)] {
        assert_eq!(with(exp, least), None, "{exp}");
        assert_eq!(with(exp, least - 1), Some(Claim::Expiry), "{exp}");
    }
    for exp in ["0", "18446744073709551615"] {
        assert_eq!(with(exp, u64::MAX), None, "nothing overflows");
    }
}

#[test]
fn r8292_2_b_4_2_d_the_end_is_within_24_hours() {
    let with = |exp: &str| claims(&format!(r#"{{"aud":"https://push.example","exp":{exp}}}"#));
    for (right, millis) in [
        ("1700000001", 1_700_000_001_000),
        ("1700000000.501", 1_700_000_000_501),
        ("1.7000000010e9", 1_700_000_001_000),
        ("1700086400", 1_700_086_400_000),
        ("1700086400.5", 1_700_086_400_500),
        (r#""1700043200""#, 1_700_043_200_000),
    ] {
        assert_eq!(with(right).unwrap().expires(), Timestamp::from_millis(millis), "{right}");
    }
    for wrong in [
        "1700000000",
        "1700000000.5",
        "1700086401",
        "1700086400.502",
        "1700000001000",
        "0",
        "-1",
        "1e300",
        "-1e300",
        "18446744073709551615",
        "99999999999999999999999",
        r#""1700000000""#,
        r#""+1700043200""#,
        r#""1.7000432e9""#,
        r#""99999999999999999999999""#,
        "\"\"",
        "null",
        "true",
        "[1700043200]",
    ] {
        assert_eq!(failed(with(wrong)), Some(Claim::Expiry), "{wrong}");
    }
    assert_eq!(failed(claims(r#"{"aud":"https://push.example"}"#)), Some(Claim::Expiry));
    let (_, found) = with("1700000000").unwrap_err();
    assert_eq!(found, "1700000000 (0.5 s ago)");
}

#[test]
fn r8292_2_c_only_es256() {
    for alg in [
        r#"{"alg":"none"}"#,
        r#"{"alg":"HS256"}"#,
        r#"{"alg":"RS256"}"#,
        r#"{"alg":"ES384"}"#,
        r#"{"alg":"es256"}"#,
        r#"{"alg":["ES256"]}"#,
        r#"{"alg":null}"#,
        "{}",
    ] {
        assert_eq!(failed(check(&token(1, alg, GOOD), &key_text(1))), Some(Claim::Algorithm), "{alg}");
    }
    let unsigned = token(1, r#"{"alg":"none"}"#, GOOD);
    let unsigned = &unsigned[..=unsigned.rfind('.').unwrap()];
    assert_eq!(failed(check(unsigned, &key_text(1))), Some(Claim::Algorithm));
    let good = token(1, ES256_HEADER, GOOD);
    let (signed, _) = good.rsplit_once('.').unwrap();
    // DER, empty, too long, not base64url.
    for signature in ["MEUCIQ".repeat(15), String::new(), "A".repeat(88), "*".repeat(86)] {
        let token = format!("{signed}.{signature}");
        assert_eq!(failed(check(&token, &key_text(1))), Some(Claim::Signature), "{signature}");
    }
}

#[test]
fn r8292_2_d_4_2_c_nothing_of_a_token_that_does_not_verify_is_used() {
    let good = token(1, ES256_HEADER, GOOD);
    assert_eq!(failed(check(&good, &key_text(2))), Some(Claim::Signature), "another key");
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let other = token(1, ES256_HEADER, &GOOD.replace("a@b", "c@d"));
    let (tampered, _) = other.rsplit_once('.').unwrap();
    assert_eq!(failed(check(&format!("{tampered}.{signature}"), &key_text(1))), Some(Claim::Signature));
    assert_eq!(failed(check(&format!("{signed}.{signature}"), &key_text(OFF_CURVE))), Some(Claim::Key));
    assert_eq!(failed(check(signed, &key_text(1))), Some(Claim::Token));
}

#[test]
fn r8292_2_1_a_2_2_a_the_subject_is_optional_and_extra_claims_are_ignored() {
    for more in [r#""sub":1"#, r#""sub":"nobody""#, r#""sub":null"#, r#""nbf":9999999999,"iss":"x","jti":{}"#]
    {
        let claims = claims(&format!(r#"{{"aud":"https://push.example","exp":1700043200,{more}}}"#));
        assert_eq!(failed(claims), None, "{more}");
    }
}

#[test]
fn the_signature_is_not_checked_if_another_claim_is_invalid() {
    struct NoSignatures;
    impl Curve for NoSignatures {
        fn contains(&self, _: &[u8; 65]) -> bool {
            true
        }
        fn verifies(&self, _: &SenderKey, _: &[u8], _: &[u8; 64]) -> bool {
            panic!("a signature was checked")
        }
    }
    for claims in ["{}", r#"{"aud":"https://push.example","exp":1}"#] {
        let headers = headers(&token(1, ES256_HEADER, claims), &key_text(1));
        let credentials = Credentials::parse(&headers).unwrap().unwrap();
        assert!(verify(&credentials, expected(), &NoSignatures).is_err());
    }
}

#[test]
fn every_claim_is_examined_even_after_a_failure() {
    let headers = headers(&token(1, ES256_HEADER, r#"{"aud":"x","exp":1}"#), &key_text(1));
    let credentials = Credentials::parse(&headers).unwrap().unwrap();
    let Examination { checks, sender } = examine(&credentials, expected(), &Fake);
    let all: Vec<_> = checks.iter().map(|check| (check.claim.as_str(), check.passed)).collect();
    let (passed, failed) = (true, false);
    assert_eq!(
        all,
        [
            ("Authorization", passed),
            ("k", passed),
            ("alg", passed),
            ("aud", failed),
            ("exp", failed),
            ("sub", passed),
            ("signature", passed)
        ]
    );
    assert_eq!(sender, None);
}

proptest! {
    #[test]
    fn any_token_and_key_are_examined(
        header in "\\PC{0,40}", claims in "\\PC{0,80}", value in "[ -~]{0,120}", number in any::<u8>(),
    ) {
        let _ = check(&token(number, &header, &claims), &key_text(number));
        let headers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_str(&format!("vapid {value}")).unwrap())]);
        if let Ok(Some(credentials)) = Credentials::parse(&headers) {
            let _ = examine(&credentials, expected(), &Fake);
        }
    }

    #[test]
    fn any_claims_are_examined_and_shown_in_short(aud in any::<String>(), exp in any::<f64>()) {
        let claims = serde_json::json!({"aud": aud, "exp": exp}).to_string();
        if let Err((_, found)) = check(&token(1, ES256_HEADER, &claims), &key_text(1)) {
            prop_assert!(found.len() < 1500 && found.is_ascii());
        }
    }
}
