//! A promised request and its response: an entry as HTTP/2 server push carries it (RFC 9113 §8.4).

use bytes::Bytes;
use http::Response;
use http::header::HeaderValue;

/// A promised GET and its response.
#[derive(Debug)]
pub struct PushPromise {
    /// The path of the promised GET.
    pub path: String,
    /// The `Link` of the promised request and of the response, which names the subscription (RFC 8030 §6.1).
    pub link: Option<HeaderValue>,
    /// The response to the promised request.
    pub response: Response<Bytes>,
    /// How the service learns that the agent has received it.
    pub acknowledgement: Acknowledgement,
}

/// How the service learns that an agent has received an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acknowledgement {
    /// The agent acknowledges it (RFC 8030 §6.2).
    ByAgent,
    /// The agent never acknowledges it, so the peer must be seen to have read it.
    ///
    /// It has, once the response was written whole, its stream was not reset, and this number of PINGs, each sent after
    /// the one before was acknowledged, came back.
    ByPings(u8),
}
