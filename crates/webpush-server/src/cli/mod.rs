//! The command line: one file a verb.

pub mod exit;
pub mod keys;
pub mod listen;
pub mod send;
pub mod terminal;
