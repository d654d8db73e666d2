//! Warnings about configurations that are valid, but with which clients cannot work.

use crate::dev_tls;
use crate::server_config::ServerConfig;
use rustls::sign::CertifiedKey;
use std::net::IpAddr;
use webpush_admin::last_origin;
use webpush_client::url::CapabilityUrl;
use webpush_core::time::Timestamp;
use webpush_http::transport::public_address::PublicAddress;
use webpush_http::transport::{certificate, tls};

impl ServerConfig {
    /// Returns what clients will stumble over, and the cure.
    ///
    /// `certificate` is the one from files, if there is one.
    #[must_use]
    pub fn warnings(&self, certificate: Option<&CertifiedKey>, now: Timestamp) -> Vec<String> {
        let mut warnings = Vec::new();
        let origin = self.origin.as_deref().and_then(|origin| CapabilityUrl::parse(origin).ok());
        match &origin {
            Some(origin) if !origin.is_https() && self.has_tls() => warnings.push(format!(
                "the server speaks TLS, but its public origin is {}: clients would connect without TLS and fail; set \
                 --origin to the https URL",
                origin.origin()
            )),
            None if self.acme.is_none() && self.listens_on_all_addresses() => warnings.push(format!(
                "the server listens on all addresses without a public origin: URLs begin with {}, which only this \
                 machine can reach; set --origin to the URL that clients use",
                self.default_origin(&self.host().1, self.port)
            )),
            Some(_) | None => {}
        }
        if self.store.is_some() && origin.is_none() && self.acme.is_none() {
            warnings.push(
                "this is a node of a cluster (--store) without a public origin, and each node would create URLs of its own: \
                 set the same --origin for all of them"
                    .to_owned(),
            );
        }
        if self.has_tls() {
            warnings.extend(self.also_listen.iter().filter(|address| is_exposed(address)).map(|address| {
                format!(
                    "{address} (--also-listen) is plain HTTP that other machines can reach: let only a proxy that \
                     terminates TLS connect to it"
                )
            }));
        }
        let host = origin.as_ref().map_or_else(|| self.host().1, |origin| origin.host().to_owned());
        let is_local =
            dev_tls::NAMES.contains(&&*host) || (origin.is_none() && self.listens_on_all_addresses());
        if self.dev_tls && !is_local {
            warnings.push(format!(
                "the certificate of --dev-tls is only for {}, and clients would use {host}: get one for this name (--key \
                 and --cert, or --acme-domains), or correct --host or --origin",
                dev_tls::NAMES.join(", ")
            ));
        }
        if let (Some(certificate), Some(identity)) = (certificate, &self.identity) {
            let host = origin.as_ref().map(CapabilityUrl::host);
            let file = match identity {
                tls::Identity::Pem { cert, .. } => cert,
                tls::Identity::Pfx { file, .. } => file,
            };
            let faults = certificate::faults(certificate, host, now);
            warnings.extend(
                faults.into_iter().map(|fault| format!("the certificate {} {fault}", file.display())),
            );
        }
        warnings
    }

    /// Returns a warning if the data directory was last served under another origin than `origin`.
    #[must_use]
    pub fn origin_warning(&self, origin: &str) -> Option<String> {
        let last = last_origin::changed(&self.data_dir, origin)?;
        Some(format!(
            "the data directory {} was last served as {last}, and is now served as {origin}: the URLs of existing \
             subscriptions begin with {last}, and senders with VAPID are refused there; set --origin {last} to keep them",
            self.data_dir.display()
        ))
    }

    fn listens_on_all_addresses(&self) -> bool {
        self.host().1.parse::<IpAddr>().is_ok_and(|address| address.is_unspecified())
    }
}

/// Returns true for plain HTTP at an address that is not of this machine alone.
fn is_exposed(address: &PublicAddress) -> bool {
    match address {
        PublicAddress::Tcp { tls: false, host, .. } => {
            host.parse().is_ok_and(|address: IpAddr| !address.to_canonical().is_loopback())
        }
        PublicAddress::Tcp { .. } | PublicAddress::Unix(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::settings_of;
    use rustls::crypto::aws_lc_rs;
    use rustls::pki_types::PrivateKeyDer;
    use std::time::Duration;

    /// A self-signed certificate for `push.example`, from 1975 to 4096.
    fn certificate(change: impl FnOnce(&mut rcgen::CertificateParams)) -> CertifiedKey {
        let mut params = rcgen::CertificateParams::new(["push.example".to_owned()]).unwrap();
        change(&mut params);
        let key = rcgen::KeyPair::generate().unwrap();
        let made = params.self_signed(&key).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        CertifiedKey::from_der(vec![made.der().clone()], key, &aws_lc_rs::default_provider()).unwrap()
    }

    const NOW: Timestamp = Timestamp::from_millis(1_700_000_000_000);
    const TLS: [&str; 4] = ["--cert", "cert.pem", "--key", "key.pem"];

    /// E3: they started in silence.
    #[test]
    fn configurations_that_cannot_work_are_warned_about() {
        for (flags, named) in [
            (&["--host", "127.0.0.1"][..], None),
            (&["--host", "0.0.0.0", "--plaintext"], Some("http://localhost:8080")),
            (&["--host", "0.0.0.0", "--plaintext", "--origin", "https://push.example"], None),
            (&["--acme-domains", "push.example"], None),
            (&["--dev-tls"], None),
            (&["--dev-tls", "--origin", "https://localhost:8443"], None),
            (&["--dev-tls", "--origin", "https://[::1]:8443", "--host", "::1"], None),
            (&["--dev-tls", "--origin", "https://push.example"], Some("push.example")),
            (&["--dev-tls", "--host", "192.0.2.1"], Some("192.0.2.1")),
            (&["--dev-tls", "--host", "0.0.0.0"], Some("https://localhost:8443")),
            (&["--store", "postgres://a/b", "--store-secret-file", "s"], Some("the same --origin")),
            (
                &[
                    "--store",
                    "postgres://a/b",
                    "--store-secret-file",
                    "s",
                    "--origin",
                    "https://push.example",
                ],
                None,
            ),
            (&TLS, Some("https://localhost:8080")),
            (&[&TLS[..], &["--host", "push.example"]].concat(), None),
            (&[&TLS[..], &["--origin", "http://push.example"]].concat(), Some("http://push.example")),
            (&[&TLS[..], &["--origin", "https://push.example"]].concat(), None),
            (&["--also-listen", "http://127.0.0.1:1", "--also-listen", "unix:/a"], None),
            (&["--dev-tls", "--also-listen", "http://[::1]:1,https://192.0.2.1:1"], None),
            (&["--dev-tls", "--also-listen", "http://192.0.2.1:1"], Some("http://192.0.2.1:1")),
        ] {
            let warnings = settings_of(flags).warnings(None, NOW);
            assert_eq!(warnings.len(), usize::from(named.is_some()), "{flags:?} {warnings:?}");
            assert!(warnings.iter().all(|text| text.contains(named.unwrap_or_default())), "{warnings:?}");
        }
    }

    /// E3: all subscriptions were lost without a word.
    #[test]
    fn another_origin_on_an_existing_data_directory_is_warned_about() {
        let data_dir = tempfile::tempdir().unwrap();
        let settings = settings_of(&["--data-dir", data_dir.path().to_str().unwrap()]);
        assert_eq!(settings.origin_warning("https://a.example"), None);
        last_origin::record(data_dir.path(), "https://a.example").unwrap();
        assert_eq!(settings.origin_warning("https://a.example"), None);
        let warning = settings.origin_warning("https://b.example").unwrap();
        assert!(warning.contains("--origin https://a.example") && warning.contains("https://b.example"));
    }

    /// D: expired and foreign certificates were served in silence.
    #[test]
    fn certificates_that_clients_refuse_are_warned_about() {
        let with = |origin: &str, certificate: &CertifiedKey, now| {
            settings_of(&[&TLS[..], &["--origin", origin]].concat()).warnings(Some(certificate), now)
        };
        let good = certificate(|_| {});
        assert_eq!(with("https://push.example:8443", &good, NOW), [""; 0]);
        let other = with("https://other.example", &good, NOW);
        assert!(other[0].starts_with("the certificate cert.pem is not for other.example"), "{other:?}");
        let late = NOW.after(Duration::from_secs(3_000 * 365 * 86_400));
        assert!(with("https://push.example", &good, late)[0].contains("expired on 4096-01-01"));
        assert!(with("https://push.example", &good, Timestamp::default())[0].contains("not valid before"));
        let ca = certificate(|params| {
            params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        });
        assert!(with("https://push.example", &ca, NOW)[0].contains("CA:FALSE"));
    }
}
