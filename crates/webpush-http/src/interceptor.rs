//! Handling of requests before the router, for servers that are more than a push service.

use crate::answer::Answer;
use crate::body::Body;
use crate::transport::proxies::DirectPeer;
use bytes::Bytes;
use futures_util::stream::Stream;
use http::Response;
use http::request::Parts;
use std::pin::Pin;

/// Sees every request before the router.
pub trait Interceptor: Send + Sync {
    /// Handles a request, or passes it on.
    fn intercept<'a>(
        &'a self,
        direct_peer: &'a DirectPeer,
        head: &'a Parts,
        body: Body,
    ) -> Pin<Box<dyn Future<Output = Interception> + Send + 'a>>;
}

/// The result of an interceptor.
pub enum Interception {
    /// The router handles the request.
    Pass(Body),
    /// A response.
    Answer(Answer),
    /// A response that is streamed, over HTTP/1.1.
    Stream(Box<Response<PieceStream>>),
}

/// The body of a streamed response.
pub type PieceStream = Pin<Box<dyn Stream<Item = Bytes> + Send>>;
