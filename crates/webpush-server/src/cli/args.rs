//! Flags of `serve`, by help heading, and the syntax of their values.

pub(crate) mod acme;
pub(crate) mod admin;
pub(crate) mod advanced;
pub(crate) mod also;
pub(crate) mod chromium;
pub(crate) mod connections;
pub(crate) mod limits;
pub(crate) mod log;
pub(crate) mod matrix;
pub(crate) mod memory;
pub(crate) mod otlp;
pub(crate) mod proxy;
pub(crate) mod rates;
pub(crate) mod secrets;
pub(crate) mod storage;
pub(crate) mod store;
pub(crate) mod subscribe;
pub(crate) mod timeouts;
pub(crate) mod trace;
pub(crate) mod values;
