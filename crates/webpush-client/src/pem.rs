//! PEM files (RFC 7468) as people have them.
//!
//! A byte order mark, indented lines, and sections joined without a line break are accepted, because they are
//! unambiguous. Certificates that would be skipped are errors.

use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use std::error::Error;
use std::path::Path;
use std::{fmt, fs, io};
use webpush_core::byte_order_mark;

/// A PEM file cannot be used. The message continues the name of the file.
#[derive(Debug)]
pub enum PemError {
    /// It cannot be read.
    Read(io::Error),
    /// A section is damaged.
    Syntax(pem::Error),
    /// A section is of another kind.
    Kind(String),
    /// The private key needs a password.
    Encrypted,
    /// Not all certificates can be read.
    Incomplete {
        /// The number of certificates that begin.
        begun: usize,
        /// The number of those that can be read.
        read: usize,
    },
}

impl fmt::Display for PemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(_) => f.write_str("cannot be read"),
            Self::Syntax(_) => f.write_str("is damaged: copy it again from where it was created"),
            Self::Kind(label) => write!(
                f,
                "has a section 'BEGIN {label}', which cannot be used: expected 'BEGIN CERTIFICATE' (openssl x509 \
                 -in FILE converts one)"
            ),
            Self::Encrypted => f.write_str(
                "has an encrypted private key: remove its password with 'openssl pkey -in FILE -out NEW-FILE'",
            ),
            Self::Incomplete { begun, read } => write!(
                f,
                "has {begun} certificates, of which only {read} can be read: each needs a line '-----BEGIN \
                 CERTIFICATE-----' and a line '-----END CERTIFICATE-----'"
            ),
        }
    }
}

impl Error for PemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Read(error) => Some(error),
            Self::Syntax(error) => Some(error),
            Self::Kind(_) | Self::Encrypted | Self::Incomplete { .. } => None,
        }
    }
}

/// Returns PEM with one marker per line, without a byte order mark and indentation.
#[must_use]
pub fn normalized(text: &str) -> String {
    let lines = byte_order_mark::strip(text).lines().map(str::trim).collect::<Vec<_>>().join("\n");
    lines.replace("----------BEGIN ", "-----\n-----BEGIN ") + "\n"
}

/// Reads all certificates of a file; there may be none.
///
/// # Errors
/// [`PemError`] if the file cannot be read, or a certificate would be skipped.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, PemError> {
    certificates_in(&read(path)?)
}

/// Reads all certificates of a text; there may be none.
///
/// # Errors
/// [`PemError`] if a certificate would be skipped.
pub fn certificates_in(text: &str) -> Result<Vec<CertificateDer<'static>>, PemError> {
    let text = normalized(text);
    if let Some(label) = labels(&text).find(|label| is_unusable(label)) {
        return Err(PemError::Kind(label.to_owned()));
    }
    let all = CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let all = all.map_err(PemError::Syntax)?;
    let begun = labels(&text).filter(|label| *label == "CERTIFICATE").count();
    if all.len() == begun { Ok(all) } else { Err(PemError::Incomplete { begun, read: all.len() }) }
}

/// Reads the first private key of a file; there may be none.
///
/// # Errors
/// [`PemError`] if the file cannot be read, or the key is encrypted.
pub fn private_key(path: &Path) -> Result<Option<PrivateKeyDer<'static>>, PemError> {
    private_key_in(&read(path)?)
}

/// Reads the first private key of a text; there may be none.
///
/// # Errors
/// [`PemError`] if the key is damaged or encrypted.
pub fn private_key_in(text: &str) -> Result<Option<PrivateKeyDer<'static>>, PemError> {
    let text = normalized(text);
    let is_encrypted = |label: &str| label == "ENCRYPTED PRIVATE KEY";
    if labels(&text).any(is_encrypted) || text.contains("\nProc-Type: 4,ENCRYPTED") {
        return Err(PemError::Encrypted);
    }
    PrivateKeyDer::pem_slice_iter(text.as_bytes()).next().transpose().map_err(PemError::Syntax)
}

fn read(path: &Path) -> Result<String, PemError> {
    // PEM is ASCII; whatever surrounds it may be in any encoding.
    fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).map_err(PemError::Read)
}

fn labels(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.strip_prefix("-----BEGIN ")?.split("-----").next())
}

/// Returns true for a section that has a certificate in another form.
fn is_unusable(label: &str) -> bool {
    label != "CERTIFICATE" && (label.ends_with("CERTIFICATE") || label.starts_with("PKCS"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> String {
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap().cert.pem()
    }

    fn certificates_of(text: &str) -> Result<usize, PemError> {
        let file = tempfile::NamedTempFile::new().unwrap();
        fs::write(file.path(), text).unwrap();
        certificates(file.path()).map(|all| all.len())
    }

    /// D: byte order marks, and PEM joined without a newline.
    #[test]
    fn unambiguous_files_are_read() {
        let (one, two) = (certificate(), certificate());
        for text in [
            format!("{one}{two}"),
            format!("{}{two}", one.trim_end()),
            format!("\u{feff}{one}{two}"),
            format!("{one}{two}").replace('\n', "\r\n"),
            format!("{one}{two}").replace('\n', "\n  "),
            format!("subject=CN=ü\n{one}issuer=x\n{two}"),
        ] {
            assert_eq!(certificates_of(&text).unwrap(), 2, "{text}");
        }
        assert_eq!(certificates_of("").unwrap(), 0);
    }

    /// D: unreadable parts were skipped in silence.
    #[test]
    fn certificates_are_not_skipped() {
        let one = certificate();
        let trusted = one.replace(" CERTIFICATE", " TRUSTED CERTIFICATE");
        let error = certificates_of(&format!("{one}{trusted}")).unwrap_err();
        assert!(error.to_string().contains("'BEGIN TRUSTED CERTIFICATE'"), "{error}");
        let cut = &one[..one.len() - 40];
        assert!(certificates_of(&format!("{cut}\n{one}")).is_err());
        assert!(certificates_of(cut).is_err());
        assert!(certificates_of(&one.replace("MII", "M*I")).is_err());
    }

    #[test]
    fn a_key_may_have_a_mark_but_no_password() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        fs::write(file.path(), format!("\u{feff}{key}")).unwrap();
        assert!(private_key(file.path()).unwrap().is_some());
        fs::write(file.path(), key.replace("PRIVATE", "ENCRYPTED PRIVATE")).unwrap();
        assert!(matches!(private_key(file.path()), Err(PemError::Encrypted)));
        fs::write(file.path(), "").unwrap();
        assert!(private_key(file.path()).unwrap().is_none());
    }
}
