//! TLS: PEM, PKCS#12, ALPN, and unsupported versions.

use crate::support::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ProtocolVersion, RootCertStore};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

pub(crate) struct Files {
    pub(crate) key: String,
    pub(crate) cert: String,
    pub(crate) pfx: String,
    pub(crate) password: String,
    roots: RootCertStore,
}

pub(crate) fn files(dir: &Path) -> Files {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let pfx = dir.join("all.pfx");
    std::fs::write(&pfx, pkcs12(&signing_key.serialize_der(), cert.der(), "open sesame")).unwrap();
    std::fs::write(dir.join("open.pfx"), pkcs12(&signing_key.serialize_der(), cert.der(), "")).unwrap();
    Files {
        key: write("key.pem", &signing_key.serialize_pem()),
        cert: write("cert.pem", &cert.pem()),
        pfx: pfx.to_str().unwrap().to_owned(),
        password: write("password", "open sesame\n"),
        roots,
    }
}

fn pkcs12(key: &[u8], cert: &[u8], password: &str) -> Vec<u8> {
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKey, PrivateKeyChain};
    let key = PrivateKey::from_der(key).unwrap();
    let chain = PrivateKeyChain::new("1", key, [Certificate::from_der(cert).unwrap()]);
    let mut store = KeyStore::new();
    store.add_entry("server", KeyStoreEntry::PrivateKeyChain(chain));
    store.writer(password).write().unwrap()
}

pub(crate) async fn connect(server: &Server, files: &Files, protocols: &[&[u8]]) -> TlsStream<TcpStream> {
    try_connect(server, files, protocols).await.unwrap()
}

/// Connects, and trusts only the certificate in these files.
pub(crate) async fn try_connect(
    server: &Server,
    files: &Files,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let port = server.origin.rsplit(':').next().unwrap().parse().unwrap();
    handshake(TcpStream::connect(("127.0.0.1", port)).await.unwrap(), files, protocols).await
}

/// Starts TLS on a connection.
pub(crate) async fn handshake(
    stream: TcpStream,
    files: &Files,
    protocols: &[&[u8]],
) -> std::io::Result<TlsStream<TcpStream>> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(files.roots.clone())
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

#[tokio::test]
async fn r8030_3_a_c_tls_with_both_versions_of_http() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let pem = ["--key", &files.key, "--cert", &files.cert];
    let pfx = ["--pfx", &files.pfx, "--pfx-password-file", &files.password];
    let identities = if cfg!(feature = "pkcs12") { vec![pem, pfx] } else { vec![pem] };
    for args in identities {
        let server = Server::start_with(&args);
        assert!(server.origin.starts_with("https://localhost:"), "{}", server.origin);
        for (offered, chosen) in [
            (&[&b"h2"[..], b"http/1.1"][..], Some(&b"h2"[..])),
            (&[b"http/1.1"], Some(b"http/1.1")),
            (&[], None),
        ] {
            let stream = connect(&server, &files, offered).await;
            assert_eq!(stream.get_ref().1.alpn_protocol(), chosen);
            assert_eq!(stream.get_ref().1.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        }
        let (mut send, connection) =
            h2::client::handshake(connect(&server, &files, &[b"h2"]).await).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("{}/subscribe", server.origin)).body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let response: http::Response<h2::RecvStream> = response.await.unwrap();
        assert_eq!(response.status(), 201);
        assert!(response.headers()["location"].to_str().unwrap().starts_with(&server.origin));
    }
}

/// `--pfx` never worked then. It has no flag for a password in 2015, so the file has none.
#[tokio::test]
async fn the_command_lines_of_the_2015_readme_work_as_written() {
    let dir = tempfile::tempdir().unwrap();
    let keys = dir.path().join("keys");
    std::fs::create_dir(&keys).unwrap();
    let files = files(&keys);
    // If another program uses that port, any other one is fine.
    let is_free = std::net::TcpListener::bind("127.0.0.1:8080").is_ok();
    let port = if is_free { "8080" } else { "0" };
    let mut identities = vec![&["--key", "keys/key.pem", "--cert", "keys/cert.pem"][..]];
    if cfg!(feature = "pkcs12") {
        identities.push(&["--pfx", "keys/open.pfx"]);
    }
    for identity in identities {
        let server = Server::start_as_in_2015(dir.path(), &[&["--port", port], identity].concat());
        assert_eq!(server.address.ends_with(":8080"), is_free, "{}", server.address);
        let stream = connect(&server, &files, &[b"h2"]).await;
        let (mut send, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let request = http::Request::post(format!("https://localhost:{port}/devices")).body(()).unwrap();
        let (response, _) = send.send_request(request, true).unwrap();
        let response: http::Response<h2::RecvStream> = response.await.unwrap();
        assert_eq!(response.status(), 201);
        drop(send);
        server.signal("TERM");
        assert!(server.wait().await);
    }
}

#[tokio::test]
async fn r8470_a_no_early_data_is_offered() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let server = Server::start_with(&["--key", &files.key, "--cert", &files.cert]);
    let mut stream = connect(&server, &files, &[b"http/1.1"]).await;
    // A ticket that allows early data would have arrived with the first response.
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    stream.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(stream.get_mut().1.early_data().is_none());
}

#[tokio::test]
async fn unusable_identities_are_explained() {
    let dir = tempfile::tempdir().unwrap();
    let files = files(dir.path());
    let output = crate::support::refused(dir.path(), &["--pfx", &files.pfx]);
    let expected = if cfg!(feature = "pkcs12") { "--pfx-password-file" } else { "openssl pkcs12" };
    assert!(output.contains(expected) && output.lines().count() == 1, "{output}");
    let output = crate::support::refused(dir.path(), &["--key", &files.cert, "--cert", &files.key]);
    assert!(output.contains("--cert is the certificate"), "{output}");
    let other = tempfile::tempdir().unwrap();
    let other_key = self::files(other.path()).key;
    let output = crate::support::refused(dir.path(), &["--key", &other_key, "--cert", &files.cert]);
    assert!(output.contains("does not match the certificate"), "{output}");
}

/// E2: libraries such as npm `web-push` send over HTTPS only.
#[tokio::test]
async fn dev_tls_serves_clients_that_trust_the_ca_of_the_data_directory() {
    let server = Server::start_with(&["--dev-tls"]);
    assert!(server.origin.starts_with("https://127.0.0.1:"), "{}", server.origin);
    let ca = server.dir().join("data/dev-tls/ca.pem");
    let output = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
        .args(["listen", &server.origin, "--ca-file", ca.to_str().unwrap(), "--no-wait", "--state"])
        .arg(server.dir().join("agent.json"))
        .output()
        .unwrap();
    let printed = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && printed.contains("/push/"), "{output:?}");
    let unasked = Command::new(env!("CARGO_BIN_EXE_webpush-server"))
        .args(["listen", &server.origin, "--no-wait"])
        .output()
        .unwrap();
    assert!(!unasked.status.success(), "{unasked:?}");
}

#[test]
fn dev_tls_excludes_other_certificates_by_name() {
    let dir = tempfile::tempdir().unwrap();
    for (flags, named) in [
        (&["--cert", "c", "--key", "k"][..], "tls.cert"),
        (&["--pfx", "p"], "tls.pfx"),
        (&["--acme-domains", "push.example.net"], "acme.domains"),
        (&["--plaintext"], "listen.plaintext"),
    ] {
        let output = crate::support::refused(dir.path(), &[&["--dev-tls"], flags].concat());
        assert!(output.contains("tls.dev cannot be combined with") && output.contains(named), "{output}");
    }
    assert!(!dir.path().join("data/dev-tls").exists());
}

/// E7: clients that use the scheme of the other kind of port saw only a closed connection.
#[tokio::test]
async fn a_port_says_that_it_speaks_https_or_that_it_does_not() {
    let secure = Server::start_with_log(&["--dev-tls"]);
    let port = secure.origin.rsplit(':').next().unwrap();
    let address = format!("127.0.0.1:{port}");
    let answer = crate::support::raw_http1(&address, "GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("This port speaks HTTPS"), "{answer}");
    secure.logged(&["WARN", "this port speaks HTTPS"]).await;
    let listen = |url: String| {
        let output =
            Command::new(env!("CARGO_BIN_EXE_webpush-server")).args(["listen", &url, "--no-wait"]).output();
        let output = output.unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let printed = listen(format!("http://{address}"));
    assert!(printed.contains(&format!("did you mean https://{address}?")), "{printed}");
    let plain = Server::start_with_log(&[]);
    let printed = listen(plain.origin.replace("http:", "https:"));
    assert!(printed.contains(&format!("did you mean {}?", plain.origin)), "{printed}");
    plain.logged(&["WARN", "this port speaks plain HTTP"]).await;
}
