//! Sources of broadcast versions: the configuration, overridden by versions set at run time.

use super::file;
use std::io;
use std::path::{Path, PathBuf};
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_core::protocol::autopush::{Broadcast, Versions};

/// The broadcast versions of the configuration and those set at run time.
#[derive(Debug)]
pub struct BroadcastSources {
    configured: Versions,
    /// Overrides the configuration. The file has the same.
    set: Versions,
    file: PathBuf,
}

/// The reason a broadcast was not changed.
#[derive(Debug)]
pub enum ChangeError {
    /// The limit on broadcasts is reached.
    Full,
    /// The broadcast was not set at run time.
    NotSet {
        /// True if the configuration has it.
        is_configured: bool,
    },
    /// The file could not be written or synced.
    NotWritten(io::Error),
}

impl BroadcastSources {
    /// What the configuration says, and what the data folder keeps.
    ///
    /// # Errors
    /// When the file in the folder can't be used.
    pub fn open(folder: &Path, configured: Versions) -> anyhow::Result<Self> {
        let file = folder.join(file::NAME);
        Ok(Self { configured, set: file::load(&file)?, file })
    }

    /// Replaces the configuration.
    pub fn configure(&mut self, configured: Versions) {
        self.configured = configured;
    }

    /// The versions that agents receive.
    #[must_use]
    pub fn effective(&self) -> Versions {
        let mut versions = self.configured.clone();
        versions.extend(self.set.clone());
        versions
    }

    /// Sets a version. When this returns it is on disk.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn set(&mut self, broadcast: Broadcast) -> Result<(), ChangeError> {
        if self.set.len() >= BROADCASTS && !self.set.contains_key(broadcast.name()) {
            return Err(ChangeError::Full);
        }
        let mut set = self.set.clone();
        broadcast.insert_into(&mut set);
        self.keep(set)
    }

    /// Takes back what was set; then the configuration counts again. When this returns that is on disk.
    ///
    /// # Errors
    /// [`ChangeError`].
    pub fn unset(&mut self, name: &str) -> Result<(), ChangeError> {
        let mut set = self.set.clone();
        if set.remove(name).is_none() {
            return Err(ChangeError::NotSet { is_configured: self.configured.contains_key(name) });
        }
        self.keep(set)
    }

    /// What was set, and so is in the folder.
    #[must_use]
    pub fn overrides(&self) -> Versions {
        self.set.clone()
    }

    fn keep(&mut self, set: Versions) -> Result<(), ChangeError> {
        if set != self.set {
            file::save(&self.file, &set).map_err(ChangeError::NotWritten)?;
            self.set = set;
        }
        Ok(())
    }
}

/// Writes what was set into the folder of a service that does not run.
///
/// # Errors
/// When it can't be written.
pub fn write(folder: &Path, set: &Versions) -> io::Result<()> {
    file::save(&folder.join(file::NAME), set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(pairs: &[(&str, &str)]) -> Versions {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    fn set(sources: &mut BroadcastSources, name: &str, version: &str) -> Result<(), ChangeError> {
        sources.set(Broadcast::new(name, version).unwrap())
    }

    #[test]
    fn what_is_set_wins_until_it_is_taken_back_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let configured = versions(&[("a", "1"), ("b", "1")]);
        let mut sources = BroadcastSources::open(folder.path(), configured.clone()).unwrap();
        assert_eq!(sources.effective(), configured);
        set(&mut sources, "a", "\"2\"").unwrap();
        set(&mut sources, "c/d", "it's = 3").unwrap();
        let in_force = versions(&[("a", "\"2\""), ("b", "1"), ("c/d", "it's = 3")]);
        assert_eq!(sources.effective(), in_force);

        let mut again = BroadcastSources::open(folder.path(), configured.clone()).unwrap();
        assert_eq!(again.effective(), in_force);
        again.unset("a").unwrap();
        again.unset("c/d").unwrap();
        assert_eq!(again.effective(), configured);
        assert_eq!(
            BroadcastSources::open(folder.path(), configured.clone()).unwrap().effective(),
            configured
        );
        for (name, is_configured) in [("a", true), ("c/d", false)] {
            let Err(ChangeError::NotSet { is_configured: configured }) = again.unset(name) else {
                panic!("{name} was there")
            };
            assert_eq!(configured, is_configured);
        }
    }

    #[test]
    fn there_are_not_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = BroadcastSources::open(folder.path(), Versions::new()).unwrap();
        sources.set = (0..BROADCASTS).map(|number| (number.to_string(), "1".to_owned())).collect();
        assert!(matches!(set(&mut sources, "more", "1"), Err(ChangeError::Full)));
        set(&mut sources, "0", "2").unwrap();
        sources.unset("1").unwrap();
        set(&mut sources, "more", "1").unwrap();
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = BroadcastSources::open(folder.path(), versions(&[("a", "1")])).unwrap();
        drop(folder);
        assert!(matches!(set(&mut sources, "a", "2"), Err(ChangeError::NotWritten(_))));
        assert_eq!(sources.effective(), versions(&[("a", "1")]));
    }
}
