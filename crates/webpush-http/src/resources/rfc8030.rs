//! The resources of RFC 8030.

pub mod message;
pub mod publish;
pub mod subscribe;
pub mod subscription;
