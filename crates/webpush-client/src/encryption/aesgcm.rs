//! Decryption of the older `aesgcm` coding, which some senders still use.
//!
//! It is draft-ietf-webpush-encryption-04 with draft-ietf-httpbis-encryption-encoding-03.
//!
//! Salt and sender key are in header fields. A record is: padding length 2 │ padding (zeros) │ plaintext │ tag 16.

use super::derive::{RecordCipher, TAG_BYTES, hkdf};
use super::{AgentKeys, CryptoError, PublicKey};
use webpush_core::base64url;

const DEFAULT_RECORD_BYTES: usize = 4096;
const PADDING_LENGTH_BYTES: usize = 2;

/// The parameters of a message from its header fields.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LegacyParameters {
    salt: [u8; 16],
    /// Length of a record without its tag.
    record_bytes: usize,
    sender: PublicKey,
}

impl LegacyParameters {
    /// Parses the values of `Encryption` and `Crypto-Key`.
    ///
    /// # Errors
    /// [`CryptoError::Header`] if one is malformed; [`CryptoError::Key`] if `dh` is not a key.
    pub fn parse(encryption: &str, crypto_key: &str) -> Result<Self, CryptoError> {
        let entry = entries(encryption).next().ok_or(CryptoError::Header)?;
        let salt = parameter(entry, "salt").and_then(base64url::decode_lenient);
        let salt = salt.and_then(|salt| salt.try_into().ok()).ok_or(CryptoError::Header)?;
        let record_bytes = match parameter(entry, "rs") {
            None => DEFAULT_RECORD_BYTES,
            Some(text) => text.parse().map_err(|_| CryptoError::Header)?,
        };
        if record_bytes <= PADDING_LENGTH_BYTES || record_bytes > u32::MAX as usize {
            return Err(CryptoError::Header);
        }
        // The key that `Encryption` names by `keyid`, otherwise the first Diffie-Hellman key.
        let key_id = parameter(entry, "keyid");
        let keys =
            || entries(crypto_key).filter_map(|key| Some((parameter(key, "keyid"), parameter(key, "dh")?)));
        let named = keys().find(|(id, _)| key_id.is_some() && *id == key_id);
        let (_, dh) = named.or_else(|| keys().next()).ok_or(CryptoError::Header)?;
        let dh = base64url::decode_lenient(dh).ok_or(CryptoError::Header)?;
        Ok(Self { salt, record_bytes, sender: PublicKey::from_bytes(&dh).ok_or(CryptoError::Key)? })
    }
}

/// Splits a list. No value of these fields can contain a comma or semicolon.
fn entries(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(str::trim).filter(|entry| !entry.is_empty())
}

fn parameter<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    entry.split(';').filter_map(|parameter| parameter.split_once('=')).find_map(|(found, value)| {
        let value = value.trim();
        let unquoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
        found.trim().eq_ignore_ascii_case(name).then(|| unquoted.unwrap_or(value))
    })
}

/// Decrypts a message in the `aesgcm` coding.
///
/// # Errors
/// See [`super::decrypt`].
pub fn decrypt_aesgcm(
    keys: &AgentKeys,
    parameters: &LegacyParameters,
    body: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    let record_bytes = parameters.record_bytes + TAG_BYTES;
    // The last record must be shorter than the others, so a full one means that the body was truncated.
    if body.is_empty() || body.len().is_multiple_of(record_bytes) {
        return Err(CryptoError::Truncated);
    }
    let cipher = cipher(keys, parameters)?;
    let mut body = body.to_vec();
    let mut plaintext = Vec::with_capacity(body.len());
    for (number, record) in (0..).zip(body.chunks_mut(record_bytes)) {
        plaintext.extend_from_slice(unpad(cipher.open(number, record)?)?);
    }
    Ok(plaintext)
}

fn unpad(record: &[u8]) -> Result<&[u8], CryptoError> {
    let (length, rest) = record.split_first_chunk::<PADDING_LENGTH_BYTES>().ok_or(CryptoError::Padding)?;
    let (padding, text) =
        rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(CryptoError::Padding)?;
    if padding.iter().all(|byte| *byte == 0) { Ok(text) } else { Err(CryptoError::Padding) }
}

fn cipher(keys: &AgentKeys, parameters: &LegacyParameters) -> Result<RecordCipher, CryptoError> {
    let recipient = keys.recipient();
    let secret = keys.agree(&parameters.sender)?;
    let keying_material: [u8; 32] = hkdf(recipient.auth.expose(), &secret, &[b"Content-Encoding: auth\0"])?;
    let length: &[u8] = &[0, 65];
    let context = [length, recipient.p256dh.as_bytes(), length, parameters.sender.as_bytes()];
    let info = |coding| [&[coding, b"P-256\0".as_slice()], context.as_slice()].concat();
    let key = hkdf(&parameters.salt, &keying_material, &info(b"Content-Encoding: aesgcm\0".as_slice()))?;
    let nonce = hkdf(&parameters.salt, &keying_material, &info(b"Content-Encoding: nonce\0".as_slice()))?;
    RecordCipher::new(key, nonce)
}

#[cfg(test)]
mod tests;
