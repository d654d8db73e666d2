//! A sealing cipher for tests.

use super::{NONCE_BYTES, SealingCipher, TAG_BYTES};
use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};

/// AES-256-GCM-SIV of the crate `aes-gcm-siv`.
pub(crate) struct RustCrypto(Aes256GcmSiv);

impl SealingCipher for RustCrypto {
    fn new(key: &[u8; 32]) -> Option<Self> {
        Some(Self(Aes256GcmSiv::new(key.into())))
    }

    fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        self.0.encrypt_inout_detached(&nonce.into(), aad, text.into()).ok().map(Into::into)
    }

    fn open<'t>(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &'t mut [u8]) -> Option<&'t mut [u8]> {
        let (text, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
        self.0.decrypt_inout_detached(&nonce.into(), aad, (&mut *text).into(), &(*tag).into()).ok()?;
        Some(text)
    }
}
