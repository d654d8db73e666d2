//! The encryption of a message (RFC 8291, RFC 8188).

use super::endpoint::TrialSubscription;
use super::fields::shown;
use super::request::SenderRequest;
use crate::verdicts::Verdicts;
use bytes::Bytes;
use http::header::CONTENT_ENCODING;
use std::collections::BTreeMap;
use webpush_client::encryption::{CryptoError, LegacyParameters, PUBLIC_KEY_BYTES, decrypt, decrypt_aesgcm};
use webpush_core::sender::Curve;

const SALT_BYTES: usize = 16;
const KEY_ID_AT: usize = SALT_BYTES + 4 + 1;
/// Tag and delimiter: the least that a record has.
const MIN_RECORD_BYTES: usize = 16 + 1;
/// RFC 8188 §2.1.
const MIN_RECORD_SIZE: u32 = 18;
/// Maximum number of messages whose salts and keys are remembered.
const MOST_REMEMBERED: usize = 10_000;

/// Salts and keys of earlier messages, with the body that they belong to. A retry has the same body.
#[derive(Debug, Default)]
pub(super) struct KeyHistory {
    salts: BTreeMap<[u8; SALT_BYTES], Bytes>,
    keys: BTreeMap<[u8; PUBLIC_KEY_BYTES], Bytes>,
}

/// The header of an `aes128gcm` body.
struct CodingHeader<'a> {
    salt: [u8; SALT_BYTES],
    record_size: u32,
    key_id: &'a [u8],
    records: &'a [u8],
}

impl<'a> CodingHeader<'a> {
    fn parse(body: &'a [u8]) -> Option<Self> {
        let (fixed, rest) = body.split_at_checked(KEY_ID_AT)?;
        let (salt, rest_of_fixed) = fixed.split_first_chunk::<SALT_BYTES>()?;
        let [a, b, c, d, length] = *rest_of_fixed else { return None };
        let (key_id, records) = rest.split_at_checked(usize::from(length))?;
        let record_size = u32::from_be_bytes([a, b, c, d]);
        (records.len() >= MIN_RECORD_BYTES).then_some(Self { salt: *salt, record_size, key_id, records })
    }
}

/// Checks the body of a message. Returns the sender's key if the message has one in the right form.
pub(super) fn check(
    verdicts: &mut Verdicts,
    history: &mut KeyHistory,
    curve: &impl Curve,
    subscription: &TrialSubscription,
    request: &SenderRequest<'_>,
    exchange: &str,
) -> Option<[u8; PUBLIC_KEY_BYTES]> {
    if request.body.is_empty() {
        return None;
    }
    if !check_coding(verdicts, subscription, request, exchange) {
        return None;
    }
    let header = CodingHeader::parse(request.body);
    let found = || format!("{} bytes, too short for header and record", request.body.len());
    verdicts.check("S8188-2.1-a", header.is_some(), "header and record", found, exchange);
    let header = header?;
    let size = header.record_size;
    let found = || size.to_string();
    verdicts.check("S8188-2.1-b", size >= MIN_RECORD_SIZE, "a record size of 18 or more", found, exchange);
    let key = <[u8; PUBLIC_KEY_BYTES]>::try_from(header.key_id).ok().filter(|key| curve.contains(key));
    let found = || format!("{} bytes", header.key_id.len());
    verdicts.check("S8291-4-b", key.is_some(), "an uncompressed point on P-256, 65 bytes", found, exchange);
    let key = key?;
    if size >= MIN_RECORD_SIZE {
        check_record(verdicts, subscription, request, &header, exchange);
    }
    history.check(verdicts, request.body, &header, key, exchange);
    Some(key)
}

/// Returns true for `aes128gcm`.
fn check_coding(
    verdicts: &mut Verdicts,
    subscription: &TrialSubscription,
    request: &SenderRequest<'_>,
    exchange: &str,
) -> bool {
    let values = request.headers.get_all(CONTENT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let codings: Vec<String> =
        values.flat_map(|value| value.split(',')).map(|coding| coding.trim().to_ascii_lowercase()).collect();
    let is_only = codings.len() == 1;
    let found = || match codings.first().map(String::as_str) {
        Some("aesgcm") if is_only => {
            "aesgcm, of the drafts webpush-encryption-04 and encryption-encoding-03 (2016)".to_owned()
        }
        Some("aesgcm128") if is_only => "aesgcm128, of the drafts before March 2016".to_owned(),
        _ => shown(request.headers, &CONTENT_ENCODING),
    };
    let passed = is_only && codings[0] == "aes128gcm";
    verdicts.check("S8291-4-a", passed, "Content-Encoding: aes128gcm", found, exchange);
    if is_only && codings[0] == "aesgcm" {
        let text = |name| request.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let decrypted = LegacyParameters::parse(text("encryption"), text("crypto-key"))
            .and_then(|parameters| decrypt_aesgcm(&subscription.keys, &parameters, request.body));
        let error = decrypted.err();
        let found = || error.map_or_else(String::new, |error| error.to_string());
        verdicts.check("S8291-3.4-a", error.is_none(), "a message that decrypts", found, exchange);
    }
    codings.iter().any(|coding| coding == "aes128gcm")
}

fn check_record(
    verdicts: &mut Verdicts,
    subscription: &TrialSubscription,
    request: &SenderRequest<'_>,
    header: &CodingHeader<'_>,
    exchange: &str,
) {
    let (length, size) = (header.records.len(), usize::try_from(header.record_size).unwrap_or(usize::MAX));
    let is_single = length <= size;
    let found = || format!("{length} bytes with a record size of {size}");
    verdicts.check("S8291-4-c", is_single, "a single record", found, exchange);
    if is_single {
        verdicts.check("S8291-4-d", length < size, "a record size above the length", found, exchange);
    }
    match decrypt(&subscription.keys, request.body) {
        Ok(_) => {
            verdicts.pass("S8291-3.4-a");
            verdicts.pass("S8188-2-a");
        }
        Err(error @ (CryptoError::Padding | CryptoError::Truncated)) => {
            verdicts.pass("S8291-3.4-a");
            verdicts.fail("S8188-2-a", "delimiter 2 in the last record", error.to_string(), exchange);
        }
        // Another record size has also changed where records end.
        Err(_) if !is_single => {}
        Err(error) => {
            verdicts.fail("S8291-3.4-a", "a message that decrypts", error.to_string(), exchange);
        }
    }
}

impl KeyHistory {
    fn check(
        &mut self,
        verdicts: &mut Verdicts,
        body: &Bytes,
        header: &CodingHeader<'_>,
        key: [u8; PUBLIC_KEY_BYTES],
        exchange: &str,
    ) {
        if self.keys.len() == MOST_REMEMBERED {
            return;
        }
        let is_first = self.salts.is_empty();
        let is_new = |earlier: Option<Bytes>| earlier.is_none_or(|earlier| earlier == body);
        let salt_is_new = is_new(self.salts.insert(header.salt, body.clone()));
        let key_is_new = is_new(self.keys.insert(key, body.clone()));
        if is_first {
            return;
        }
        let found = || "the salt of an earlier message".to_owned();
        verdicts.check("S8188-2.1-c", salt_is_new, "a new salt", found, exchange);
        let found = || "the key of an earlier message".to_owned();
        verdicts.check("S8291-3.1-a", key_is_new, "a new key", found, exchange);
    }
}
