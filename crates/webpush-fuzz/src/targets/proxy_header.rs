//! The PROXY protocol, versions 1 and 2.

use std::net::IpAddr;
use webpush_http::fuzzing::{HeaderExtent, proxied_client, proxy_header_extent};

use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"\r\n\r\n\0\r\nQUIT\n",
    b"\x21\x11\0\x0c",
    b"\x20\0\0\0",
    b"\x21\x21\0\x24",
    b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    b"PROXY UNKNOWN\r\n",
    b"PROXY TCP6 ::1 ::2 1 2\r\n",
    b"\r\n",
    b" ",
];
/// Longer than any header of version 1.
const LONGEST_TEXT: usize = 200;
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

pub(super) fn run(input: &[u8]) {
    assert_same_for_prefixes(input);
    assert_written(Input::new(input));
}

/// The length of a header is the same from the first bytes that tell it. Malformed stays malformed.
fn assert_same_for_prefixes(input: &[u8]) {
    let whole = proxy_header_extent(input);
    for end in 0..input.len().min(LONGEST_TEXT) {
        match (proxy_header_extent(&input[..end]), whole) {
            (HeaderExtent::Unknown, _) | (HeaderExtent::Malformed, HeaderExtent::Malformed) => {}
            (HeaderExtent::Bytes(of_prefix), whole) => assert_eq!(HeaderExtent::Bytes(of_prefix), whole),
            (HeaderExtent::Malformed, whole) => panic!("{end} bytes are malformed, more are {whole:?}"),
        }
    }
    if let HeaderExtent::Bytes(length) = whole
        && length <= input.len()
    {
        let _: Option<Option<IpAddr>> = proxied_client(&input[..length]);
    }
}

/// The client's address is read as a proxy has written it.
fn assert_written(mut input: Input<'_>) {
    let (ports, extension) = (input.array::<4>(), input.bytes(usize::from(ports_extension(input))));
    let v4: [u8; 8] = input.array();
    let v6: [u8; 32] = input.array();
    let (source, target) =
        (IpAddr::from([v4[0], v4[1], v4[2], v4[3]]), IpAddr::from([v4[4], v4[5], v4[6], v4[7]]));
    assert_client(&binary(0x11, &v4, ports, extension), source);
    assert_client(&text("TCP4", source, target, ports), source);
    let (source, target): ([u8; 16], [u8; 16]) = (v6[..16].try_into().unwrap(), v6[16..].try_into().unwrap());
    let (source, target) = (IpAddr::from(source), IpAddr::from(target));
    assert_client(&binary(0x21, &v6, ports, extension), source);
    assert_client(&text("TCP6", source, target, ports), source);
}

fn ports_extension(mut input: Input<'_>) -> u8 {
    input.byte() & 0x3f
}

fn assert_client(header: &[u8], client: IpAddr) {
    let followed = [header, b"GET / HTTP/1.1\r\n\r\n"].concat();
    assert_eq!(proxy_header_extent(&followed), HeaderExtent::Bytes(header.len()));
    assert_eq!(proxied_client(header), Some(Some(client)));
}

fn binary(family: u8, addresses: &[u8], ports: [u8; 4], extension: &[u8]) -> Vec<u8> {
    // A whole extension: its type, its length and its value.
    let extension = [&[0x04, 0, u8::try_from(extension.len()).unwrap()], extension].concat();
    let length = u16::try_from(addresses.len() + ports.len() + extension.len()).unwrap();
    [SIGNATURE, &[0x21, family], &length.to_be_bytes(), addresses, &ports, &extension].concat()
}

fn text(family: &str, source: IpAddr, target: IpAddr, [a, b, c, d]: [u8; 4]) -> Vec<u8> {
    let (from, to) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
    format!("PROXY {family} {source} {target} {from} {to}\r\n").into_bytes()
}
