//! VAPID keys and tokens (RFC 8292).

use crate::entropy;
use crate::pem::normalized;
use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsBigEndian, EcPrivateKeyBin};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::error::Error;
use std::fmt;
use std::time::Duration;
use webpush_core::time::Timestamp;
use webpush_core::{base64url, byte_order_mark};

/// Lifetime of a token: half of the maximum (RFC 8292 §2), to tolerate clock skew.
const TOKEN_LIFETIME: Duration = Duration::from_secs(12 * 60 * 60);

/// Characters in a line of PEM (RFC 7468 §2).
const PEM_LINE_CHARACTERS: usize = 64;

/// An application server's key pair.
///
/// ```
/// use webpush_client::vapid::VapidKey;
/// use webpush_core::time::Timestamp;
///
/// let key = VapidKey::generate()?;
/// let again = VapidKey::read(&key.expose_pem()?)?;
/// assert_eq!(again.public(), key.public());
///
/// let now = Timestamp::from_millis(1_700_000_000_000);
/// let header = key.authorization("https://push.example", Some("mailto:ops@example.net"), now)?;
/// assert!(header.starts_with("vapid t="));
/// # Ok::<(), webpush_client::vapid::KeyError>(())
/// ```
pub struct VapidKey(EcdsaKeyPair);

/// A VAPID key cannot be generated, read or used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// The operating system returned no random bytes.
    Entropy,
    /// A text is not a P-256 private key.
    Invalid,
    /// A text is the state of a listener, whose key is for decryption.
    AgentState,
    /// The library cannot export the private key.
    Export,
    /// The library cannot sign a token.
    Signature,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entropy => "the operating system returned no random bytes",
            Self::Invalid => {
                "not a VAPID key: expected a P-256 private key as PEM, or JSON with publicKey and privateKey; \
                 create one with 'webpush-server keys --out FILE'"
            }
            Self::AgentState => {
                "the state file of 'listen', whose private key decrypts messages, not a VAPID key; create one with \
                 'webpush-server keys --out FILE'"
            }
            Self::Export => "cannot export the private key",
            Self::Signature => "cannot sign the VAPID token",
        })
    }
}

impl Error for KeyError {}

/// A key pair as JSON, in the format of the `web-push` command of Node.
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
    /// Generates a key pair.
    ///
    /// # Errors
    /// [`KeyError::Entropy`].
    pub fn generate() -> Result<Self, KeyError> {
        EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).map(Self).map_err(|_| KeyError::Entropy)
    }

    /// Reads a key file: PEM (`PRIVATE KEY` or `EC PRIVATE KEY`), or JSON with `privateKey`.
    ///
    /// # Errors
    /// [`KeyError::Invalid`]; [`KeyError::AgentState`] for the private key of a user agent.
    pub fn read(text: &str) -> Result<Self, KeyError> {
        let text = byte_order_mark::strip(text);
        if serde_json::from_str::<Value>(text).is_ok_and(|json| json.get("subscriptionUrl").is_some()) {
            return Err(KeyError::AgentState);
        }
        let key =
            if text.trim_start().starts_with('{') { Self::from_json(text) } else { Self::from_pem(text) };
        key.ok_or(KeyError::Invalid)
    }

    fn from_pem(text: &str) -> Option<Self> {
        let der = PrivateKeyDer::from_pem_slice(normalized(text).as_bytes()).ok()?;
        EcdsaKeyPair::from_private_key_der(&ECDSA_P256_SHA256_FIXED_SIGNING, der.secret_der()).ok().map(Self)
    }

    fn from_json(text: &str) -> Option<Self> {
        let json: Json = serde_json::from_str(text).ok()?;
        let private = base64url::decode_lenient(&json.private_key)?;
        let public = match json.public_key {
            Some(public) => base64url::decode_lenient(&public)?,
            None => {
                let key = PrivateKey::from_private_key(&ECDH_P256, &private).ok()?;
                key.compute_public_key().ok()?.as_ref().to_vec()
            }
        };
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        EcdsaKeyPair::from_private_key_and_public_key(algorithm, &private, &public).ok().map(Self)
    }

    /// Returns the public key in base64url, the `applicationServerKey` of `pushManager.subscribe`.
    #[must_use]
    pub fn public(&self) -> String {
        base64url::encode(self.0.public_key())
    }

    /// Returns the private key, 32 bytes in base64url.
    ///
    /// # Errors
    /// [`KeyError::Export`].
    pub fn expose_private(&self) -> Result<String, KeyError> {
        let bytes: EcPrivateKeyBin<'_> = self.0.private_key().as_be_bytes().map_err(|_| KeyError::Export)?;
        Ok(base64url::encode(bytes.as_ref()))
    }

    /// Returns the private key as a PEM file (PKCS#8).
    ///
    /// # Errors
    /// [`KeyError::Export`].
    pub fn expose_pem(&self) -> Result<String, KeyError> {
        let der = self.0.to_pkcs8v1().map_err(|_| KeyError::Export)?;
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

    /// Returns the value of `Authorization` for requests to this origin (RFC 8292 §3).
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn authorization(
        &self,
        origin: &str,
        subject: Option<&str>,
        now: Timestamp,
    ) -> Result<String, KeyError> {
        let claims = Claims { aud: origin, exp: now.after(TOKEN_LIFETIME).as_millis() / 1000, sub: subject };
        let claims = serde_json::to_string(&claims).map_err(|_| KeyError::Signature)?;
        let token = self.token(r#"{"typ":"JWT","alg":"ES256"}"#, &claims)?;
        Ok(format!("vapid t={token}, k={}", self.public()))
    }

    /// Signs any header and claims, also invalid ones, and returns the token (RFC 7515 §7.1).
    ///
    /// # Errors
    /// [`KeyError::Signature`].
    pub fn token(&self, header: &str, claims: &str) -> Result<String, KeyError> {
        let signed = format!("{}.{}", base64url::encode(header), base64url::encode(claims));
        let signature = entropy::sign(&self.0, signed.as_bytes()).map_err(|_| KeyError::Signature)?;
        Ok(format!("{signed}.{}", base64url::encode(signature)))
    }
}

impl fmt::Debug for VapidKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("VapidKey(…)")
    }
}

#[cfg(test)]
mod tests;
