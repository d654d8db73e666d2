//! The headers that an agent needs to read the body of a message, forwarded unchanged.
//!
//! Bodies are opaque: the service never applies or removes a content coding. The older `aesgcm` coding has its parameters
//! in `Encryption` and `Crypto-Key`. The sender's key (`p256ecdsa`) is removed from the latter (RFC 8292 §4.2). Headers
//! from which no agent could read the body are refused, because the sender would never learn of it.

use crate::problem::Problem;
use bytes::Bytes;
use http::HeaderMap;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, HeaderName, HeaderValue};
use std::borrow::Cow;

/// Maximum length of a forwarded header value, in bytes.
pub const FORWARDED_HEADER_BYTES: usize = 512;

/// `Encryption`, used by the `aesgcm` coding.
pub const ENCRYPTION: HeaderName = HeaderName::from_static("encryption");
/// `Crypto-Key`, used by the `aesgcm` coding.
pub const CRYPTO_KEY: HeaderName = HeaderName::from_static("crypto-key");

/// Names of the forwarded headers, in the order of the values of [`Encoding`].
const FORWARDED: [HeaderName; 4] = [CONTENT_TYPE, CONTENT_ENCODING, ENCRYPTION, CRYPTO_KEY];

/// Content codings that agents can have.
///
/// These are encryption (RFC 8188 and its draft), and those of HTTP (RFC 9110 §8.4.1).
const CODINGS: [&str; 10] =
    ["aes128gcm", "aesgcm", "gzip", "x-gzip", "deflate", "compress", "x-compress", "br", "zstd", "identity"];

/// The forwarded headers of a message.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Encoding {
    values: [Option<HeaderValue>; 4],
}

impl Encoding {
    /// Reads the forwarded headers of a push request.
    ///
    /// # Errors
    /// [`Problem::HeaderTooLarge`] if one exceeds [`FORWARDED_HEADER_BYTES`]; [`Problem::EncodingUnreadable`] if no agent
    /// could read the body.
    pub fn parse(headers: &HeaderMap) -> Result<Self, Problem> {
        let mut encoding = Self::default();
        for (slot, name) in encoding.values.iter_mut().zip(&FORWARDED) {
            *slot = joined(headers, name)?;
        }
        match encoding.unreadable() {
            Some(detail) => Err(Problem::EncodingUnreadable { detail }),
            None => Ok(encoding),
        }
    }

    /// Returns why no agent could read the body; `None` if one could.
    fn unreadable(&self) -> Option<&'static str> {
        let [_, coding, encryption, crypto_key] = &self.values;
        let coding = coding.as_ref()?.to_str().unwrap_or_default();
        // Nearly all messages.
        if coding == "aes128gcm" {
            return None;
        }
        let codings = || coding.split(',').map(str::trim).filter(|coding| !coding.is_empty());
        let is_known = |coding: &str| CODINGS.iter().any(|known| known.eq_ignore_ascii_case(coding));
        if !codings().all(is_known) {
            return Some("Content-Encoding must be aes128gcm (RFC 8291), or the older aesgcm");
        }
        let is_aesgcm = codings().any(|coding| coding.eq_ignore_ascii_case("aesgcm"));
        if is_aesgcm && !has_parameter(encryption.as_ref(), b"salt") {
            return Some("aesgcm needs an Encryption header with the parameter salt");
        }
        if is_aesgcm && !has_parameter(crypto_key.as_ref(), b"dh") {
            return Some("aesgcm needs a Crypto-Key header with the parameter dh");
        }
        None
    }

    /// Moves the parameters of `aesgcm` into the body, for agents that get nothing but the body.
    ///
    /// It then begins with a line `aesgcm`, a line `Encryption: …` and a line `Crypto-Key: …`, as the gateways of
    /// UnifiedPush write it. Like all that they send it is labeled `aes128gcm`. Other messages stay as they are.
    #[must_use]
    pub fn fold_aesgcm(self, body: Bytes) -> (Self, Bytes) {
        let [content_type, Some(coding), Some(encryption), Some(crypto_key)] = &self.values else {
            return (self, body);
        };
        if !coding.as_bytes().eq_ignore_ascii_case(b"aesgcm") {
            return (self, body);
        }
        let (encryption, crypto_key) = (encryption.as_bytes(), crypto_key.as_bytes());
        let parts = [b"aesgcm\nEncryption: ", encryption, b"\nCrypto-Key: ", crypto_key, b"\n", &body];
        let folded = Bytes::from(parts.concat());
        let label = HeaderValue::from_static("aes128gcm");
        (Self { values: [content_type.clone(), Some(label), None, None] }, folded)
    }

    /// Restores the headers from [`parts`](Self::parts); `None` if one is not a header value.
    #[must_use]
    pub fn from_parts(parts: [Option<&[u8]>; 4]) -> Option<Self> {
        let mut encoding = Self::default();
        for (slot, part) in encoding.values.iter_mut().zip(parts) {
            *slot = part.map(HeaderValue::from_bytes).transpose().ok()?;
        }
        Some(encoding)
    }

    /// Returns the values in a fixed order, for storage.
    #[must_use]
    pub fn parts(&self) -> [Option<&[u8]>; 4] {
        self.values.each_ref().map(|value| value.as_ref().map(HeaderValue::as_bytes))
    }

    /// Returns the names and values of the headers that are present.
    pub fn headers(&self) -> impl Iterator<Item = (HeaderName, &HeaderValue)> {
        FORWARDED.into_iter().zip(&self.values).filter_map(|(name, value)| Some((name, value.as_ref()?)))
    }

    /// Returns the value of `Content-Encoding`.
    #[must_use]
    pub fn content_encoding(&self) -> Option<&[u8]> {
        self.values[1].as_ref().map(HeaderValue::as_bytes)
    }

    /// Returns the value of `Crypto-Key`, without the sender's key.
    #[must_use]
    pub fn crypto_key(&self) -> Option<&[u8]> {
        self.values[3].as_ref().map(HeaderValue::as_bytes)
    }
}

/// Combines all values of a header into one list (RFC 9110 §5.3), without the sender's key.
fn joined(headers: &HeaderMap, name: &HeaderName) -> Result<Option<HeaderValue>, Problem> {
    let mut all = Vec::new();
    for value in headers.get_all(name) {
        let value: Cow<'_, [u8]> = match value.as_bytes() {
            value if *name == CRYPTO_KEY => without_sender_key(value).into(),
            value => value.into(),
        };
        if value.is_empty() {
            continue;
        }
        if !all.is_empty() {
            all.extend_from_slice(b", ");
        }
        all.extend_from_slice(&value);
        if all.len() > FORWARDED_HEADER_BYTES {
            return Err(Problem::HeaderTooLarge { name: name.clone(), limit: FORWARDED_HEADER_BYTES });
        }
    }
    if all.is_empty() {
        return Ok(None);
    }
    // Copied: a value of the request would keep the buffer of its whole head alive.
    let value = HeaderValue::from_maybe_shared(Bytes::from(all));
    value.map(Some).map_err(|_| Problem::HeaderMalformed { name: name.clone() })
}

/// Returns true if a header such as `keyid=a;salt=…, …` has this parameter with a value.
fn has_parameter(header: Option<&HeaderValue>, name: &[u8]) -> bool {
    let parameters = header.map(HeaderValue::as_bytes).unwrap_or_default().split(|byte| b",;".contains(byte));
    parameters.map(|parameter| parameter.splitn(2, |byte| *byte == b'=').map(<[u8]>::trim_ascii)).any(
        |mut parts| {
            parts.next().is_some_and(|found| found.eq_ignore_ascii_case(name))
                && parts.next().is_some_and(|value| !value.is_empty())
        },
    )
}

/// Removes the `p256ecdsa` parameter from `keyid=a;dh=…;p256ecdsa=…, …`. The rest keeps its order.
fn without_sender_key(value: &[u8]) -> Vec<u8> {
    let is_sender_key = |parameter: &[u8]| {
        let name = parameter.split(|b| *b == b'=').next().unwrap_or_default();
        name.trim_ascii().eq_ignore_ascii_case(b"p256ecdsa")
    };
    let members = value.split(|b| *b == b',').filter_map(|member| {
        let parameters: Vec<_> = member
            .split(|b| *b == b';')
            .map(<[u8]>::trim_ascii)
            .filter(|parameter| !parameter.is_empty() && !is_sender_key(parameter))
            .collect();
        (!parameters.is_empty()).then(|| parameters.join(&b';'))
    });
    members.collect::<Vec<_>>().join(&b", "[..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r8292_4_2_f_the_sender_key_is_dropped_and_dh_kept() {
        let cases: [(&[u8], &[u8]); 5] = [
            (b"dh=AAA;p256ecdsa=BBB", b"dh=AAA"),
            (b"p256ecdsa=BBB;dh=AAA", b"dh=AAA"),
            (b"p256ecdsa=BBB, keyid=p; dh=AAA", b"keyid=p;dh=AAA"),
            (b"P256ECDSA=BBB", b""),
            (b"dh=AAA", b"dh=AAA"),
        ];
        for (value, expected) in cases {
            assert_eq!(without_sender_key(value), expected);
        }
    }

    /// C4: such messages were accepted and never read.
    #[test]
    fn encodings_that_no_agent_can_read_are_refused() {
        let parse = |fields: &[(&'static str, &'static str)]| {
            let fields = fields
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
            Encoding::parse(&fields.collect::<HeaderMap>())
        };
        let (salt, dh) =
            (("encryption", "keyid=p; salt=AAAA;rs=4096"), ("crypto-key", "keyid=p;DH=\"BBBB\""));
        for coding in ["aes128gcm", "AES128GCM", "gzip", "gzip, aes128gcm", "aes128gcm,", "identity"] {
            assert!(parse(&[("content-encoding", coding)]).is_ok(), "{coding}");
        }
        assert!(parse(&[("content-encoding", "aesgcm"), salt, dh]).is_ok());
        assert!(parse(&[salt]).is_ok(), "without an encoding the body is opaque");
        let aesgcm = ("content-encoding", "aesgcm");
        for (fields, named) in [
            (&[("content-encoding", "aesgcm128")][..], "aes128gcm"),
            (&[("content-encoding", "aes128gcm;x=1")], "aes128gcm"),
            (&[("content-encoding", "aes256gcm, gzip")], "aes128gcm"),
            (&[aesgcm], "salt"),
            (&[aesgcm, dh], "salt"),
            (&[aesgcm, salt], "dh"),
            (&[aesgcm, ("encryption", "salt="), dh], "salt"),
            (&[aesgcm, salt, ("crypto-key", "p256ecdsa=CCCC")], "dh"),
        ] {
            let Err(Problem::EncodingUnreadable { detail }) = parse(fields) else { panic!("{fields:?}") };
            assert!(detail.contains(named), "{detail}");
        }
    }

    #[test]
    fn r8291_4_b_codings_are_forwarded_unchanged() {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static("aes128gcm"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf8"));
        let encoding = Encoding::parse(&headers).unwrap();
        assert_eq!(Encoding::from_parts(encoding.parts()), Some(encoding.clone()));
        let back: HeaderMap = encoding.headers().map(|(name, value)| (name, value.clone())).collect();
        assert_eq!(back, headers);
        headers.insert(ENCRYPTION, HeaderValue::from_bytes(&[b'a'; FORWARDED_HEADER_BYTES + 1]).unwrap());
        assert!(matches!(Encoding::parse(&headers), Err(Problem::HeaderTooLarge { .. })));
    }

    /// C5: the form of UnifiedPush's common-proxies.
    #[test]
    fn aesgcm_is_folded_into_the_body_and_nothing_else_is() {
        let fold = |list: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in list {
                headers.append(*name, HeaderValue::from_str(value).unwrap());
            }
            Encoding::parse(&headers).unwrap().fold_aesgcm(Bytes::from_static(b"\x00\xff"))
        };
        let (encoding, body) = fold(&[
            ("content-type", "application/octet-stream"),
            ("content-encoding", "aesgcm"),
            ("encryption", "salt=AAAA"),
            ("crypto-key", "dh=BBBB;p256ecdsa=CCCC"),
        ]);
        assert_eq!(&*body, b"aesgcm\nEncryption: salt=AAAA\nCrypto-Key: dh=BBBB\n\x00\xff");
        let headers: Vec<_> = encoding.headers().map(|(name, value)| (name, value.clone())).collect();
        assert_eq!(
            headers,
            [
                (CONTENT_TYPE, HeaderValue::from_static("application/octet-stream")),
                (CONTENT_ENCODING, HeaderValue::from_static("aes128gcm")),
            ]
        );
        let other = [("content-encoding", "aes128gcm"), ("encryption", "salt=AA"), ("crypto-key", "dh=BB")];
        let (encoding, body) = fold(&other);
        assert_eq!((&*body, encoding.headers().count()), (&b"\x00\xff"[..], 3));
        assert_eq!(fold(&[]).1, Bytes::from_static(b"\x00\xff"));
    }
}
