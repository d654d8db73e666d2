//! Certificates by ACME.

use crate::acme::{AcmeConfig, Domain, ExternalAccount};
use clap::builder::BoolishValueParser;
use instant_acme::LetsEncrypt;
use std::net::SocketAddr;
use std::path::PathBuf;
use webpush_client::url::CapabilityUrl;
use webpush_config::setting::NeedsRestart;

/// Flags for certificates by ACME.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Certificates by ACME")]
pub(crate) struct AcmeArgs {
    /// Domain to obtain a certificate for from Let's Encrypt (ACME); repeatable
    ///
    /// The first domain is the default origin. By setting it you agree to the terms of the CA.
    #[arg(long, env = "WEBPUSH_SERVER_ACME__DOMAINS", add = NeedsRestart, value_name = "NAME", value_delimiter = ',', value_parser = Domain::parse)]
    acme_domains: Vec<Domain>,

    /// Contact for the CA, such as mailto:you@example.net; some CAs send warnings to it
    #[arg(long, env = "WEBPUSH_SERVER_ACME__CONTACT", add = NeedsRestart, value_name = "URL", value_parser = parse_contact)]
    acme_contact: Option<String>,

    /// Use the staging environment of Let's Encrypt, for tests: its certificates are not trusted
    #[arg(
        long,
        env = "WEBPUSH_SERVER_ACME__STAGING", add = NeedsRestart,
        value_name = "BOOL",
        default_value = "false",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true",
        value_parser = BoolishValueParser::new(),
    )]
    acme_staging: bool,

    /// ACME directory of a CA other than Let's Encrypt
    #[arg(long, env = "WEBPUSH_SERVER_ACME__DIRECTORY", add = NeedsRestart, value_name = "URL", value_parser = parse_directory)]
    acme_directory: Option<String>,

    /// PEM file of additional CA certificates to trust for that directory
    #[arg(long, env = "WEBPUSH_SERVER_ACME__DIRECTORY_CA_FILE", add = NeedsRestart, value_name = "FILE")]
    acme_directory_ca_file: Option<PathBuf>,

    /// ID of the key of your account at a CA that wants accounts to be bound (EAB), such as ZeroSSL
    #[arg(long, env = "WEBPUSH_SERVER_ACME__EAB_KEY_ID", add = NeedsRestart, value_name = "ID")]
    acme_eab_key_id: Option<String>,

    /// File with that key (HMAC), in base64url as the CA shows it
    #[arg(long, env = "WEBPUSH_SERVER_ACME__EAB_KEY_FILE", add = NeedsRestart, value_name = "FILE")]
    acme_eab_key_file: Option<PathBuf>,

    /// Validate domains over plain HTTP (HTTP-01) on this address, such as [::]:80, not on port 443
    ///
    /// Other requests to it are redirected to the origin.
    #[arg(long, env = "WEBPUSH_SERVER_ACME__HTTP_LISTEN", add = NeedsRestart, value_name = "ADDRESS", value_parser = parse_listen)]
    acme_http_listen: Option<String>,
}

impl AcmeArgs {
    /// Returns the ACME configuration, if there are domains.
    pub(crate) fn settings(self) -> Option<AcmeConfig> {
        let mut domains: Vec<Domain> = Vec::new();
        for domain in self.acme_domains {
            if !domains.contains(&domain) {
                domains.push(domain);
            }
        }
        let built_in = if self.acme_staging { LetsEncrypt::Staging } else { LetsEncrypt::Production };
        (!domains.is_empty()).then(|| AcmeConfig {
            domains,
            contact: self.acme_contact,
            directory: self.acme_directory.unwrap_or_else(|| built_in.url().to_owned()),
            directory_ca_file: self.acme_directory_ca_file,
            binding: self
                .acme_eab_key_id
                .zip(self.acme_eab_key_file)
                .map(|(key_id, key_file)| ExternalAccount { key_id, key_file }),
            http_listen: self.acme_http_listen,
        })
    }
}

fn parse_contact(text: &str) -> Result<String, String> {
    let wrong = || format!("'{text}' is not a contact: expected one address, such as mailto:you@example.net");
    let (user, host) =
        text.strip_prefix("mailto:").and_then(|address| address.split_once('@')).ok_or_else(wrong)?;
    let is_plain = |c: char| c.is_ascii_graphic() && !matches!(c, ',' | '?' | '<' | '>' | '@' | '"');
    let is_address = !user.is_empty() && user.chars().all(is_plain) && Domain::parse(host).is_ok();
    if is_address { Ok(text.to_owned()) } else { Err(wrong()) }
}

fn parse_directory(text: &str) -> Result<String, String> {
    match CapabilityUrl::parse(text) {
        Ok(url) if url.is_https() => Ok(text.to_owned()),
        _ => Err(format!("'{text}' is not an ACME directory: expected an https URL")),
    }
}

fn parse_listen(text: &str) -> Result<String, String> {
    match text.parse::<SocketAddr>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("'{text}' is not an address with a port: expected one such as [::]:80")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        acme: AcmeArgs,
    }

    fn settings(args: &[&str]) -> Option<AcmeConfig> {
        Flags::try_parse_from([&["test"], args].concat()).unwrap().acme.settings()
    }

    #[test]
    fn one_setting_is_enough_for_lets_encrypt() {
        assert_eq!(settings(&[]), None);
        let found =
            settings(&["--acme-domains", "a.example,B.example", "--acme-domains", "a.example"]).unwrap();
        let names: Vec<_> = found.domains.iter().map(Domain::as_str).collect();
        assert_eq!(names, ["a.example", "b.example"]);
        assert_eq!(found.directory, "https://acme-v02.api.letsencrypt.org/directory");
        let staging = settings(&["--acme-domains", "a.example", "--acme-staging"]).unwrap();
        assert_eq!(staging.directory, "https://acme-staging-v02.api.letsencrypt.org/directory");
        let bound = ["--acme-domains", "a.example", "--acme-eab-key-id", "me", "--acme-eab-key-file", "/k"];
        let binding = ExternalAccount { key_id: "me".to_owned(), key_file: "/k".into() };
        assert_eq!(settings(&bound).unwrap().binding, Some(binding));
        let other = ["--acme-domains", "a.example", "--acme-directory", "https://ca.lan:8443/dir"];
        assert_eq!(settings(&other).unwrap().directory, "https://ca.lan:8443/dir");
    }

    #[test]
    fn contacts_are_one_address_and_directories_are_https() {
        for right in ["mailto:ops@example.net", "mailto:push+acme@a.b.example"] {
            assert_eq!(parse_contact(right).unwrap(), right);
        }
        for wrong in [
            "",
            "ops@example.net",
            "mailto:",
            "mailto:ops",
            "mailto:a@b.c,d@e.f",
            "mailto:a b@c.d",
            "mailto:@c.d",
            "tel:1",
        ] {
            assert!(parse_contact(wrong).unwrap_err().starts_with('\''), "{wrong}");
        }
        for (address, is_right) in
            [("[::]:80", true), ("127.0.0.1:5002", true), ("80", false), ("[::]", false)]
        {
            assert_eq!(parse_listen(address).is_ok(), is_right, "{address}");
        }
        for wrong in ["", "http://ca.lan/dir", "ca.lan/dir", "https://", "https://user@ca.lan/"] {
            assert!(parse_directory(wrong).unwrap_err().starts_with('\''), "{wrong}");
        }
    }
}
