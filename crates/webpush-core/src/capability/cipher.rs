//! The cipher that seals capability URLs, provided by the caller.

/// Length of a nonce in bytes.
pub const NONCE_BYTES: usize = 12;

/// Length of an authentication tag in bytes.
pub const TAG_BYTES: usize = 16;

/// AES-256-GCM-SIV (RFC 8452) under one key.
///
/// Implementations are interchangeable: each opens the tokens that another one sealed.
pub trait SealingCipher: Send + Sync {
    /// Creates the cipher for a key; `None` if the library refuses.
    fn new(key: &[u8; 32]) -> Option<Self>
    where
        Self: Sized;

    /// Encrypts `text` in place and returns the authentication tag; `None` if the library fails.
    fn seal(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], text: &mut [u8]) -> Option<[u8; TAG_BYTES]>;

    /// Decrypts ciphertext and tag in place and returns the plaintext; `None` if it is not authentic.
    fn open<'t>(&self, nonce: [u8; NONCE_BYTES], aad: &[u8], sealed: &'t mut [u8]) -> Option<&'t mut [u8]>;
}
