//! The measurements, one file for each command.

pub mod absent;
pub mod cluster;
pub mod drain;
pub mod held;
pub mod hostile;
pub mod idle;
pub mod limit;
pub mod online;
pub mod overload;
pub mod reconnect;
pub mod restart;
pub mod sessions;
pub mod soak;
pub mod start;
pub mod store;
