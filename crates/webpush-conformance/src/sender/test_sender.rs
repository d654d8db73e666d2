//! A sender for tests, which makes any mistake.

use super::endpoint::{EndpointBehavior, TrialSubscription};
use super::request::SenderRequest;
use super::validator::SenderValidator;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey, UnparsedPublicKey, agree};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey, UnparsedPublicKey as Verifier};
use bytes::Bytes;
use http::header::HeaderName;
use http::{HeaderMap, HeaderValue, Method, Version};
use serde_json::{Value, json};
use std::time::Duration;
use webpush_client::encryption::RecipientKeys;
use webpush_client::vapid::VapidKey;
use webpush_core::sender::{Curve, parse_key};
use webpush_core::subscription::SenderKey;
use webpush_core::time::Timestamp;

const ORIGIN: &str = "https://push.example";
const JOSE: &str = r#"{"typ":"JWT","alg":"ES256"}"#;

#[derive(Debug)]
pub(crate) struct TestCurve;

impl Curve for TestCurve {
    fn contains(&self, point: &[u8; 65]) -> bool {
        ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).is_ok()
    }

    fn verifies(&self, key: &SenderKey, message: &[u8], signature: &[u8; 64]) -> bool {
        Verifier::new(&ECDSA_P256_SHA256_FIXED, &key.0).verify(message, signature).is_ok()
    }
}

/// How a message is encrypted.
pub(super) struct TestCipher {
    pub(super) key: PrivateKey,
    pub(super) salt: [u8; 16],
    pub(super) record_size: Option<u32>,
    pub(super) delimiter: u8,
}

/// A request before it is sent.
pub(super) struct TestRequest {
    pub(super) method: Method,
    pub(super) target: String,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

pub(super) struct TestSender {
    pub(super) validator: SenderValidator<TestCurve>,
    pub(super) vapid: VapidKey,
    pub(super) now: Timestamp,
    salts: u8,
}

impl TestSender {
    pub(super) fn new() -> Self {
        Self {
            validator: SenderValidator::new(ORIGIN.to_owned(), TestCurve),
            vapid: VapidKey::generate().unwrap(),
            now: Timestamp::from_millis(1_700_000_000_000),
            salts: 0,
        }
    }

    /// Creates a subscription, and returns its target and keys.
    pub(super) fn subscribe(&mut self, behavior: EndpointBehavior) -> (String, RecipientKeys) {
        let made = self.validator.subscribe(behavior, None).unwrap();
        (made.target.clone(), made.keys.recipient().clone())
    }

    /// Creates a subscription that is restricted to the key of this sender.
    pub(super) fn subscribe_restricted(&mut self) -> (String, RecipientKeys) {
        let key = parse_key(&self.vapid.public(), &TestCurve).unwrap();
        let made: &TrialSubscription = self.validator.subscribe(EndpointBehavior::Accept, Some(key)).unwrap();
        (made.target.clone(), made.keys.recipient().clone())
    }

    pub(super) fn cipher(&mut self) -> TestCipher {
        self.salts += 1;
        let key = PrivateKey::generate(&ECDH_P256).unwrap();
        TestCipher { key, salt: [self.salts; 16], record_size: Some(4096), delimiter: 2 }
    }

    pub(super) fn claims(&self) -> Value {
        let exp = self.now.as_millis() / 1000 + 3600;
        json!({"aud": ORIGIN, "exp": exp, "sub": "mailto:ops@example.net"})
    }

    pub(super) fn authorization(&self, claims: &Value) -> String {
        format!("vapid t={}, k={}", self.token(claims), self.vapid.public())
    }

    pub(super) fn token(&self, claims: &Value) -> String {
        self.vapid.token(JOSE, &claims.to_string()).unwrap()
    }

    /// Returns a request without mistakes.
    pub(super) fn request(&mut self, (target, keys): &(String, RecipientKeys)) -> TestRequest {
        let body = self.cipher().encrypt(keys, b"Dinner is ready");
        let headers = vec![
            ("ttl", "60".to_owned()),
            ("urgency", "high".to_owned()),
            ("topic", "dinner".to_owned()),
            ("content-encoding", "aes128gcm".to_owned()),
            ("authorization", self.authorization(&self.claims())),
        ];
        TestRequest { method: Method::POST, target: target.clone(), headers, body }
    }

    /// Sends a request, and returns the status.
    pub(super) fn send(&mut self, request: &TestRequest) -> u16 {
        let mut headers = HeaderMap::new();
        for (name, value) in &request.headers {
            headers.append(HeaderName::from_static(name), HeaderValue::try_from(value).unwrap());
        }
        let request = SenderRequest {
            method: &request.method,
            target: &request.target,
            version: Version::HTTP_11,
            headers: &headers,
            body: &Bytes::copy_from_slice(&request.body),
        };
        self.validator.receive(&request, self.now).status().as_u16()
    }

    pub(super) fn wait(&mut self, length: Duration) {
        self.now = self.now.after(length);
    }

    /// Returns the IDs of the requirements with this outcome.
    pub(super) fn with_outcome(&self, outcome: &str) -> Vec<&'static str> {
        self.validator.report(None).with_outcome(outcome)
    }
}

impl TestRequest {
    /// Replaces the values of a field; without a value it is removed.
    pub(super) fn set(&mut self, name: &'static str, values: &[&str]) {
        self.headers.retain(|(found, _)| *found != name);
        self.headers.extend(values.iter().map(|value| (name, (*value).to_owned())));
    }
}

struct OutputLength(usize);

impl KeyType for OutputLength {
    fn len(&self) -> usize {
        self.0
    }
}

fn hkdf<const N: usize>(salt: &[u8], secret: &[u8], info: &[&[u8]]) -> [u8; N] {
    let mut out = [0; N];
    let key = Salt::new(HKDF_SHA256, salt).extract(secret);
    key.expand(info, OutputLength(N)).unwrap().fill(&mut out).unwrap();
    out
}

impl TestCipher {
    /// Encrypts a message as RFC 8291 says, apart from the mistakes of the cipher.
    pub(super) fn encrypt(&self, keys: &RecipientKeys, plaintext: &[u8]) -> Vec<u8> {
        let public = self.key.compute_public_key().unwrap();
        let theirs = UnparsedPublicKey::new(&ECDH_P256, keys.p256dh.as_bytes());
        let secret = agree(&self.key, theirs, (), |secret| Ok(secret.to_vec())).unwrap();
        let info: [&[u8]; 3] = [b"WebPush: info\0", keys.p256dh.as_bytes(), public.as_ref()];
        let material: [u8; 32] = hkdf(keys.auth.expose(), &secret, &info);
        let key: [u8; 16] = hkdf(&self.salt, &material, &[b"Content-Encoding: aes128gcm\0"]);
        let nonce: [u8; 12] = hkdf(&self.salt, &material, &[b"Content-Encoding: nonce\0"]);
        let mut record = plaintext.to_vec();
        record.push(self.delimiter);
        let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, &key).unwrap());
        let nonce = Nonce::assume_unique_for_key(nonce);
        key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record).unwrap();
        let size = self.record_size.unwrap_or_else(|| u32::try_from(record.len()).unwrap());
        [&self.salt[..], &size.to_be_bytes()[..], &[65], public.as_ref(), &record].concat()
    }
}
