//! Fuzz targets: parsers of input from outside, and operations on the store.
//!
//! A target is a function that takes any bytes, and panics if a property does not hold. [`TARGETS`] lists all of them.
//! Three things run them:
//!
//! | runner | input |
//! |---|---|
//! | `tests/corpora.rs` | the corpora in `fuzz/corpus`, and a number of mutations of them that a seed determines |
//! | `cargo xtask fuzz` | mutations of the corpora, for a number of seconds |
//! | `fuzz/`, for cargo-fuzz | what libFuzzer makes of the corpora, guided by coverage |
//!
//! A parser that is private has its target beside it, in the module `fuzzing` of its crate, which exists with the feature
//! `fuzzing` only. No target reads the clock or random bytes, unless encryption needs them, so that a failure repeats.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a panic is how a target reports a failure"
)]

mod chunks;
mod corpus;
mod input;
mod mutator;
mod runner;
mod targets;

pub use corpus::{corpus_of, directory_of};
pub use mutator::Mutator;
pub use runner::{Failure, Limit, Summary, replay, run};
pub use targets::{TARGETS, Target, find};
