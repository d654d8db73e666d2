//! Key derivation and record encryption, shared by both codings.

use super::CryptoError;
use aws_lc_rs::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf::{HKDF_SHA256, KeyType, Salt};

/// Length of the authentication tag of every record.
pub(super) const TAG_BYTES: usize = 16;

/// HKDF-SHA-256 with an output of `N` bytes (RFC 5869).
pub(super) fn hkdf<const N: usize>(
    salt: &[u8],
    secret: &[u8],
    info: &[&[u8]],
) -> Result<[u8; N], CryptoError> {
    let mut output = [0; N];
    Salt::new(HKDF_SHA256, salt)
        .extract(secret)
        .expand(info, Length::<N>)
        .and_then(|okm| okm.fill(&mut output))
        .map_err(|_| CryptoError::Key)?;
    Ok(output)
}

#[derive(Clone, Copy)]
struct Length<const N: usize>;

impl<const N: usize> KeyType for Length<N> {
    fn len(&self) -> usize {
        N
    }
}

/// The key and base nonce of one message. Never reused, so that no nonce repeats under a key.
pub(super) struct RecordCipher {
    key: LessSafeKey,
    base_nonce: [u8; 12],
}

impl RecordCipher {
    pub(super) fn new(key: [u8; 16], base_nonce: [u8; 12]) -> Result<Self, CryptoError> {
        let key = UnboundKey::new(&AES_128_GCM, &key).map_err(|_| CryptoError::Key)?;
        Ok(Self { key: LessSafeKey::new(key), base_nonce })
    }

    /// Returns the nonce of a record: the base nonce XOR the record number (RFC 8188 §2.3).
    fn nonce(&self, record: u64) -> Nonce {
        let mut nonce = self.base_nonce;
        for (byte, number) in nonce[4..].iter_mut().zip(record.to_be_bytes()) {
            *byte ^= number;
        }
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts a record in place and appends the tag.
    pub(super) fn seal(&self, record: u64, plaintext: &mut Vec<u8>) -> Result<(), CryptoError> {
        self.key
            .seal_in_place_append_tag(self.nonce(record), Aad::empty(), plaintext)
            .map_err(|_| CryptoError::Key)
    }

    /// Decrypts a record in place and returns the padded plaintext.
    pub(super) fn open<'a>(&self, record: u64, ciphertext: &'a mut [u8]) -> Result<&'a [u8], CryptoError> {
        if ciphertext.len() < TAG_BYTES {
            return Err(CryptoError::Truncated);
        }
        let plaintext = self
            .key
            .open_in_place(self.nonce(record), Aad::empty(), ciphertext)
            .map_err(|_| CryptoError::Forged)?;
        Ok(plaintext)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8188_2_3_every_record_has_its_own_nonce() {
        let cipher = RecordCipher::new([0; 16], [0xff; 12]).unwrap();
        assert_eq!(cipher.nonce(0).as_ref(), &[0xff; 12]);
        assert_eq!(cipher.nonce(0x0102).as_ref()[..], [[0xff; 10].as_slice(), &[0xfe, 0xfd]].concat());
    }
}
