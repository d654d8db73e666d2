//! The Web Push service for development and tests.
//!
//! It stores in memory, answers for the push services of browser vendors, and is controlled by a JSON API.

pub mod authority;
pub mod proxy;
pub mod vendor;
