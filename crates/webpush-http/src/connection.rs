//! Connections of each HTTP version, between the router and the drivers of delivery.
//!
//! | to find | look in |
//! |---|---|
//! | HTTP/1.1, and the upgrade to a WebSocket | [`http1`] |
//! | HTTP/1.1 clients that have closed their side | [`half_closed`] |
//! | HTTP/2, with the requests of a connection in its task | [`http2`] |
//! | server-sent events over HTTP/2 | [`event_flow`] |

pub mod event_flow;
pub mod half_closed;
pub mod http1;
pub mod http2;
