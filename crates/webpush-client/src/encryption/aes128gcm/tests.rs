use super::*;
use proptest::prelude::*;
use webpush_core::base64url;

/// The example of RFC 8291 §5 and Appendix A.
mod example {
    pub(super) const TEXT: &str = "When I grow up, I want to be a watermelon";
    pub(super) const SENDER: &str = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw";
    pub(super) const AGENT: &str = "q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94";
    pub(super) const AGENT_PUBLIC: &str =
        "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4";
    pub(super) const SALT: &str = "DGv6ra1nlYgDCS1FRnbzlw";
    pub(super) const AUTH: &str = "BTBZMqHH6r4Tts7J_aSIgg";
    pub(super) const BODY: &str = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vC\
        YLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Q\
        ulcy4a-fN";
}

fn bytes(text: &str) -> Vec<u8> {
    base64url::decode_lenient(text).unwrap()
}

fn example_agent() -> AgentKeys {
    AgentKeys::from_stored(&bytes(example::AGENT), AuthSecret::from_bytes(&bytes(example::AUTH)).unwrap())
        .unwrap()
}

/// Creates a body of records, each with its plaintext, delimiter and length of padding.
fn records(keys: &AgentKeys, record_bytes: u32, texts: &[(&[u8], u8, usize)]) -> Vec<u8> {
    let sender = PrivateKey::generate(&ECDH_P256).unwrap();
    let public = PublicKey::from_private(&sender).unwrap();
    let recipient = keys.recipient();
    let secret = agree(&sender, &recipient.p256dh).unwrap();
    let cipher = cipher(&secret, &recipient.auth, &recipient.p256dh, &public, &[9; 16]).unwrap();
    let mut body = [&[9; 16][..], &record_bytes.to_be_bytes(), &[65], public.as_bytes()].concat();
    for (number, (text, delimiter, zeros)) in texts.iter().enumerate() {
        let mut record = [text, &[*delimiter][..], &vec![0; *zeros]].concat();
        cipher.seal(number as u64, &mut record).unwrap();
        body.extend_from_slice(&record);
    }
    body
}

#[test]
fn r8291_a_the_example_is_made_and_read() {
    let keys = example_agent();
    assert_eq!(base64url::encode(keys.recipient().p256dh.as_bytes()), example::AGENT_PUBLIC);
    let sender = PrivateKey::from_private_key(&ECDH_P256, &bytes(example::SENDER)).unwrap();
    let salt = bytes(example::SALT).try_into().unwrap();
    let body = encrypt_with(keys.recipient(), &sender, salt, example::TEXT.as_bytes()).unwrap();
    assert_eq!(base64url::encode(&body), example::BODY);
    assert_eq!(decrypt(&keys, &body).unwrap(), example::TEXT.as_bytes());
}

#[test]
fn r8291_4_the_largest_text_makes_4096_bytes() {
    let keys = AgentKeys::generate().unwrap();
    assert_eq!(MAX_PLAINTEXT_BYTES, 3993);
    let text = vec![b'x'; MAX_PLAINTEXT_BYTES];
    let body = encrypt(keys.recipient(), &text).unwrap();
    assert_eq!(body.len(), 4096);
    assert_eq!(decrypt(&keys, &body).unwrap(), text);
    assert_eq!(encrypt(keys.recipient(), &vec![0; 3994]), Err(CryptoError::TooLarge(3994)));
}

#[test]
fn r8188_2_several_records_are_read() {
    let keys = AgentKeys::generate().unwrap();
    // 25 bytes a record: 16 for the tag, 1 for the delimiter, 8 for text and padding.
    let body = records(&keys, 25, &[(b"12345678", 1, 0), (b"", 1, 8), (b"abc", 1, 5), (b"de", 2, 1)]);
    assert_eq!(decrypt(&keys, &body).unwrap(), b"12345678abcde");
    let full = records(&keys, 25, &[(b"12345678", 1, 0), (b"12345678", 2, 0)]);
    assert_eq!(decrypt(&keys, &full).unwrap(), b"1234567812345678");
    let cut = &full[..full.len() - 25];
    assert_eq!(decrypt(&keys, cut), Err(CryptoError::Truncated));
}

#[test]
fn r8188_2_wrong_records_are_refused() {
    let keys = AgentKeys::generate().unwrap();
    let decrypt = |body: &[u8]| decrypt(&keys, body);
    assert_eq!(decrypt(&records(&keys, 17, &[(b"", 2, 0)])), Err(CryptoError::Header), "record size");
    assert_eq!(decrypt(&records(&keys, 4096, &[(b"a", 3, 0)])), Err(CryptoError::Padding));
    assert_eq!(decrypt(&records(&keys, 4096, &[(b"", 0, 4)])), Err(CryptoError::Padding), "only zeros");
    assert_eq!(decrypt(&records(&keys, 25, &[(b"1234567", 2, 1), (b"a", 2, 0)])), Err(CryptoError::Padding));
    assert_eq!(decrypt(&records(&keys, 4096, &[])), Err(CryptoError::Truncated));
    assert_eq!(decrypt(b""), Err(CryptoError::Truncated));
    let mut key_id = records(&keys, 4096, &[(b"a", 2, 0)]);
    key_id[20] = 64;
    assert_eq!(decrypt(&key_id), Err(CryptoError::Key));
}

#[test]
fn messages_for_other_keys_are_refused() {
    let (keys, other) = (AgentKeys::generate().unwrap(), AgentKeys::generate().unwrap());
    let body = encrypt(keys.recipient(), b"secret").unwrap();
    assert_eq!(decrypt(&other, &body), Err(CryptoError::Forged));
    let wrong_auth = RecipientKeys { p256dh: keys.recipient().p256dh, auth: other.recipient().auth.clone() };
    let body = encrypt(&wrong_auth, b"secret").unwrap();
    assert_eq!(decrypt(&keys, &body), Err(CryptoError::Forged));
}

proptest! {
    #[test]
    fn decryption_reverses_encryption(text in prop::collection::vec(any::<u8>(), 0..=200)) {
        let keys = AgentKeys::generate().unwrap();
        let body = encrypt(keys.recipient(), &text).unwrap();
        prop_assert_eq!(decrypt(&keys, &body).unwrap(), text);
    }

    #[test]
    fn truncated_and_changed_bodies_are_refused(cut in 0usize..144, at in 0usize..144, bit in 0u8..8) {
        let (keys, body) = (example_agent(), bytes(example::BODY));
        prop_assert_eq!(body.len(), 144);
        prop_assert!(decrypt(&keys, &body[..cut]).is_err());
        let mut changed = body;
        changed[at] ^= 1 << bit;
        // The record size is not authenticated: any size larger than the record is equivalent.
        prop_assert!(decrypt(&keys, &changed).is_err() || (16..20).contains(&at));
    }

    #[test]
    fn random_bytes_are_refused(body in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(decrypt(&example_agent(), &body).is_err());
    }
}
