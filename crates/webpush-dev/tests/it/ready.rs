//! Start-up.

use crate::support::Server;
use webpush_dev::server::{DevConfig, DevServer};

#[tokio::test]
async fn a_port_that_is_taken_is_named_with_its_flag() {
    let server = Server::start().await;
    let port = server.authority.rsplit(':').next().unwrap().parse().unwrap();
    let config = DevConfig { mcs_port: port, ..DevConfig::default() };
    let error = DevServer::start(config).await.err().expect("the port is taken");
    let text = format!("{error:#}");
    assert!(text.contains(&port.to_string()) && text.contains("--mcs-port"), "{text}");
}

#[tokio::test]
async fn the_authority_is_written_and_its_directory_is_removed() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("ca.pem");
    let keystore = directory.path().join("ca.p12");
    std::fs::write(&keystore, "another's").unwrap();
    drop(Server::start_with(DevConfig { ca_file: Some(file.clone()), ..DevConfig::default() }).await);
    assert_eq!(std::fs::read_to_string(keystore).unwrap(), "another's");
    assert!(std::fs::read_to_string(file).unwrap().starts_with("-----BEGIN CERTIFICATE-----"));

    let server = Server::start().await;
    let ready = server.ready();
    let path = std::path::PathBuf::from(ready["ca"].as_str().unwrap());
    assert!(path.exists());
    let names: Vec<_> = std::fs::read_dir(path.parent().unwrap()).unwrap().collect();
    assert_eq!(names.len(), 2, "certificates only, no key");
    drop(server);
    assert!(!path.exists());
}

#[tokio::test]
async fn two_servers_share_nothing() {
    let (one, other) = (Server::start().await.ready(), Server::start().await.ready());
    for member in ["ca", "chromium_args", "origin"] {
        assert_ne!(one[member], other[member]);
    }
}
