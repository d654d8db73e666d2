//! A trust store for Java, which cannot read certificates in PEM.
//!
//! It is a PKCS#12 file (RFC 7292) with one certificate, neither encrypted nor authenticated: it holds nothing secret, and
//! Java then needs no password for it.

/// ASN.1 tags.
const INTEGER: u8 = 0x02;
const OCTET_STRING: u8 = 0x04;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BMP_STRING: u8 = 0x1e;
const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
/// `[0] EXPLICIT`.
const EXPLICIT: u8 = 0xa0;

/// id-data, 1.2.840.113549.1.7.1 (RFC 5652 §4).
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 7, 1];
/// certBag, 1.2.840.113549.1.12.10.1.3 (RFC 7292 §4.2).
const CERTIFICATE_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 12, 10, 1, 3];
/// x509Certificate, 1.2.840.113549.1.9.22.1 (RFC 7292 §4.2.3).
const X509_CERTIFICATE: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 22, 1];
/// friendlyName, 1.2.840.113549.1.9.20 (RFC 2985 §5.5.1).
const FRIENDLY_NAME: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 20];
/// trustedKeyUsage, 2.16.840.1.113894.746875.1.1.
///
/// Java ignores certificates without this attribute of Oracle.
const TRUSTED_KEY_USAGE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf9, 0x66, 0xad, 0xca, 0x7b, 1, 1];
/// anyExtendedKeyUsage, 2.5.29.37.0 (RFC 5280 §4.2.1.12).
const ANY_USAGE: &[u8] = &[0x55, 0x1d, 0x25, 0];

/// The alias of the certificate.
const ALIAS: &str = "webpush-server dev";

/// Returns a PKCS#12 file with which Java trusts `certificate` (DER), and nothing else.
#[must_use]
pub fn trust_store(certificate: &[u8]) -> Vec<u8> {
    let alias: Vec<u8> = ALIAS.encode_utf16().flat_map(u16::to_be_bytes).collect();
    let attributes = tlv(
        SET,
        &[
            attribute(FRIENDLY_NAME, &tlv(BMP_STRING, &[alias])),
            attribute(TRUSTED_KEY_USAGE, &tlv(OBJECT_IDENTIFIER, &[ANY_USAGE.to_vec()])),
        ],
    );
    let certificate = explicit(tlv(OCTET_STRING, &[certificate.to_vec()]));
    let bag = tlv(SEQUENCE, &[identifier(X509_CERTIFICATE), certificate]);
    let safe_bag = tlv(SEQUENCE, &[identifier(CERTIFICATE_BAG), explicit(bag), attributes]);
    let authenticated_safe = tlv(SEQUENCE, &[data(tlv(SEQUENCE, &[safe_bag]))]);
    tlv(SEQUENCE, &[tlv(INTEGER, &[vec![3]]), data(authenticated_safe)])
}

/// Returns a `ContentInfo` of the type `data` (RFC 5652 §3).
fn data(content: Vec<u8>) -> Vec<u8> {
    tlv(SEQUENCE, &[identifier(DATA), explicit(tlv(OCTET_STRING, &[content]))])
}

fn attribute(name: &[u8], value: &[u8]) -> Vec<u8> {
    tlv(SEQUENCE, &[identifier(name), tlv(SET, &[value.to_vec()])])
}

fn identifier(bytes: &[u8]) -> Vec<u8> {
    tlv(OBJECT_IDENTIFIER, &[bytes.to_vec()])
}

fn explicit(content: Vec<u8>) -> Vec<u8> {
    tlv(EXPLICIT, &[content])
}

/// Encodes a tag, the length and the parts of a value in DER (X.690 §8.1, §10.1).
fn tlv(tag: u8, parts: &[Vec<u8>]) -> Vec<u8> {
    let value = parts.concat();
    let mut encoded = vec![tag];
    match u8::try_from(value.len()) {
        Ok(short @ 0..0x80) => encoded.push(short),
        _ => {
            let bytes = value.len().to_be_bytes();
            let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
            encoded.push(0x80 | significant.len() as u8);
            encoded.extend_from_slice(significant);
        }
    }
    encoded.extend_from_slice(&value);
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_cert::der::asn1::AnyRef;
    use x509_cert::der::{Decode as _, Encode as _};

    #[test]
    fn lengths_are_encoded_as_der_wants_them() {
        for (length, header) in [
            (0, &[4, 0][..]),
            (127, &[4, 127]),
            (128, &[4, 0x81, 128]),
            (255, &[4, 0x81, 255]),
            (256, &[4, 0x82, 1, 0]),
            (70_000, &[4, 0x83, 1, 0x11, 0x70]),
        ] {
            let encoded = tlv(OCTET_STRING, &[vec![0; length]]);
            assert_eq!(&encoded[..header.len()], header);
            assert_eq!(encoded.len(), header.len() + length);
            assert_eq!(AnyRef::from_der(&encoded).unwrap().to_der().unwrap(), encoded);
        }
    }

    #[test]
    fn a_store_holds_the_certificate_as_it_is() {
        let store = trust_store(b"certificate");
        AnyRef::from_der(&store).unwrap();
        assert!(store.windows(11).any(|part| part == b"certificate"));
    }
}
