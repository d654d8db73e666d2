use super::*;
use std::fs;

struct PemIdentity {
    certificate: String,
    key: String,
}

fn made() -> PemIdentity {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    PemIdentity { certificate: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

fn load_files(cert: &str, key: &str) -> anyhow::Result<CertifiedKey> {
    let directory = tempfile::tempdir().unwrap();
    let identity =
        Identity::Pem { key: directory.path().join("key.pem"), cert: directory.path().join("cert.pem") };
    fs::write(directory.path().join("cert.pem"), cert).unwrap();
    fs::write(directory.path().join("key.pem"), key).unwrap();
    load(&identity)
}

/// D: certificates and keys in the order and form that people have.
#[test]
fn files_that_people_have_are_read() {
    let (own, other) = (made(), made());
    let own_last = format!("{}{}", other.certificate.trim_end(), own.certificate);
    let loaded = load_files(&own_last, &format!("\u{feff}{}", own.key)).unwrap();
    let alone = load_files(&own.certificate, &own.key).unwrap();
    assert_eq!((loaded.cert.len(), &loaded.cert[0]), (2, &alone.cert[0]), "its own certificate comes first");
}

/// D: errors spoke of inconsistent keys.
#[test]
fn errors_name_the_file_the_fault_and_the_cure() {
    let (own, other) = (made(), made());
    let damaged = own.certificate.replacen("MII", "M*I", 1);
    for (cert, key, named) in [
        (&other.certificate, &own.key, &["key.pem", "does not match", "cert.pem", "--key"][..]),
        (&damaged, &own.key, &["cert.pem", "damaged"]),
        (&String::new(), &own.key, &["cert.pem", "has no certificate", "--cert"]),
        (&own.certificate, &own.certificate, &["key.pem", "has no private key", "--key"]),
        (&own.certificate, &own.key.replace("PRIVATE", "ENCRYPTED PRIVATE"), &["key.pem", "openssl pkey"]),
    ] {
        let error = format!("{:#}", load_files(cert, key).unwrap_err());
        assert!(named.iter().all(|part| error.contains(part)), "{error}");
    }
}
