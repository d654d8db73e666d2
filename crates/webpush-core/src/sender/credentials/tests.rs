use super::*;
use http::HeaderValue;
use http::header::HeaderName;
use proptest::prelude::*;

fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in list {
        headers.append(*name, HeaderValue::from_str(value).unwrap());
    }
    headers
}

fn parse(list: &[(&'static str, &str)]) -> Result<Option<(CredentialsForm, String, String)>, Claim> {
    Credentials::parse(&headers(list))
        .map(|credentials| credentials.map(|it| (it.form(), it.token().to_owned(), it.key().to_owned())))
        .map_err(|check| check.claim)
}

fn vapid(value: &str) -> Result<Option<(CredentialsForm, String, String)>, Claim> {
    parse(&[("authorization", value)])
}

fn parsed(form: CredentialsForm) -> Result<Option<(CredentialsForm, String, String)>, Claim> {
    Ok(Some((form, "a.b.c".to_owned(), "K".to_owned())))
}

#[test]
fn r8292_3_a_every_way_to_write_it() {
    for value in [
        "vapid t=a.b.c, k=K",
        "vapid t=a.b.c,k=K",
        "VAPID k=K ,t=a.b.c",
        "Vapid\tT=\"a.b.c\" , K = \"K\"",
        "vapid realm=\"t=x, k=y\", t=a.b.c, other, k=K, more=1",
        "vapid ,, t=a.b.c,, k=K,",
        "vapid t=\"a.b\\.c\",k=K",
    ] {
        assert_eq!(vapid(value), parsed(CredentialsForm::Rfc8292), "{value}");
    }
    assert_eq!(vapid("vapid t=a,k=K==").unwrap().unwrap().2, "K==", "padding is part of the value");
}

#[test]
fn r8292_4_2_c_without_both_or_with_two_it_is_invalid() {
    for (value, claim) in [
        ("vapid", Claim::Token),
        ("vapid k=K", Claim::Token),
        ("vapid t=a.b.c", Claim::Key),
        ("vapid t=a.b.c; k=K", Claim::Key),
        ("vapid a.b.c", Claim::Token),
        ("vapid t=a.b.c, t=a.b.c, k=K", Claim::Token),
        ("vapid t=a.b.c, k=K, K=K", Claim::Key),
        ("vapid realm=\"open, t=a.b.c, k=K", Claim::Token),
    ] {
        assert_eq!(vapid(value), Err(claim), "{value}");
    }
    let twice = [("authorization", "vapid t=a.b.c, k=K"), ("authorization", "vapid t=a.b.c, k=K")];
    assert_eq!(parse(&twice), Err(Claim::Authorization));
}

#[test]
fn other_schemes_are_ignored() {
    assert_eq!(parse(&[]), Ok(None));
    for value in ["", "Basic dDpr", "vapidx t=a.b.c, k=K", "t=a.b.c, k=K", "Bearer a.b.c", "WebPush a.b.c"] {
        assert_eq!(vapid(value), Ok(None), "{value}");
    }
}

#[test]
fn r8292_3_b_a_proxys_credentials_are_not_ours() {
    assert_eq!(parse(&[("proxy-authorization", "vapid t=a.b.c, k=K")]), Ok(None));
}

#[test]
fn r8292_old_the_key_is_in_crypto_key() {
    for (authorization, key) in [
        ("WebPush a.b.c", "p256ecdsa=K"),
        ("webpush  a.b.c ", "dh=D;p256ecdsa=K"),
        ("Bearer a.b.c", "dh=D, keyid=x; P256ECDSA=\"K\""),
    ] {
        let headers = [("authorization", authorization), ("crypto-key", key)];
        assert_eq!(parse(&headers), parsed(CredentialsForm::Draft01), "{authorization}");
    }
    let bearer = ("authorization", "Bearer a.b.c");
    assert_eq!(parse(&[bearer, ("crypto-key", "dh=D")]), Ok(None), "a bearer token of something else");
    assert_eq!(
        parse(&[bearer, ("crypto-key", "dh=D"), ("crypto-key", "p256ecdsa=K")]),
        parsed(CredentialsForm::Draft01)
    );
    for two in ["p256ecdsa=K;p256ecdsa=K", "p256ecdsa=K, p256ecdsa=K"] {
        assert_eq!(parse(&[bearer, ("crypto-key", two)]), Err(Claim::Key));
    }
}

#[test]
fn lengths_are_bounded() {
    let value = |token: usize, key: usize| format!("vapid t={}, k={}", "a".repeat(token), "k".repeat(key));
    assert!(vapid(&value(VAPID_TOKEN_BYTES, VAPID_KEY_CHARACTERS)).is_ok());
    assert_eq!(vapid(&value(VAPID_TOKEN_BYTES + 1, 1)), Err(Claim::Token));
    assert_eq!(vapid(&value(1, VAPID_KEY_CHARACTERS + 1)), Err(Claim::Key));
}

#[test]
fn credentials_do_not_print() {
    let headers = headers(&[("authorization", "vapid t=secret, k=secret")]);
    let debug = format!("{:?}", Credentials::parse(&headers).unwrap().unwrap());
    assert!(!debug.contains("secret"), "{debug}");
}

proptest! {
    #[test]
    fn any_headers_are_parsed_or_refused(
        list in prop::collection::vec(
            (
                prop::sample::select(vec!["authorization", "crypto-key"]),
                prop::sample::select(vec!["", "vapid ", "WebPush ", "bearer ", "p256ecdsa=", "vapid t=a,k="]),
                prop::collection::vec(any::<u8>(), 0..80),
            ),
            0..4,
        ),
    ) {
        let mut headers = HeaderMap::new();
        for (name, start, rest) in list {
            if let Ok(value) = HeaderValue::from_bytes(&[start.as_bytes(), &rest].concat()) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        if let Ok(Some(credentials)) = Credentials::parse(&headers) {
            prop_assert!(credentials.token().len() <= VAPID_TOKEN_BYTES);
            prop_assert!(credentials.key().len() <= VAPID_KEY_CHARACTERS);
        }
    }
}
