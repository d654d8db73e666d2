//! The `aes128gcm` coding (RFC 8188) with the keys of a subscription (RFC 8291).
//!
//! ```text
//! salt 16 │ record size 4 │ key ID length 1 │ key ID: the sender's public key 65 │ records …
//! record: plaintext │ delimiter (1, in the last record 2) │ padding (zeros) │ tag 16
//! ```

use super::derive::{RecordCipher, TAG_BYTES, hkdf};
use super::keys::agree;
use super::{AgentKeys, AuthSecret, CryptoError, PUBLIC_KEY_BYTES, PublicKey, RecipientKeys};
use crate::entropy::random;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};

/// The body length that every push service accepts (RFC 8030 §7.2).
const BODY_BYTES: usize = 4096;
const SALT_BYTES: usize = 16;
const FIXED_HEADER_BYTES: usize = SALT_BYTES + 4 + 1;
const HEADER_BYTES: usize = FIXED_HEADER_BYTES + PUBLIC_KEY_BYTES;
/// Minimum record size: tag, delimiter and one byte (RFC 8188 §2.1).
const MIN_RECORD_BYTES: usize = TAG_BYTES + 2;
const DELIMITER: u8 = 1;
const LAST_DELIMITER: u8 = 2;

/// Maximum length of a plaintext: 3993 bytes (RFC 8291 §4).
pub const MAX_PLAINTEXT_BYTES: usize = BODY_BYTES - HEADER_BYTES - 1 - TAG_BYTES;

/// Encrypts a message for a subscription, with a new key pair and salt.
///
/// # Errors
/// [`CryptoError::TooLarge`]; [`CryptoError::Key`] if `p256dh` is not on the curve.
pub fn encrypt(recipient: &RecipientKeys, plaintext: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let sender = PrivateKey::generate(&ECDH_P256).map_err(|_| CryptoError::Randomness)?;
    let salt = random().map_err(|_| CryptoError::Randomness)?;
    encrypt_with(recipient, &sender, salt, plaintext)
}

fn encrypt_with(
    recipient: &RecipientKeys,
    sender: &PrivateKey,
    salt: [u8; SALT_BYTES],
    plaintext: &[u8],
) -> Result<Vec<u8>, CryptoError> {
    if plaintext.len() > MAX_PLAINTEXT_BYTES {
        return Err(CryptoError::TooLarge(plaintext.len()));
    }
    let sender_public = PublicKey::from_private(sender)?;
    let secret = agree(sender, &recipient.p256dh)?;
    let cipher = cipher(&secret, &recipient.auth, &recipient.p256dh, &sender_public, &salt)?;
    let mut record = plaintext.to_vec();
    record.push(LAST_DELIMITER);
    cipher.seal(0, &mut record)?;

    let mut body = Vec::with_capacity(HEADER_BYTES + record.len());
    body.extend_from_slice(&salt);
    // Record size 4096, as RFC 8291 §4 recommends. There is one record, which is smaller.
    body.extend_from_slice(&[0, 0, 16, 0]);
    body.push(PUBLIC_KEY_BYTES as u8);
    body.extend_from_slice(sender_public.as_bytes());
    body.extend_from_slice(&record);
    Ok(body)
}

/// Decrypts a message. Accepts several records, although RFC 8291 §4 allows senders only one.
///
/// # Errors
/// [`CryptoError`] if the body is malformed or was encrypted for another subscription.
pub fn decrypt(keys: &AgentKeys, body: &[u8]) -> Result<Vec<u8>, CryptoError> {
    let (fixed, rest) = body.split_at_checked(FIXED_HEADER_BYTES).ok_or(CryptoError::Truncated)?;
    let (salt, fixed) = fixed.split_at(SALT_BYTES);
    let [a, b, c, d, key_id_bytes] = *fixed else { return Err(CryptoError::Header) };
    let record_bytes = usize::try_from(u32::from_be_bytes([a, b, c, d])).map_err(|_| CryptoError::Header)?;
    if record_bytes < MIN_RECORD_BYTES {
        return Err(CryptoError::Header);
    }
    let (key_id, records) = rest.split_at_checked(usize::from(key_id_bytes)).ok_or(CryptoError::Truncated)?;
    let sender = PublicKey::from_bytes(key_id).ok_or(CryptoError::Key)?;
    let recipient = keys.recipient();
    let cipher = cipher(&keys.agree(&sender)?, &recipient.auth, &recipient.p256dh, &sender, salt)?;

    let mut records = records.to_vec();
    let mut plaintext = Vec::with_capacity(records.len());
    let mut number = 0;
    let mut rest = records.as_mut_slice();
    while !rest.is_empty() {
        let (record, after) = rest.split_at_mut(record_bytes.min(rest.len()));
        let delimiter = if after.is_empty() { LAST_DELIMITER } else { DELIMITER };
        plaintext.extend_from_slice(unpad(cipher.open(number, record)?, delimiter)?);
        number += 1;
        rest = after;
    }
    if number == 0 { Err(CryptoError::Truncated) } else { Ok(plaintext) }
}

/// Returns the plaintext before the delimiter. Fails if the last record is missing, by its delimiter.
fn unpad(record: &[u8], delimiter: u8) -> Result<&[u8], CryptoError> {
    let end = record.iter().rposition(|byte| *byte != 0).ok_or(CryptoError::Padding)?;
    match record[end] {
        found if found == delimiter => Ok(&record[..end]),
        DELIMITER => Err(CryptoError::Truncated),
        _ => Err(CryptoError::Padding),
    }
}

/// Derives key and nonce from the shared secret, `auth` and the salt (RFC 8291 §3.4).
fn cipher(
    shared_secret: &[u8],
    auth: &AuthSecret,
    recipient: &PublicKey,
    sender: &PublicKey,
    salt: &[u8],
) -> Result<RecordCipher, CryptoError> {
    let info: [&[u8]; 3] = [b"WebPush: info\0", recipient.as_bytes(), sender.as_bytes()];
    let keying_material: [u8; 32] = hkdf(auth.expose(), shared_secret, &info)?;
    let key = hkdf(salt, &keying_material, &[b"Content-Encoding: aes128gcm\0"])?;
    let nonce = hkdf(salt, &keying_material, &[b"Content-Encoding: nonce\0"])?;
    RecordCipher::new(key, nonce)
}

#[cfg(test)]
mod tests;
