//! A world that a seed decides: a disk that loses, tears and refuses writes, a clock that stands until it is moved, and
//! random bytes that come again.
//!
//! A store that is opened with these and stepped by hand ([`EmbeddedStore::open_stepped`]) does the same each time that
//! it is run with the same seed.
//!
//! [`EmbeddedStore::open_stepped`]: crate::embedded::EmbeddedStore::open_stepped

mod content;
mod disk;
mod random;
mod world;

pub use disk::{Faults, SimulatedDisk, SimulatedFile};
pub use random::Random;
pub use world::{SeededEntropy, SimulatedClock, env};
