use super::*;
use aws_lc_rs::encoding::{AsDer, EcPrivateKeyRfc5915Der};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use serde_json::{Value, json};

fn part(text: &str) -> Value {
    serde_json::from_slice(&base64url::decode_lenient(text).unwrap()).unwrap()
}

#[test]
fn r8292_3_the_token_is_signed_for_the_origin() {
    let key = VapidKey::generate().unwrap();
    let now = Timestamp::from_millis(1_700_000_000_999);
    let value = key.authorization("https://push.example:8443", Some("mailto:me@example.com"), now).unwrap();
    let (token, k) = value.strip_prefix("vapid t=").unwrap().split_once(", k=").unwrap();
    assert_eq!(k, key.public());
    let [header, claims, signature] = token.split('.').collect::<Vec<_>>().try_into().unwrap();
    assert_eq!(part(header), json!({"typ": "JWT", "alg": "ES256"}));
    assert_eq!(
        part(claims),
        json!({"aud": "https://push.example:8443", "exp": 1_700_043_200, "sub": "mailto:me@example.com"})
    );
    let public = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, base64url::decode_lenient(k).unwrap());
    let signature = base64url::decode_lenient(signature).unwrap();
    assert_eq!(signature.len(), 64, "r and s, not DER");
    public.verify(format!("{header}.{claims}").as_bytes(), &signature).unwrap();
}

#[test]
fn r8292_2_1_the_subject_is_optional() {
    let key = VapidKey::generate().unwrap();
    let value = key.authorization("http://x", None, Timestamp::default()).unwrap();
    let claims = value.split('.').nth(1).unwrap();
    assert_eq!(part(claims), json!({"aud": "http://x", "exp": 43_200}));
}

#[test]
fn keys_are_parsed_in_every_format() {
    let key = VapidKey::generate().unwrap();
    let (public, private) = (key.public(), key.expose_private().unwrap());
    assert_eq!((public.len(), private.len()), (87, 43));
    for text in [
        key.expose_pem().unwrap(),
        json!({"publicKey": public, "privateKey": private}).to_string(),
        json!({"privateKey": private}).to_string(),
        format!("\n{}\n", json!({"privateKey": format!("{private}="), "subject": "ignored"})),
    ] {
        let again = VapidKey::read(&text).unwrap();
        assert_eq!(again.public(), public);
        assert_eq!(again.expose_private().unwrap(), private);
    }
}

/// The format of `openssl ecparam -name prime256v1 -genkey -noout` (RFC 5915).
#[test]
fn sec1_files_are_parsed() {
    let key = VapidKey::generate().unwrap();
    let der: EcPrivateKeyRfc5915Der<'_> = key.0.private_key().as_der().unwrap();
    let body = STANDARD.encode(der.as_ref());
    let pem = format!("-----BEGIN EC PRIVATE KEY-----\n{body}\n-----END EC PRIVATE KEY-----\n");
    assert_eq!(VapidKey::read(&pem).unwrap().public(), key.public());
}

#[test]
fn pem_lines_have_64_characters() {
    let pem = VapidKey::generate().unwrap().expose_pem().unwrap();
    let lines: Vec<_> = pem.lines().collect();
    assert_eq!(lines.first(), Some(&"-----BEGIN PRIVATE KEY-----"));
    assert_eq!(lines.last(), Some(&"-----END PRIVATE KEY-----"));
    let (last, full) = lines[1..lines.len() - 1].split_last().unwrap();
    assert!(full.iter().all(|line| line.len() == 64) && last.len() <= 64);
}

#[test]
fn other_keys_are_refused_and_not_quoted() {
    let (one, other) = (VapidKey::generate().unwrap(), VapidKey::generate().unwrap());
    let private = one.expose_private().unwrap();
    for text in [
        String::new(),
        "hello".to_owned(),
        json!({"publicKey": other.public(), "privateKey": private}).to_string(),
        json!({"publicKey": one.public(), "privateKey": "AAAA"}).to_string(),
        json!({"privateKey": base64url::encode([0; 32])}).to_string(),
        one.expose_pem().unwrap().replace('M', "N"),
        "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n".to_owned(),
    ] {
        let error = VapidKey::read(&text).unwrap_err();
        assert!(!error.to_string().contains(&private[..8]), "{error}");
    }
    let state = json!({"subscriptionUrl": "https://push.example/s", "privateKey": private}).to_string();
    assert_eq!(VapidKey::read(&state).err(), Some(KeyError::AgentState));
    assert!(VapidKey::read(&format!("\u{feff}{}", one.expose_pem().unwrap())).is_ok());
    assert_eq!(format!("{one:?}"), "VapidKey(…)");
}
