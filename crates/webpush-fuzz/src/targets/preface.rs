//! The first bytes of a connection: HTTP/1, HTTP/2 or TLS.

use tokio::io::AsyncReadExt as _;
use webpush_http::transport::preface::{Version, detect};
use webpush_store::contract::block_on;

use crate::chunks::Chunks;

pub(super) const TOKENS: &[&[u8]] = &[PREFACE, b"GET / HTTP/1.1\r\n", b"\x16\x03\x01"];
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The version does not depend on the chunks in which the bytes arrive, and no byte is lost.
pub(super) fn run(input: &[u8]) {
    let Some((size, bytes)) = input.split_first() else { return };
    let expected = match bytes {
        _ if bytes.starts_with(PREFACE) => Some(Version::Http2),
        _ if PREFACE.starts_with(bytes) => None,
        [22, ..] => Some(Version::Tls),
        _ => Some(Version::Http1),
    };
    for size in [usize::from(*size).max(1), bytes.len().max(1)] {
        let Ok((version, mut stream)) = block_on(detect(Chunks { bytes, size })) else {
            assert_eq!(expected, None);
            continue;
        };
        assert_eq!(Some(version), expected);
        let mut again = Vec::new();
        block_on(stream.read_to_end(&mut again)).unwrap();
        assert_eq!(again, bytes);
    }
}
