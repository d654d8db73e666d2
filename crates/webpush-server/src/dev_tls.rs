//! TLS for development (`--dev-tls`): a CA and its certificate, kept in the data directory.
//!
//! Clients are told once to trust the CA; its certificate is renewed behind it. The CA can sign only for the
//! [names](NAMES) of this machine, so a stolen key does not endanger a client's connections elsewhere.

use anyhow::Context as _;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, NameConstraints,
};
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier as _;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use time::OffsetDateTime;
use tokio::time::sleep;
use webpush_admin::data_dir::create_dirs;
use webpush_client::{pem, private_file};
use webpush_core::time::Timestamp;
use webpush_http::transport::certificate::{self, Certificate, Validity};
use webpush_http::transport::tls::{self, Identity};
use webpush_service::service::Service;
use x509_cert::der::Encode as _;

/// The names of the certificate, and the only ones that the CA can sign for.
pub const NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// Subdirectory of the data directory.
const SUBDIRECTORY: &str = "dev-tls";
/// The certificate of the CA, for clients.
const CA: &str = "ca.pem";
const CA_KEY: &str = "ca-key.pem";
/// One file for the key and its certificate, so that a crash cannot leave a mismatch.
const SERVER: &str = "localhost.pem";

const DAY: Duration = Duration::from_secs(86_400);
const CA_LIFETIME: Duration = Duration::from_secs(10 * 365 * 86_400);
/// Some clients refuse certificates that are valid for longer than 398 days.
const LIFETIME: Duration = Duration::from_secs(397 * 86_400);
/// A certificate is renewed when this much of its lifetime is left.
const RENEWAL: Duration = Duration::from_secs(60 * 86_400);
/// Interval of the checks while the server runs.
const CHECK_INTERVAL: Duration = Duration::from_secs(3_600);

/// Returns the path of the CA certificate, for clients.
#[must_use]
pub fn ca_file(data_dir: &Path) -> PathBuf {
    data_dir.join(SUBDIRECTORY).join(CA)
}

/// Returns the certificate of the data directory, after creating or renewing it if necessary.
///
/// # Errors
/// Fails if files cannot be written.
pub fn load_or_create(data_dir: &Path, now: Timestamp) -> anyhow::Result<CertifiedKey> {
    let directory = data_dir.join(SUBDIRECTORY);
    if let Some(current) = usable(data_dir, now) {
        return Ok(current);
    }
    create_dirs(&directory).with_context(|| format!("cannot create {} (--data-dir)", directory.display()))?;
    let issuer = match existing_ca(&directory, now) {
        Some(issuer) => issuer,
        None => create_ca(&directory, now)?,
    };
    create_certificate(&directory, &issuer, now)
        .with_context(|| format!("cannot create a certificate in {}", directory.display()))?;
    tls::load(&identity(data_dir))
}

/// Renews the certificate of a running server. Never returns.
pub async fn keep_valid(data_dir: PathBuf, certificate: Arc<Certificate>, service: Arc<Service>) {
    loop {
        sleep(CHECK_INTERVAL).await;
        let (data_dir, now) = (data_dir.clone(), service.now());
        let loaded = tokio::task::spawn_blocking(move || load_or_create(&data_dir, now)).await;
        match loaded.unwrap_or_else(|error| Err(error.into())) {
            Ok(loaded) => {
                service.metrics.process.set_certificate_expiry(certificate::expiry(&loaded));
                certificate.replace(loaded);
            }
            Err(error) => tracing::error!("cannot renew the certificate of --dev-tls: {error:#}"),
        }
    }
}

/// Returns the file with the key and its certificate.
pub(crate) fn identity(data_dir: &Path) -> Identity {
    let file = data_dir.join(SUBDIRECTORY).join(SERVER);
    Identity::Pem { key: file.clone(), cert: file }
}

/// Returns the certificate if clients accept it, now and until its renewal would be late.
fn usable(data_dir: &Path, now: Timestamp) -> Option<CertifiedKey> {
    let ca = ca_certificate(&data_dir.join(SUBDIRECTORY), now)?;
    let loaded = tls::load(&identity(data_dir)).ok()?;
    let mut roots = RootCertStore::empty();
    roots.add(ca).ok()?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let verifier = WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().ok()?;
    let is_accepted = |name: &str, time: Timestamp| {
        let time = UnixTime::since_unix_epoch(Duration::from_millis(time.as_millis()));
        let (Some(own), Ok(name)) = (loaded.cert.first(), ServerName::try_from(name)) else { return false };
        verifier.verify_server_cert(own, &[], &name, &[], time).is_ok()
    };
    let times = [now, now.after(RENEWAL)];
    let all = NAMES.iter().all(|name| times.iter().all(|time| is_accepted(name, *time)));
    all.then_some(loaded)
}

/// Returns the certificate of the CA if it outlives a server certificate that is created now.
fn ca_certificate(directory: &Path, now: Timestamp) -> Option<CertificateDer<'static>> {
    let ca = pem::certificates(&directory.join(CA)).ok()?.into_iter().next()?;
    let Validity { from, until } = Validity::from_der(&ca)?;
    (from <= now && now.after(LIFETIME) <= until).then_some(ca)
}

fn existing_ca(directory: &Path, now: Timestamp) -> Option<Issuer<'static, KeyPair>> {
    let certificate = ca_certificate(directory, now)?;
    let key = KeyPair::from_pem(&private_file::read(&directory.join(CA_KEY)).ok()?).ok()?;
    let parsed = <x509_cert::Certificate as x509_cert::der::Decode>::from_der(&certificate).ok()?;
    let of_certificate = parsed.tbs_certificate().subject_public_key_info().to_der().ok()?;
    (of_certificate == rcgen::PublicKeyData::subject_public_key_info(&key))
        .then(|| Issuer::new(ca_params(&key, now), key))
}

fn create_ca(directory: &Path, now: Timestamp) -> anyhow::Result<Issuer<'static, KeyPair>> {
    let file = directory.join(CA);
    if file.exists() {
        let file = file.display();
        tracing::warn!(%file, "replacing the CA of --dev-tls, which has expired or is damaged: clients must load it again");
    }
    let key = KeyPair::generate().context("cannot create the key of the CA")?;
    let params = ca_params(&key, now);
    let certificate = params.self_signed(&key).context("cannot create the certificate of the CA")?;
    private_file::replace(&directory.join(CA_KEY), key.serialize_pem().as_bytes())?;
    private_file::replace(&file, certificate.pem().as_bytes())?;
    Ok(Issuer::new(params, key))
}

/// Returns what a CA certificate says. Its name follows from its key, so that two CAs never share one.
fn ca_params(key: &KeyPair, now: Timestamp) -> CertificateParams {
    let digest = fingerprint(key);
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, format!("webpush-server development CA {digest}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: vec![
            GeneralSubtree::DnsName("localhost".to_owned()),
            GeneralSubtree::IpAddress(CidrSubnet::V4([127, 0, 0, 1], [255; 4])),
            GeneralSubtree::IpAddress(CidrSubnet::V6(std::net::Ipv6Addr::LOCALHOST.octets(), [255; 16])),
        ],
        excluded_subtrees: Vec::new(),
    });
    // Clocks differ, and containers have their own.
    params.not_before = date(now.before(DAY));
    params.not_after = date(now.after(CA_LIFETIME));
    params
}

fn fingerprint(key: &KeyPair) -> String {
    let digest = ::aws_lc_rs::digest::digest(&::aws_lc_rs::digest::SHA256, key.public_key_raw());
    digest.as_ref().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn create_certificate(
    directory: &Path,
    issuer: &Issuer<'static, KeyPair>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::new(NAMES.map(str::to_owned))?;
    params.distinguished_name.push(DnType::CommonName, NAMES[0]);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    // Python 3.13 and later refuse a certificate that does not name its authority's key.
    params.use_authority_key_identifier_extension = true;
    params.not_before = date(now.before(DAY));
    params.not_after = date(now.before(DAY).after(LIFETIME));
    let certificate = params.signed_by(&key, issuer)?;
    let both = format!("{}{}", key.serialize_pem(), certificate.pem());
    Ok(private_file::replace(&directory.join(SERVER), both.as_bytes())?)
}

/// Returns the second of a time; the far future if it cannot be written as a date.
fn date(time: Timestamp) -> OffsetDateTime {
    let seconds = i64::try_from(time.as_millis() / 1_000).unwrap_or(i64::MAX);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or_else(|_| rcgen::date_time_ymd(4096, 1, 1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    const NOW: Timestamp = Timestamp::from_millis(1_800_000_000_000);

    fn der(certified: &CertifiedKey) -> Vec<u8> {
        certified.cert[0].to_vec()
    }

    fn ca(data_dir: &Path) -> String {
        fs::read_to_string(ca_file(data_dir)).unwrap()
    }

    #[test]
    fn a_certificate_is_created_once_and_its_keys_are_private() {
        let data = tempfile::tempdir().unwrap();
        let first = load_or_create(data.path(), NOW).unwrap();
        let again = load_or_create(data.path(), NOW.after(300 * DAY)).unwrap();
        assert_eq!(der(&first), der(&again));
        let directory = data.path().join(SUBDIRECTORY);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for name in [CA_KEY, SERVER] {
            assert_eq!(mode(&directory.join(name)), 0o600, "{name}");
        }
        assert_eq!(mode(&directory), 0o700);
        assert_eq!(fs::read_dir(&directory).unwrap().count(), 3);
    }

    #[test]
    fn a_certificate_near_its_end_is_renewed_and_its_ca_is_kept() {
        let data = tempfile::tempdir().unwrap();
        let first = load_or_create(data.path(), NOW).unwrap();
        let trusted = ca(data.path());
        let late = NOW.after(340 * DAY);
        let renewed = load_or_create(data.path(), late).unwrap();
        assert_ne!(der(&first), der(&renewed));
        assert_eq!(ca(data.path()), trusted, "clients would have to load it again");
        assert!(certificate::expiry(&renewed).unwrap() > late.after(300 * DAY));
        // The CA itself ends before a certificate would.
        load_or_create(data.path(), NOW.after(CA_LIFETIME)).unwrap();
        assert_ne!(ca(data.path()), trusted);
    }

    #[test]
    fn damaged_missing_and_mixed_files_are_replaced() {
        let (data, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        load_or_create(other.path(), NOW).unwrap();
        for name in [CA, CA_KEY, SERVER] {
            for how in ["remove", "damage", "mix"] {
                load_or_create(data.path(), NOW).unwrap();
                let file = data.path().join(SUBDIRECTORY).join(name);
                match how {
                    "remove" => fs::remove_file(&file).unwrap(),
                    "damage" => fs::write(&file, "-----BEGIN CERTIFICATE-----\nAA==\n").unwrap(),
                    _ => drop(fs::copy(other.path().join(SUBDIRECTORY).join(name), &file).unwrap()),
                }
                load_or_create(data.path(), NOW.after(340 * DAY)).unwrap();
                let late = usable(data.path(), NOW.after(340 * DAY));
                assert!(late.is_some(), "{name} {how}");
            }
        }
    }

    #[test]
    fn the_ca_cannot_sign_for_other_names() {
        let data = tempfile::tempdir().unwrap();
        load_or_create(data.path(), NOW).unwrap();
        let directory = data.path().join(SUBDIRECTORY);
        let issuer = existing_ca(&directory, NOW).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(ca_certificate(&directory, NOW).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider).build().unwrap();
        let accepts = |name: &str| {
            let mut params = CertificateParams::new([name.to_owned()]).unwrap();
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            let signed = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
            let time = UnixTime::since_unix_epoch(Duration::from_millis(NOW.as_millis()));
            let name = ServerName::try_from(name.to_owned()).unwrap();
            verifier.verify_server_cert(signed.der(), &[], &name, &[], time).is_ok()
        };
        assert!(NAMES.iter().all(|name| accepts(name)));
        for name in ["example.org", "127.0.0.2", "::2", "localhost.example.org"] {
            assert!(!accepts(name), "{name}");
        }
    }
}
