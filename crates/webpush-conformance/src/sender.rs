//! Judges the requests of a sender: an application server, or its library.
//!
//! [`SenderValidator`] plays a push service without sockets. Create subscriptions, pass each request to
//! [`SenderValidator::receive`], send what it returns, and take the [`SenderValidator::report`] at the end.

mod encryption;
mod endpoint;
mod fields;
mod reaction;
mod request;
#[cfg(test)]
pub(crate) mod test_sender;
#[cfg(test)]
mod tests;
mod token;
mod unexercised;
mod validator;

pub use endpoint::{EndpointBehavior, TrialSubscription};
pub use request::SenderRequest;
pub use validator::SenderValidator;
