//! A Web Push service (RFC 8030) and its clients, as a library behind the binary `webpush-server`.

pub mod cli;
pub mod client;
