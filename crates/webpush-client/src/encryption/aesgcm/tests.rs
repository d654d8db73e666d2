use super::*;
use crate::encryption::AuthSecret;
use proptest::prelude::*;

// The example of draft-ietf-webpush-encryption-04 §5.
const SALT: &str = "lngarbyKfMoi9Z75xYXmkg";
const DH: &str = "BNoRDbb84JGm8g5Z5CFxurSqsXWJ11ItfXEWYVLE85Y7CYkDjXsIEc4aqxYaQ1G8BqkXCJ6DPpDrWtdWj_mugHU";
const BODY: &str = "6nqAQUME8hNqw5J3kl8cpVVJylXKYqZOeseZG8UueKpA";

fn bytes(text: &str) -> Vec<u8> {
    base64url::decode_lenient(text).unwrap()
}

fn agent() -> AgentKeys {
    let auth = AuthSecret::from_bytes(&bytes("R29vIGdvbyBnJyBqb29iIQ")).unwrap();
    AgentKeys::from_stored(&bytes("9FWl15_QUQAWDaD3k3l50ZBZQJ4au27F1V4F0uLSD_M"), auth).unwrap()
}

fn parameters() -> LegacyParameters {
    LegacyParameters::parse(&format!("salt=\"{SALT}\""), &format!("dh=\"{DH}\"")).unwrap()
}

/// Encrypts records, each with its padding length, padding and plaintext.
fn sealed(parameters: &LegacyParameters, records: &[(u16, &[u8], &[u8])]) -> Vec<u8> {
    let cipher = cipher(&agent(), parameters).unwrap();
    let mut body = Vec::new();
    for (number, (padding_length, padding, text)) in (0..).zip(records) {
        let mut record = [&padding_length.to_be_bytes()[..], padding, text].concat();
        cipher.seal(number, &mut record).unwrap();
        body.append(&mut record);
    }
    body
}

#[test]
fn draft_04_5_the_example_is_read() {
    assert_eq!(decrypt_aesgcm(&agent(), &parameters(), &bytes(BODY)).unwrap(), b"I am the walrus");
}

#[test]
fn header_fields_of_known_senders_are_parsed() {
    let expected = parameters();
    let other = "BCEkBjzL8Z3C-oi2Q7oE5t2Np-p7osjGLg93qUP0wvqRT21EEWyf0cQDQcakQMqz4hQKYOQ3il2nNZct4HgAUQU";
    for (encryption, crypto_key) in [
        (format!("salt={SALT}"), format!("dh={DH}")),
        (format!("keyid=p256dh;SALT={SALT}=="), format!("keyid=p256dh; dh={DH}")),
        (format!("salt={SALT};rs=4096"), format!("p256ecdsa={other}, dh={DH}")),
        (format!("keyid=\"b\"; salt={SALT}"), format!("keyid=a;dh={other},keyid=b;dh={DH}")),
        (format!("salt={SALT}"), format!("dh={DH};p256ecdsa={other}")),
    ] {
        assert_eq!(LegacyParameters::parse(&encryption, &crypto_key).unwrap(), expected, "{encryption}");
    }
}

#[test]
fn malformed_header_fields_are_refused() {
    let (salt, dh) = (format!("salt={SALT}"), format!("dh={DH}"));
    for (encryption, crypto_key) in [
        ("", dh.as_str()),
        ("salt=short", &dh),
        (&format!("{salt};rs=0"), &dh),
        (&format!("{salt};rs=-1"), &dh),
        (&format!("{salt};rs=99999999999999999999"), &dh),
        (&salt, ""),
        (&salt, "dh=AAAA"),
        (&salt, "dh=\u{e4}"),
    ] {
        assert!(LegacyParameters::parse(encryption, crypto_key).is_err(), "{encryption} {crypto_key}");
    }
}

#[test]
fn records_and_padding() {
    let parameters = LegacyParameters { record_bytes: 6, ..parameters() };
    let read = |records: &[(u16, &[u8], &[u8])]| {
        decrypt_aesgcm(&agent(), &parameters, &sealed(&parameters, records))
    };
    assert_eq!(read(&[(0, b"", b"1234"), (2, &[0, 0], b"56"), (0, b"", b"7")]).unwrap(), b"1234567");
    assert_eq!(read(&[(0, b"", b"")]).unwrap(), b"");
    assert_eq!(read(&[(0, b"", b"1234")]), Err(CryptoError::Truncated), "full record at the end");
    assert_eq!(read(&[(1, &[9], b"a")]), Err(CryptoError::Padding));
    assert_eq!(read(&[(7, b"", b"a")]), Err(CryptoError::Padding));
    assert_eq!(decrypt_aesgcm(&agent(), &parameters, b""), Err(CryptoError::Truncated));
}

proptest! {
    #[test]
    fn truncated_and_changed_bodies_are_refused(cut in 0usize..33, at in 0usize..33, bit in 0u8..8) {
        let mut body = bytes(BODY);
        prop_assert!(decrypt_aesgcm(&agent(), &parameters(), &body[..cut]).is_err());
        body[at] ^= 1 << bit;
        prop_assert!(decrypt_aesgcm(&agent(), &parameters(), &body).is_err());
    }

    #[test]
    fn any_header_field_is_parsed_or_refused(encryption in "[ -~]*", crypto_key in "[ -~]*") {
        let _ = LegacyParameters::parse(&encryption, &crypto_key);
        let _ = LegacyParameters::parse(&format!("salt={SALT};{encryption}"), &format!("dh={DH};{crypto_key}"));
    }
}
