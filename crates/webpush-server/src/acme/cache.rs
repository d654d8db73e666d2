//! The account and the certificate of each CA, in private files of the data directory.

use super::Domain;
use anyhow::Context as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use webpush_admin::data_dir::create_dirs;
use webpush_client::private_file;
use webpush_client::url::CapabilityUrl;

/// Subdirectory of the data directory.
pub const SUBDIRECTORY: &str = "acme";
const ACCOUNT: &str = "account.json";
/// One file for the key and its chain, so that a crash cannot leave a mismatch.
const CERTIFICATE: &str = "certificate.pem";

/// The files of one CA.
#[derive(Clone, Debug)]
pub struct Cache {
    path: PathBuf,
}

/// The account at a CA.
#[derive(Clone, Deserialize, Serialize)]
pub struct StoredAccount {
    /// The contact registered with the CA.
    pub contact: Option<String>,
    /// The URL and key of the account, as serialized by [`instant_acme`].
    pub credentials: serde_json::Value,
}

impl Cache {
    /// Opens the directory of a CA, and creates it if necessary.
    ///
    /// # Errors
    /// Fails if it cannot be created.
    pub fn open(data_dir: &Path, acme_directory: &str) -> anyhow::Result<Self> {
        let path = data_dir.join(SUBDIRECTORY).join(file_name(acme_directory));
        create_dirs(&path)
            .with_context(|| format!("cannot create the directory {} (--data-dir)", path.display()))?;
        Ok(Self { path })
    }

    /// Returns the stored certificate, if there is one.
    ///
    /// # Errors
    /// Fails if it cannot be read or used.
    pub fn certificate(&self) -> anyhow::Result<Option<CertifiedKey>> {
        let path = self.path.join(CERTIFICATE);
        if !path.exists() {
            return Ok(None);
        }
        let text = private_file::read(&path)?;
        parse(&text).map(Some).with_context(|| format!("cannot use {}", path.display()))
    }

    /// Replaces the stored certificate. It is on disk when this returns.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn store_certificate(&self, pem: &str) -> anyhow::Result<()> {
        Ok(private_file::replace(&self.path.join(CERTIFICATE), pem.as_bytes())?)
    }

    /// Returns the stored account, if there is one.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    pub fn account(&self) -> anyhow::Result<Option<StoredAccount>> {
        let path = self.path.join(ACCOUNT);
        if !path.exists() {
            return Ok(None);
        }
        let text = private_file::read(&path)?;
        let account = serde_json::from_str(&text);
        // The parser's error is dropped: it quotes the text, which may be a key.
        account.map(Some).map_err(|_| anyhow::anyhow!("{} is not a valid account", path.display()))
    }

    /// Stores the account. It is on disk when this returns.
    ///
    /// # Errors
    /// Fails if it cannot be written.
    pub fn store_account(&self, account: &StoredAccount) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(account).context("cannot serialize the account")?;
        Ok(private_file::replace(&self.path.join(ACCOUNT), &text)?)
    }

    /// Removes an account that no longer exists at the CA.
    pub fn remove_account(&self) {
        // If this fails, so will the next order.
        let _ = fs::remove_file(self.path.join(ACCOUNT));
    }
}

/// Returns a name for each ACME directory, so that a change of CA does not use the other's certificate.
fn file_name(acme_directory: &str) -> String {
    let url = CapabilityUrl::parse(acme_directory).map(|url| format!("{}{}", url.origin(), url.path()));
    let text = url.unwrap_or_else(|_| acme_directory.to_owned());
    let text = text.trim_start_matches("https://").trim_end_matches('/').trim_matches('.');
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    text.chars().map(safe).collect()
}

/// Parses a key and its certificate chain.
///
/// # Errors
/// Fails if one is missing, or if they do not match.
pub fn parse(pem: &str) -> anyhow::Result<CertifiedKey> {
    let key =
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| anyhow::anyhow!("no private key found"))?;
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.context("invalid certificate")?;
    anyhow::ensure!(!chain.is_empty(), "no certificate found");
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .context("the private key does not match the certificate")
}

/// Returns true if the certificate is valid for the domain.
#[must_use]
pub fn covers(certificate: &CertifiedKey, domain: &Domain) -> bool {
    let parsed = certificate.cert.first().and_then(|first| ParsedCertificate::try_from(first).ok());
    let (Some(parsed), Ok(name)) = (parsed, ServerName::try_from(domain.as_str())) else { return false };
    rustls::client::verify_server_name(&parsed, &name).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    const DIRECTORY: &str = "https://acme.example:14000/dir";

    fn pem(names: &[&str]) -> String {
        let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
        let generated = rcgen::generate_simple_self_signed(names).unwrap();
        format!("{}{}", generated.signing_key.serialize_pem(), generated.cert.pem())
    }

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap()
    }

    #[test]
    fn files_are_private_and_are_read_again() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::open(data.path(), DIRECTORY).unwrap();
        assert!(cache.certificate().unwrap().is_none() && cache.account().unwrap().is_none());
        cache.store_certificate(&pem(&["a.example"])).unwrap();
        cache.store_certificate(&pem(&["b.example"])).unwrap();
        let found = Cache::open(data.path(), DIRECTORY).unwrap().certificate().unwrap().unwrap();
        assert!(covers(&found, &domain("b.example")) && !covers(&found, &domain("a.example")));
        let dir = data.path().join("acme/acme.example_14000_dir");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes = [&dir, &dir.join(CERTIFICATE), &data.path().join(SUBDIRECTORY)].map(|path| mode(path));
        assert_eq!(modes, [0o700, 0o600, 0o700]);
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 1);
    }

    #[test]
    fn another_ca_has_another_directory() {
        let data = tempfile::tempdir().unwrap();
        Cache::open(data.path(), DIRECTORY).unwrap().store_certificate(&pem(&["a.example"])).unwrap();
        for other in
            ["https://acme.example/dir", "https://acme.example:14000/other", "https://../..", "https://.."]
        {
            let cache = Cache::open(data.path(), other).unwrap();
            assert!(cache.certificate().unwrap().is_none(), "{other}");
            assert!(cache.path.starts_with(data.path().join(SUBDIRECTORY)));
        }
        assert_eq!(
            file_name("https://acme-v02.api.letsencrypt.org/directory"),
            "acme-v02.api.letsencrypt.org_directory"
        );
    }

    #[test]
    fn errors_do_not_quote_the_files() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::open(data.path(), DIRECTORY).unwrap();
        let (one, other) = (pem(&["a.example"]), pem(&["a.example"]));
        let key = one.split_inclusive("-----END PRIVATE KEY-----\n").next().unwrap();
        let certificate = &other[key.len()..];
        for (text, why) in [
            ("", "no private key"),
            (key, "no certificate"),
            (&format!("{key}{certificate}"), "does not match"),
        ] {
            cache.store_certificate(text).unwrap();
            let error = format!("{:#}", cache.certificate().unwrap_err());
            assert!(error.contains(why) && error.contains("certificate.pem"), "{error}");
        }
        fs::write(cache.path.join(ACCOUNT), r#"{"contact":7,"key":"hunter2"}"#).unwrap();
        let error = format!("{:#}", cache.account().err().unwrap());
        assert!(error.contains("is not a valid account") && !error.contains("hunter2"), "{error}");
        cache.remove_account();
        assert!(cache.account().unwrap().is_none());
    }

    #[test]
    fn a_certificate_covers_all_of_its_names_and_no_others() {
        let both = parse(&pem(&["a.example", "b.example"])).unwrap();
        let covered =
            ["a.example", "b.example", "c.example", "example"].map(|name| covers(&both, &domain(name)));
        assert_eq!(covered, [true, true, false, false]);
    }
}
