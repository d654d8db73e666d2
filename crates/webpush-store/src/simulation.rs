//! A simulated environment that depends only on a seed: disk, clock and random bytes.
//!
//! The disk loses, tears and refuses writes; the clock stands still until it is moved; the random bytes are repeatable.
//!
//! A store that is opened with them and stepped by hand ([`EmbeddedStore::open_stepped`]) behaves the same in each run with
//! the same seed.
//!
//! [`EmbeddedStore::open_stepped`]: crate::embedded::EmbeddedStore::open_stepped

mod content;
mod disk;
mod random;
mod world;

pub use disk::{DiskFaults, SimulatedDisk, SimulatedFile};
pub use random::Random;
pub use world::{SeededEntropy, SimulatedClock, env};
