//! HTTP/2 server push (RFC 9113 §8.4).

use bytes::Bytes;
use http::Response;
use http::header::HeaderValue;

/// A promised GET and its response.
#[derive(Debug)]
pub struct PushPromise {
    /// The path of the promised GET.
    pub path: String,
    /// The link to the subscription, in the promised request and the response (RFC 8030 §6.1).
    pub link: Option<HeaderValue>,
    /// The response to the promised request.
    pub response: Response<Bytes>,
    /// How delivery is confirmed.
    pub acknowledgement: Acknowledgement,
}

/// How the delivery of an entry is confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The agent acknowledges it (RFC 8030 §6.2).
    ByAgent,
    /// The agent sends no acknowledgement, so PINGs confirm that the peer has received it.
    ///
    /// It counts as delivered once the response is written completely, its stream was not reset, and the peer has
    /// acknowledged this number of PINGs, one after the other.
    ByPings(u8),
}
