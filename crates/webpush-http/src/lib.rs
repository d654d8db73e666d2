//! HTTP in front of the service: connections, resources, and delivery to connected agents.
//!
//! | step | look in |
//! |---|---|
//! | a connection is accepted: permits, PROXY protocol, TLS, HTTP version, client addresses | [`transport`] |
//! | its requests, by HTTP version | [`connection`] |
//! | additions to the crate `h2` | [`h2`] |
//! | which resource a request is for, and the resources by protocol | [`resources`] |
//! | messages to connected agents: server push, server-sent events, WebSocket | [`delivery`] |
//! | requests that do not reach the router, for servers that are more than a push service | [`interceptor`] |
//! | push URLs of other services, for Matrix homeservers | [`gateway`] |
//! | bodies in; answers and errors out | [`body`], [`answer`], [`problem`] |
//!
//! Build an [`HttpServer`](server::HttpServer) around a service, then call [`transport::listen::start`] with a bound listener.

pub mod answer;
pub mod body;
pub mod connection;
pub mod delivery;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod gateway;
pub mod h2;
pub mod interceptor;
pub mod problem;
pub mod resources;
pub mod server;
pub mod transport;
