//! PEM files.

use webpush_client::pem::{PemError, certificates_in, normalized, private_key_in};

pub(super) const TOKENS: &[&[u8]] = &[
    b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
    b"-----BEGIN ",
    b"-----END ",
    b"-----",
    b"ENCRYPTED PRIVATE KEY",
    b"TRUSTED CERTIFICATE",
    b"PKCS7",
    b"\nProc-Type: 4,ENCRYPTED\n",
    b"\r\n",
    b"\xef\xbb\xbf",
    b"EC PRIVATE KEY",
    b"=",
    b"  ",
];

pub(super) fn run(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let normal = normalized(&text);
    if normal.starts_with('\u{feff}') {
        // Of two byte order marks only one is removed.
        return;
    }
    assert_eq!(normalized(&normal).trim_end(), normal.trim_end(), "it is not normal yet");
    let is_certificate = |line: &str| {
        line.strip_prefix("-----BEGIN ").is_some_and(|rest| rest.split("-----").next() == Some("CERTIFICATE"))
    };
    let begun = normal.lines().filter(|line| is_certificate(line)).count();
    let certificates = certificates_in(&text);
    match &certificates {
        Ok(all) => assert_eq!(all.len(), begun, "a certificate is skipped"),
        Err(PemError::Incomplete { begun: counted, read }) => assert!(*counted == begun && read != counted),
        Err(_) => {}
    }
    // As editors and other systems leave it.
    let changed =
        format!("\u{feff}{}", normal.lines().map(|line| format!("\t{line} \r\n")).collect::<String>());
    assert_eq!(certificates_in(&changed).ok(), certificates.ok());
    let key = |text: &str| private_key_in(text).ok().flatten().map(|key| key.secret_der().to_vec());
    assert_eq!(key(&changed), key(&text));
}
