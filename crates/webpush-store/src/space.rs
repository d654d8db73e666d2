//! The room on a volume.

/// The room on the volume of a directory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Space {
    /// Free for this process.
    pub(crate) available: u64,
    /// Of the whole volume.
    pub(crate) total: u64,
}
