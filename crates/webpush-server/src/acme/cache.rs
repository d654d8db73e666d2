//! What is kept in the data folder of each authority: our account there, and the certificate with its key. Both are for their
//! owner only.

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
use webpush_admin::data_dir::make_folders;
use webpush_client::private_file;
use webpush_client::url::CapabilityUrl;

/// The folder within the data folder.
pub const FOLDER: &str = "acme";
const ACCOUNT: &str = "account.json";
/// The key and its certificates in one file: a crash must not leave two that don't belong together.
const CERTIFICATE: &str = "certificate.pem";

/// The folder of one authority.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: PathBuf,
}

/// Our account at the authority.
#[derive(Clone, Deserialize, Serialize)]
pub struct StoredAccount {
    /// The contact that the authority was told.
    pub contact: Option<String>,
    /// Its URL and key, as [`instant_acme`] writes them.
    pub credentials: serde_json::Value,
}

impl Cache {
    /// Makes the folder of an authority if it is not there.
    ///
    /// # Errors
    /// When that does not work.
    pub fn open(data_dir: &Path, directory: &str) -> anyhow::Result<Self> {
        let folder = data_dir.join(FOLDER).join(name_of(directory));
        make_folders(&folder)
            .with_context(|| format!("the folder {} can't be made (--data-dir)", folder.display()))?;
        Ok(Self { folder })
    }

    /// The certificate that was kept last, if there is one.
    ///
    /// # Errors
    /// When it can't be read or used.
    pub fn certificate(&self) -> anyhow::Result<Option<CertifiedKey>> {
        let path = self.folder.join(CERTIFICATE);
        if !path.exists() {
            return Ok(None);
        }
        let text = private_file::read(&path)?;
        parse(&text).map(Some).with_context(|| format!("{} can't be used", path.display()))
    }

    /// Keeps a certificate in the place of the one before. Returns when it is on disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep_certificate(&self, pem: &str) -> anyhow::Result<()> {
        Ok(private_file::replace(&self.folder.join(CERTIFICATE), pem.as_bytes())?)
    }

    /// Our account, if there is one.
    ///
    /// # Errors
    /// When it can't be read.
    pub fn account(&self) -> anyhow::Result<Option<StoredAccount>> {
        let path = self.folder.join(ACCOUNT);
        if !path.exists() {
            return Ok(None);
        }
        let text = private_file::read(&path)?;
        let kept = serde_json::from_str(&text);
        // What a parser says repeats what it found, and that may be a key.
        kept.map(Some).map_err(|_| anyhow::anyhow!("{} holds no account", path.display()))
    }

    /// Keeps our account. Returns when it is on disk.
    ///
    /// # Errors
    /// When it can't be written.
    pub fn keep_account(&self, kept: &StoredAccount) -> anyhow::Result<()> {
        let text = serde_json::to_vec_pretty(kept).context("the account can't be written down")?;
        Ok(private_file::replace(&self.folder.join(ACCOUNT), &text)?)
    }

    /// Forgets an account that the authority does not know any more.
    pub fn forget_account(&self) {
        // What is not there is forgotten as well; what can't be removed is found out with the next order.
        let _ = fs::remove_file(self.folder.join(ACCOUNT));
    }
}

/// A folder of its own for each directory, or a change between them would find the other's certificate.
fn name_of(directory: &str) -> String {
    let url = CapabilityUrl::parse(directory).map(|url| format!("{}{}", url.origin(), url.path()));
    let text = url.unwrap_or_else(|_| directory.to_owned());
    let text = text.trim_start_matches("https://").trim_end_matches('/').trim_matches('.');
    let safe = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '-') { c } else { '_' };
    text.chars().map(safe).collect()
}

/// Reads a key and its certificates.
///
/// # Errors
/// When one is missing, or they don't belong together.
pub fn parse(pem: &str) -> anyhow::Result<CertifiedKey> {
    let key =
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| anyhow::anyhow!("it holds no key"))?;
    let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = chain.context("a certificate in it is damaged")?;
    anyhow::ensure!(!chain.is_empty(), "it holds no certificate");
    CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider())
        .context("its key and certificate don't belong together")
}

/// Whether a certificate is for a name.
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
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        format!("{}{}", made.signing_key.serialize_pem(), made.cert.pem())
    }

    fn domain(name: &str) -> Domain {
        Domain::parse(name).unwrap()
    }

    #[test]
    fn what_is_kept_is_for_its_owner_only_and_found_again() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::open(data.path(), DIRECTORY).unwrap();
        assert!(cache.certificate().unwrap().is_none() && cache.account().unwrap().is_none());
        cache.keep_certificate(&pem(&["a.example"])).unwrap();
        cache.keep_certificate(&pem(&["b.example"])).unwrap();
        let found = Cache::open(data.path(), DIRECTORY).unwrap().certificate().unwrap().unwrap();
        assert!(covers(&found, &domain("b.example")) && !covers(&found, &domain("a.example")));
        let folder = data.path().join("acme/acme.example_14000_dir");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        let modes = [&folder, &folder.join(CERTIFICATE), &data.path().join(FOLDER)].map(|path| mode(path));
        assert_eq!(modes, [0o700, 0o600, 0o700]);
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
    }

    #[test]
    fn another_authority_has_another_folder() {
        let data = tempfile::tempdir().unwrap();
        Cache::open(data.path(), DIRECTORY).unwrap().keep_certificate(&pem(&["a.example"])).unwrap();
        for other in
            ["https://acme.example/dir", "https://acme.example:14000/other", "https://../..", "https://.."]
        {
            let cache = Cache::open(data.path(), other).unwrap();
            assert!(cache.certificate().unwrap().is_none(), "{other}");
            assert!(cache.folder.starts_with(data.path().join(FOLDER)));
        }
        assert_eq!(
            name_of("https://acme-v02.api.letsencrypt.org/directory"),
            "acme-v02.api.letsencrypt.org_directory"
        );
    }

    #[test]
    fn damage_is_said_without_repeating_what_is_damaged() {
        let data = tempfile::tempdir().unwrap();
        let cache = Cache::open(data.path(), DIRECTORY).unwrap();
        let (one, other) = (pem(&["a.example"]), pem(&["a.example"]));
        let key = one.split_inclusive("-----END PRIVATE KEY-----\n").next().unwrap();
        let certificate = &other[key.len()..];
        for (text, why) in
            [("", "no key"), (key, "no certificate"), (&format!("{key}{certificate}"), "belong together")]
        {
            cache.keep_certificate(text).unwrap();
            let said = format!("{:#}", cache.certificate().unwrap_err());
            assert!(said.contains(why) && said.contains("certificate.pem"), "{said}");
        }
        fs::write(cache.folder.join(ACCOUNT), r#"{"contact":7,"key":"hunter2"}"#).unwrap();
        let said = format!("{:#}", cache.account().err().unwrap());
        assert!(said.contains("holds no account") && !said.contains("hunter2"), "{said}");
        cache.forget_account();
        assert!(cache.account().unwrap().is_none());
    }

    #[test]
    fn all_names_of_a_certificate_count_and_no_others() {
        let both = parse(&pem(&["a.example", "b.example"])).unwrap();
        let covered =
            ["a.example", "b.example", "c.example", "example"].map(|name| covers(&both, &domain(name)));
        assert_eq!(covered, [true, true, false, false]);
    }
}
