//! Opens the engine of a store, after its files were checked, and fixed if need be.

use super::batch_markers::BatchMarkers;
use super::damage::DamageReporter;
use super::directory::{engine_directory, engine_marker, is_finished, was_used};
use super::engine::Engine;
use super::engine_error::EngineError;
use super::holes::Holes;
use super::{fix, salvage};
use crate::disk::Disk;
use std::path::Path;

/// Opens or creates the engine of the store in a directory.
///
/// A damaged table or journal is fixed, and leaves holes. Other damage is an error: see [`super::repair`].
pub(super) fn open_engine(disk: &Disk, directory: &Path, cache_bytes: u64) -> Result<Engine, EngineError> {
    let path = engine_directory(directory);
    let has_files = matches!(disk, Disk::System) && !disk.is_missing(&path)?;
    let open = || {
        Engine::open(disk, &path, cache_bytes, DamageReporter::new(directory, Holes::load(disk, directory)?))
    };
    if !has_files {
        return open();
    }
    // An engine that was never used may lack what fjall creates last.
    let has_data = was_used(disk, directory) || salvage::has_keyspaces(disk, &path)?;
    if has_data && !is_finished(disk, &path)? {
        return Err(EngineError::Broken(engine_marker(directory)));
    }
    if has_data && let Some(broken) = salvage::find_broken(disk, &path)? {
        return Err(EngineError::Broken(broken));
    }
    fix::fix_damaged_journals(disk, directory)?;
    // Only the markers tell which frames the engine has, so they must be readable.
    let open = || match open()? {
        engine if BatchMarkers::read(&engine).is_err() => Err(EngineError::MarkersUnreadable),
        engine => Ok(engine),
    };
    match open() {
        Err(error) if error.is_damage() => {
            tracing::error!(directory = %directory.display(), %error, "the engine does not open; checking its files");
            if fix::fix(disk, directory)? > 0 { open() } else { Err(error) }
        }
        opened => opened,
    }
}
