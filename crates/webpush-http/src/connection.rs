//! A connection whose HTTP version is known: its requests go to the router, and answers, streams of events, pushes and
//! WebSockets go back.

pub mod event_flow;
pub mod half_closed;
pub mod http1;
pub mod http2;
