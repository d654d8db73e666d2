//! PKCS#12 files.
//!
//! Reading one needs pre-release cryptography, so the feature is only enabled in packages and the image.

use super::Password;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::path::Path;

/// Reads certificate chain and private key.
#[cfg(not(feature = "pkcs12"))]
pub(super) fn read(
    path: &Path,
    _: &Password,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let path = path.display();
    anyhow::bail!(
        "this build cannot read the PKCS#12 file {path}; packages and the container image can (feature pkcs12). Convert it \
         with 'openssl pkcs12 -in {path} -nodes -out tls.pem', and pass tls.pem as --cert and --key"
    )
}

/// Reads certificate chain and private key.
#[cfg(feature = "pkcs12")]
pub(super) fn read(
    path: &Path,
    password: &Password,
) -> anyhow::Result<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    use anyhow::Context as _;
    use p12_keystore::{KeyStore, Pkcs12ImportPolicy};
    use std::fs;
    use webpush_core::byte_order_mark;

    let data = fs::read(path).with_context(|| format!("cannot read the PKCS#12 file {}", path.display()))?;
    let text = match password {
        Password::File(file) => fs::read_to_string(file)
            .with_context(|| format!("cannot read the password file {}", file.display()))?,
        Password::Given(secret) => secret.expose().to_owned(),
        Password::None => String::new(),
    };
    let opened = KeyStore::from_pkcs12(
        &data,
        byte_order_mark::strip(&text).trim_end_matches(['\r', '\n']),
        Pkcs12ImportPolicy::Strict,
    );
    let store = opened.with_context(|| {
        let hint = match password {
            Password::File(_) | Password::Given(_) => "is the password right?",
            Password::None => "if it has a password, pass it with --pfx-password-file",
        };
        format!("cannot open the PKCS#12 file {} ({hint})", path.display())
    })?;
    let (_, chain) = store
        .private_key_chain()
        .with_context(|| format!("{} has no private key with its certificate", path.display()))?;
    let certificates =
        chain.certs().iter().map(|cert| CertificateDer::from(cert.as_der().to_vec())).collect();
    let key = PrivateKeyDer::try_from(chain.key().as_der().to_vec())
        .map_err(|reason| anyhow::anyhow!("cannot use the key in {}: {reason}", path.display()))?;
    Ok((certificates, key))
}
