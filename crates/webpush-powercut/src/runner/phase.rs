//! Phases in which the power is cut or the disk fails.

use crate::disk::Trigger;
use crate::fault::CallClass;
use std::fmt;
use webpush_store::simulation::Random;

/// A phase of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Phase {
    /// The first start: directories, keys, an empty store.
    FirstStart,
    /// A start after a power cut, which reads the log.
    Recovery,
    /// Messages and acknowledgements.
    Writing,
    /// The change to another segment of the log.
    Rotation,
    /// A memtable is written to the engine.
    Flush,
    /// The engine writes tables and their list.
    Compaction,
    /// The command `backup`.
    Backup,
    /// The command `restore`.
    Restore,
    /// The command `sealing-keys rotate`.
    KeyRotation,
    /// The command `repair`, on a store without damage.
    Repair,
    /// A start on a directory of an older format.
    Migration,
    /// Calls of a class fail; then the power is cut.
    IoErrors,
    /// The disk is full for a while; then the power is cut.
    FullDisk,
    /// Calls of a class are slow; then the power is cut.
    SlowDisk,
    /// Bits change while the server is off. Messages may be lost then, but not in silence.
    BitFlips,
    /// Syncs do nothing. Messages may be lost then, but the program must not hang or panic.
    LyingSyncs,
}

impl Phase {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Self::FirstStart,
        Self::Recovery,
        Self::Writing,
        Self::Rotation,
        Self::Flush,
        Self::Compaction,
        Self::Backup,
        Self::Restore,
        Self::KeyRotation,
        Self::Repair,
        Self::Migration,
        Self::IoErrors,
        Self::FullDisk,
        Self::SlowDisk,
        Self::BitFlips,
        Self::LyingSyncs,
    ];

    /// Returns a random phase for a life in the middle of a world.
    pub(super) fn random(random: &mut Random) -> Self {
        const COMMON: [Phase; 13] = [
            Phase::Recovery,
            Phase::Recovery,
            Phase::Writing,
            Phase::Writing,
            Phase::Rotation,
            Phase::Flush,
            Phase::Compaction,
            Phase::Backup,
            Phase::Restore,
            Phase::KeyRotation,
            Phase::Repair,
            Phase::IoErrors,
            Phase::FullDisk,
        ];
        if random.one_in(20) { Self::SlowDisk } else { COMMON[random.index(COMMON.len())] }
    }

    /// Returns true if nothing is promised afterwards, so that the world ends.
    pub(super) const fn breaks_promises(self) -> bool {
        matches!(self, Self::BitFlips | Self::LyingSyncs)
    }

    /// Returns a moment in the phase.
    pub(super) fn trigger(self, random: &mut Random) -> Trigger {
        let (path, class, limit) = match self {
            Self::FirstStart | Self::Migration => ("", None, 150),
            Self::Recovery => ("", None, 200),
            Self::Rotation => ("store/log", Some(CallClass::Name), 12),
            Self::Flush => (".jnl", Some(CallClass::Write), 60),
            Self::Compaction => ("tables", Some(CallClass::Name), 60),
            Self::Backup => ("backup", Some(CallClass::Write), 8),
            Self::KeyRotation => ("sealing-keys", Some(CallClass::Write), 12),
            Self::Restore | Self::Repair => ("", None, 300),
            _ => ("", None, 600),
        };
        // Many small numbers, because a phase has more distinct states at its beginning.
        let limit = if random.one_in(2) { limit } else { 1 + random.below(limit) };
        Trigger { path, class, after: random.below(limit) }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::FirstStart => "first-start",
            Self::Recovery => "recovery",
            Self::Writing => "writing",
            Self::Rotation => "rotation",
            Self::Flush => "flush",
            Self::Compaction => "compaction",
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::KeyRotation => "key-rotation",
            Self::Repair => "repair",
            Self::Migration => "migration",
            Self::IoErrors => "io-errors",
            Self::FullDisk => "full-disk",
            Self::SlowDisk => "slow-disk",
            Self::BitFlips => "bit-flips",
            Self::LyingSyncs => "lying-syncs",
        })
    }
}
