//! Parsers that are private, for the fuzz targets.

use crate::transport::proxy_header::{self, HeaderLength, ProxyHeader};
use std::net::IpAddr;

/// The number of bytes of a PROXY protocol header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeaderExtent {
    /// More bytes are needed to tell.
    Unknown,
    /// This number.
    Bytes(usize),
    /// It is malformed, or too long.
    Malformed,
}

/// Returns the length of the PROXY protocol header that starts like this.
#[must_use]
pub fn proxy_header_extent(begun: &[u8]) -> HeaderExtent {
    match proxy_header::header_length(begun) {
        Some(HeaderLength::Longer) => HeaderExtent::Unknown,
        Some(HeaderLength::Exactly(length)) => HeaderExtent::Bytes(length),
        None => HeaderExtent::Malformed,
    }
}

/// Returns the client that a whole PROXY protocol header names, if it names one.
///
/// `None` if the header is malformed.
#[must_use]
pub fn proxied_client(header: &[u8]) -> Option<Option<IpAddr>> {
    proxy_header::parse(header).map(|header| match header {
        ProxyHeader::Client(address) => Some(address),
        ProxyHeader::Local => None,
    })
}
