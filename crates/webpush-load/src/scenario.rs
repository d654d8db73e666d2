//! The measurements, one file for each command.

pub mod absent;
pub mod drain;
pub mod hostile;
pub mod idle;
pub mod limit;
pub mod online;
pub mod restart;
pub mod sessions;
pub mod start;
pub mod store;
