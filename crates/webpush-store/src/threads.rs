//! Locks, channels and threads: of the standard library, or of shuttle.
//!
//! Shuttle tests many interleavings of them.
//!
//! The feature `shuttle` is for `tests/shuttle.rs` only: with it nothing works outside of a test of shuttle.

#[cfg(feature = "shuttle")]
pub(crate) use shuttle::{sync, thread};
#[cfg(not(feature = "shuttle"))]
pub(crate) use std::{sync, thread};

/// Returns true if a thread is known to have ended.
///
/// Threads of shuttle do not say it, and are joined when it matters.
pub(crate) fn is_finished<T>(thread: &thread::JoinHandle<T>) -> bool {
    #[cfg(not(feature = "shuttle"))]
    {
        thread.is_finished()
    }
    #[cfg(feature = "shuttle")]
    {
        let _ = thread;
        false
    }
}

/// Drops a receiver with its waiting messages, as the standard library does and shuttle does not.
pub(crate) fn drop_receiver<T>(receiver: sync::mpsc::Receiver<T>) {
    #[cfg(feature = "shuttle")]
    while receiver.try_recv().is_ok() {}
    drop(receiver);
}
