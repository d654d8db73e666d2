//! Options of a store.

use crate::disk::Disk;
use crate::{Quota, system};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::env::Env;

/// Options of a store.
#[derive(Clone, Debug)]
pub struct Options {
    /// Clock and source of random bytes.
    ///
    /// The default has no cryptographic source; see [`system::HashEntropy`].
    pub env: Env,
    /// The disk for the files, which may be simulated.
    pub disk: Disk,
    /// Memory for cached blocks of tables.
    pub cache_bytes: u64,
    /// Limit of the memory for subscriptions, inboxes and usage rows, of which a push reads one each.
    ///
    /// Memory is taken as rows are read and written: about 150 bytes for an agent with one subscription.
    pub row_cache_bytes: u64,
    /// Quota of an inbox. If it is lowered, a fuller inbox shrinks with its next message.
    pub quota: Quota,
    /// Room on the volume for what must go on when it is full: half of it free, half in a file.
    ///
    /// At most a quarter of the volume. Below, new messages, inboxes and subscriptions are refused. 0 keeps none.
    pub reserve_bytes: u64,
    /// An inbox may hold one part in this many of the room that is left on the volume; 0 for no limit.
    ///
    /// At least 1 MiB.
    pub inbox_room_part: u64,
    /// Conditions of commits on the threads that submit them; `None` for none.
    ///
    /// It saves two switches between threads, but the submitter waits for the disk. A program that reads all requests on
    /// one thread must not allow it: no two of them would share a sync.
    pub submitter_commits: Option<SubmitterCommits>,
    /// When to flush a memtable. For tests.
    #[doc(hidden)]
    pub memtable: MemtableBounds,
}

impl Default for Options {
    fn default() -> Self {
        let memtable = MemtableBounds::default();
        Self {
            env: system::env(),
            disk: Disk::System,
            cache_bytes: 128 * 1024 * 1024,
            row_cache_bytes: 256 * 1024 * 1024,
            quota: Quota::default(),
            reserve_bytes: 128 * 1024 * 1024,
            inbox_room_part: 32,
            submitter_commits: None,
            memtable,
        }
    }
}

/// Conditions of commits on the threads that submit them.
///
/// Only small durable ones, one at a time, and only while no other commit waits. Observers and [`Done`](crate::Done) are
/// then called on the submitter's thread.
#[derive(Clone)]
pub struct SubmitterCommits {
    /// Recent syncs must have taken less than this.
    pub sync_limit: Duration,
    /// Told when a submitter waits for the disk.
    pub waits: Arc<dyn SubmitterWaits>,
}

/// Is told of the waits of submitters, of which there is one at a time.
pub trait SubmitterWaits: Send + Sync {
    /// Called on a submitter's thread before it waits for the disk.
    fn begin(&self);

    /// Called on the same thread after the wait.
    fn end(&self);
}

impl fmt::Debug for SubmitterCommits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubmitterCommits").field("sync_limit", &self.sync_limit).finish_non_exhaustive()
    }
}

/// Limits of a memtable. It is flushed when it reaches one of them.
///
/// The last two bound memory and the time to read the log, as there are at most two memtables.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
pub struct MemtableBounds {
    /// Far longer than the round trip of a message to a connected agent.
    pub age: Duration,
    /// In memory.
    pub bytes: usize,
    /// In the log, which also has the changes that cancel out in memory.
    pub log_bytes: u64,
}

impl Default for MemtableBounds {
    fn default() -> Self {
        Self { age: Duration::from_secs(5), bytes: 32 * 1024 * 1024, log_bytes: 64 * 1024 * 1024 }
    }
}
