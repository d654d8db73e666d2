//! The cipher of capability URLs.

use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, Nonce, UnboundKey};
use webpush_core::capability::{NONCE_BYTES, SealingCipher, TAG_BYTES};

/// AES-256-GCM-SIV of `aws-lc-rs`.
#[derive(Debug)]
pub struct Aes256GcmSiv(LessSafeKey);

impl SealingCipher for Aes256GcmSiv {
    fn new(key: &[u8; 32]) -> Option<Self> {
        UnboundKey::new(&AES_256_GCM_SIV, key).ok().map(|key| Self(LessSafeKey::new(key)))
    }

    fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self.0.seal_in_place_separate_tag(nonce, Aad::from(aad), text).ok()?;
        tag.as_ref().try_into().ok()
    }

    fn open<'t>(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &'t mut [u8]) -> Option<&'t mut [u8]> {
        self.0.open_in_place(Nonce::assume_unique_for_key(nonce), Aad::from(aad), sealed).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use aes_gcm_siv::aead::{AeadInOut as _, KeyInit as _};
    use proptest::prelude::*;
    use webpush_core::capability::{Capability, KeyId, Keyring};
    use webpush_core::id::InboxId;

    /// The cipher that sealed the URLs of builds with store format 2.
    struct RustCrypto(aes_gcm_siv::Aes256GcmSiv);

    impl SealingCipher for RustCrypto {
        fn new(key: &[u8; 32]) -> Option<Self> {
            Some(Self(aes_gcm_siv::Aes256GcmSiv::new(key.into())))
        }

        fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]> {
            self.0.encrypt_inout_detached(&nonce.into(), aad, text.into()).ok().map(Into::into)
        }

        fn open<'t>(
            &self,
            nonce: [u8; NONCE_BYTES],
            aad: &[u8],
            sealed: &'t mut [u8],
        ) -> Option<&'t mut [u8]> {
            let (text, tag) = sealed.split_last_chunk_mut::<TAG_BYTES>()?;
            self.0.decrypt_inout_detached(&nonce.into(), aad, (&mut *text).into(), &(*tag).into()).ok()?;
            Some(text)
        }
    }

    #[test]
    fn urls_of_earlier_versions_still_open() {
        let keys = [(KeyId(7), [1; 32])];
        let (earlier, current) =
            (Keyring::new::<RustCrypto>(&keys).unwrap(), Keyring::new::<Aes256GcmSiv>(&keys).unwrap());
        let capability = Capability::SubscriptionSet(InboxId::from_bytes([3; 16]));
        let url = earlier.path(&capability, KeyId(7)).unwrap();
        assert_eq!(current.open(&url), Some(capability));
        assert_eq!(current.path(&capability, KeyId(7)), Some(url));
    }

    proptest! {
        #[test]
        fn both_libraries_agree_byte_for_byte(
            key: [u8; 32],
            nonce: [u8; NONCE_BYTES],
            aad in prop::collection::vec(any::<u8>(), 0..3),
            text in prop::collection::vec(any::<u8>(), 0..64),
            flipped: prop::sample::Index,
        ) {
            let (aws_lc, rust_crypto) = (Aes256GcmSiv::new(&key).unwrap(), RustCrypto::new(&key).unwrap());
            let (mut ours, mut theirs) = (text.clone(), text.clone());
            let tag = aws_lc.seal(nonce, &aad, &mut ours).unwrap();
            prop_assert_eq!(Some(tag), rust_crypto.seal(nonce, &aad, &mut theirs));
            prop_assert_eq!(&ours, &theirs);
            ours.extend(tag);
            let mut forged = ours.clone();
            prop_assert_eq!(aws_lc.open(nonce, &aad, &mut ours).map(|text| text.to_vec()), Some(text));
            let at = flipped.index(forged.len());
            forged[at] ^= 1;
            prop_assert!(aws_lc.open(nonce, &aad, &mut forged).is_none());
        }
    }
}
