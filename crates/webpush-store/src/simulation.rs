//! A world that a seed decides: disk, clock and random bytes.
//!
//! The disk loses, tears and refuses writes; the clock stands until it is moved; the random bytes come again.
//!
//! A store that is opened with these and stepped by hand ([`EmbeddedStore::open_stepped`]) does the same each time that
//! it is run with the same seed.
//!
//! [`EmbeddedStore::open_stepped`]: crate::embedded::EmbeddedStore::open_stepped

mod content;
mod disk;
mod random;
mod world;

pub use disk::{DiskFaults, SimulatedDisk, SimulatedFile};
pub use random::Random;
pub use world::{SeededEntropy, SimulatedClock, env};
