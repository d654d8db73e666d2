//! Voluntary application server identification (RFC 8292): the key pair, and the tokens signed with it.

use super::base64url;
use super::error::ClientError;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;
use webpush_core::time::Timestamp;

/// How long a token is good for. At most 24 hours are allowed (RFC 8292 §2); half of it leaves room for wrong clocks.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Characters in a line of PEM (RFC 7468 §2).
const PEM_LINE_CHARACTERS: usize = 64;

/// An application server's key pair.
pub struct VapidKey(EcdsaKeyPair);

/// A key pair as JSON; the member names are those of the `web-push` command of Node.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    public_key: Option<String>,
    private_key: String,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    exp: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<&'a str>,
}

impl VapidKey {
    /// A new key pair.
    ///
    /// # Errors
    /// [`ClientError::Local`] when the system has no randomness.
    pub fn generate() -> Result<Self, ClientError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING)
            .map(Self)
            .map_err(|_| ClientError::Local("the system has no randomness to make a key from".to_owned()))
    }

    /// Reads a key file: PEM (`PRIVATE KEY` or `EC PRIVATE KEY`), or JSON with `privateKey`.
    ///
    /// # Errors
    /// [`ClientError::Local`], never with a part of the text.
    pub fn read(text: &str) -> Result<Self, ClientError> {
        let key =
            if text.trim_start().starts_with('{') { Self::from_json(text) } else { Self::from_pem(text) };
        key.ok_or_else(|| {
            ClientError::Local(
                "this is no VAPID key: expected a P-256 private key as PEM, or JSON with publicKey and privateKey; \
                 'webpush-server keys --out FILE' makes one"
                    .to_owned(),
            )
        })
    }

    fn from_pem(text: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).ok()?;
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der()).ok().map(Self)
    }

    fn from_json(text: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(text).ok()?;
        let private = base64url::decode(&json.private_key)?;
        let public = match json.public_key {
            Some(public) => base64url::decode(&public)?,
            None => {
                let key = PrivateKey::from_private_key(&ECDH_P256, &private).ok()?;
                key.compute_public_key().ok()?.as_ref().to_vec()
            }
        };
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public).ok().map(Self)
    }

    /// The public key: what a web page passes to `pushManager.subscribe` as `applicationServerKey`.
    #[must_use]
    pub fn public(&self) -> String {
        base64url::encode(self.0.public_key())
    }

    /// The private key, 32 bytes in base64url.
    ///
    /// # Errors
    /// [`ClientError::Local`] on a fault of the library.
    pub fn expose_private(&self) -> Result<String, ClientError> {
        let bytes: EcPrivateKeyBin<'_> = self.0.private_key().as_be_bytes().map_err(|_| unwritable())?;
        Ok(base64url::encode(bytes.as_ref()))
    }

    /// The private key as a PEM file (PKCS#8).
    ///
    /// # Errors
    /// [`ClientError::Local`] on a fault of the library.
    pub fn expose_pem(&self) -> Result<String, ClientError> {
        let der = self.0.to_pkcs8v1().map_err(|_| unwritable())?;
        let mut pem = "-----BEGIN PRIVATE KEY-----\n".to_owned();
        for (at, character) in STANDARD.encode(der.as_ref()).chars().enumerate() {
            if at > 0 && at % PEM_LINE_CHARACTERS == 0 {
                pem.push('\n');
            }
            pem.push(character);
        }
        pem.push_str("\n-----END PRIVATE KEY-----\n");
        Ok(pem)
    }

    /// The value of `Authorization` for a request to this origin (RFC 8292 §3).
    ///
    /// # Errors
    /// [`ClientError::Local`] when signing fails.
    pub fn authorization(
        &self,
        origin: &str,
        subject: Option<&str>,
        now: Timestamp,
    ) -> Result<String, ClientError> {
        let failed = || ClientError::Local("the VAPID token could not be signed".to_owned());
        let claims = Claims { aud: origin, exp: now.after(TOKEN_LIFETIME).as_millis() / 1000, sub: subject };
        let claims = serde_json::to_vec(&claims).map_err(|_| failed())?;
        let header = base64url::encode(r#"{"typ":"JWT","alg":"ES256"}"#);
        let signed = format!("{header}.{}", base64url::encode(claims));
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes()).map_err(|_| failed())?;
        Ok(format!("vapid t={signed}.{}, k={}", base64url::encode(signature), self.public()))
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey(…)")
    }
}

fn unwritable() -> ClientError {
    ClientError::Local("the private key cannot be written out".to_owned())
}

#[cfg(test)]
mod tests;
