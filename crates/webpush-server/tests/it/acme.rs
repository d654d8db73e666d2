//! Certificates by ACME while the CA is unreachable.
//!
//! The ACME cases of `cargo xtask interop` run a CA.

use crate::admin::ask;
use crate::support::{Server, refused};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::path::Path;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// A port without a listener.
const NOBODY: &str = "https://127.0.0.1:1/dir";
const ADMIN: [&str; 4] = ["--admin", "127.0.0.1:0", "--host", "127.0.0.1"];

/// Stores a certificate for these names as an order would; returns roots that trust it.
fn keep(dir: &Path, names: &[&str]) -> RootCertStore {
    let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).unwrap();
    let kept = dir.join("data/acme/127.0.0.1_1_dir");
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("certificate.pem"), signing_key.serialize_pem() + &cert.pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    roots
}

fn start(dir: &Path, domains: &str) -> Server {
    let acme = ["--acme-domains", domains, "--acme-directory", NOBODY];
    Server::start_on(dir, &[&ADMIN[..], &acme].concat())
}

async fn handshake(
    server: &Server,
    roots: &RootCertStore,
    name: &str,
    protocol: &[u8],
) -> Result<(), String> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let mut config = config.with_root_certificates(roots.clone()).with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connected = TlsConnector::from(Arc::new(config)).connect(name, stream).await;
    connected.map(drop).map_err(|error| error.to_string())
}

async fn ready(server: &Server) -> (u16, String) {
    let (status, _, body) = ask(&server.admin, "GET", "/ready", "").await;
    (status, body)
}

#[tokio::test]
async fn a_stored_certificate_is_served_without_the_ca() {
    let dir = tempfile::tempdir().unwrap();
    let roots = keep(dir.path(), &["push.example", "other.example"]);
    let server = start(dir.path(), "push.example,other.example");
    assert_eq!(server.origin, "https://push.example");
    assert_eq!(ready(&server).await.0, 200);
    for name in ["push.example", "other.example"] {
        handshake(&server, &roots, name, b"h2").await.unwrap();
    }
    // Without a challenge, its handshake finds no certificate.
    handshake(&server, &roots, "push.example", b"acme-tls/1").await.unwrap_err();
    let metrics = ask(&server.admin, "GET", "/metrics", "").await.2;
    assert!(metrics.contains("webpush_tls_certificate_expiry_timestamp_seconds "), "{metrics}");
    assert!(metrics.contains("webpush_acme_orders_total{outcome=\"failed\"} 0"), "{metrics}");
    // SIGHUP does not change it.
    server.signal("HUP");
    handshake(&server, &roots, "push.example", b"http/1.1").await.unwrap();
    server.signal("TERM");
    assert!(server.wait().await);
}

#[tokio::test]
async fn a_certificate_that_lacks_a_domain_serves_the_others() {
    let dir = tempfile::tempdir().unwrap();
    let roots = keep(dir.path(), &["push.example"]);
    let server = start(dir.path(), "push.example,new.example");
    let (status, body) = ready(&server).await;
    assert!(status == 503 && body.contains("no TLS certificate yet for some of acme.domains"), "{body}");
    handshake(&server, &roots, "push.example", b"h2").await.unwrap();
    handshake(&server, &roots, "new.example", b"h2").await.unwrap_err();
}

#[tokio::test]
async fn without_a_certificate_the_server_listens_and_is_not_ready() {
    let args = [
        "--acme-domains",
        "push.example",
        "--acme-directory",
        NOBODY,
        "--acme-contact",
        "mailto:a@b.example",
    ];
    let server = Server::start_with_log(&[&ADMIN[..], &args].concat());
    let (status, body) = ready(&server).await;
    assert!(status == 503 && body.contains("no TLS certificate"), "{body}");
    for protocol in [&b"h2"[..], b"acme-tls/1"] {
        let output = handshake(&server, &RootCertStore::empty(), "push.example", protocol).await.unwrap_err();
        assert!(output.contains("AccessDenied"), "{output}");
    }
    let line = server
        .logged(&["cannot obtain a certificate for push.example", "cannot connect to https://127.0.0.1:1"])
        .await;
    assert!(line.contains("Next attempt in 5 min"), "{line}");
    let metrics = ask(&server.admin, "GET", "/metrics", "").await.2;
    assert!(metrics.contains("webpush_acme_orders_total{outcome=\"failed\"} 1"), "{metrics}");
    assert!(metrics.contains("webpush_ready 0"), "{metrics}");
    server.signal("TERM");
    assert!(server.wait().await);
}

#[tokio::test]
async fn a_damaged_certificate_is_neither_used_nor_shown() {
    let dir = tempfile::tempdir().unwrap();
    keep(dir.path(), &["push.example"]);
    let kept = dir.path().join("data/acme/127.0.0.1_1_dir/certificate.pem");
    fs::write(&kept, "-----BEGIN PRIVATE KEY-----\nhunter2\n").unwrap();
    let server = start(dir.path(), "push.example");
    assert_eq!(ready(&server).await.0, 503);
}

#[test]
fn unusable_settings_are_refused_at_startup() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ca.pem");
    fs::write(&file, "no PEM").unwrap();
    let file = file.to_str().unwrap();
    let domain = ["--acme-domains", "push.example"];
    for (args, why) in [
        (&["--acme-domains", "*.example"][..], "wildcards"),
        (&["--key", file, "--cert", file], "acme.domains cannot be combined with tls.cert"),
        (&["--pfx", file], "acme.domains cannot be combined with tls.pfx"),
        (&["--plaintext"], "listen.plaintext cannot be combined with acme.domains"),
        (
            &["--acme-staging", "--acme-directory", NOBODY],
            "acme.staging cannot be combined with acme.directory",
        ),
        (&["--acme-directory-ca-file", file], "needs acme.directory"),
        (
            &["--acme-directory", NOBODY, "--acme-directory-ca-file", file],
            "cannot use --acme-directory-ca-file",
        ),
        (&["--acme-contact", "ops@example.net"], "mailto:you@example.net"),
        (&["--acme-directory", "http://ca.example/dir"], "expected an https URL"),
    ] {
        let output = refused(dir.path(), &[&domain[..], args].concat());
        assert!(output.contains(why), "{args:?}: {output}");
    }
    let output = refused(dir.path(), &["--acme-contact", "mailto:a@b.example"]);
    assert!(output.contains("acme.contact also needs acme.domains"), "{output}");
}
