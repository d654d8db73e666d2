//! Judges a user agent on the WebSocket of Firefox.
//!
//! [`AgentValidator`] plays a push service without sockets. For each connection call [`AgentValidator::connected`], pass what
//! arrives to [`AgentValidator::receive`], and send what it returns.

#[cfg(test)]
mod tests;
mod unexercised;
mod validator;

pub use validator::{AgentReply, AgentValidator, FromAgent};
