//! Connections of each HTTP version, between the router and the drivers of delivery.

pub mod event_flow;
pub mod half_closed;
pub mod http1;
pub mod http2;
