//! Sources of broadcast versions: the configuration, overridden by versions set at run time.

use super::file;
use super::overrides::{ChangeError, Overrides};
use std::io;
use std::path::Path;
use webpush_core::protocol::autopush::{Broadcast, Versions};
use webpush_store::StoreError;
use webpush_store::postgres::BroadcastTable;

/// The broadcast versions of the configuration and those set at run time.
#[derive(Debug)]
pub struct BroadcastSources {
    configured: Versions,
    overrides: Overrides,
}

impl BroadcastSources {
    /// Combines the configuration with the file of the data directory.
    ///
    /// # Errors
    /// Fails if the file cannot be read or is invalid.
    pub fn open(data_dir: &Path, configured: Versions) -> anyhow::Result<Self> {
        Ok(Self { configured, overrides: Overrides::in_file(data_dir)? })
    }

    /// Combines the configuration with the table of a database, which all nodes share.
    ///
    /// # Errors
    /// Fails if the database cannot be used, or if the data directory has a file that is invalid.
    pub async fn open_shared(
        table: BroadcastTable,
        data_dir: &Path,
        configured: Versions,
    ) -> anyhow::Result<Self> {
        Ok(Self { configured, overrides: Overrides::in_table(table, data_dir).await? })
    }

    /// Replaces the configuration.
    pub fn configure(&mut self, configured: Versions) {
        self.configured = configured;
    }

    /// The versions that agents receive.
    #[must_use]
    pub fn effective(&self) -> Versions {
        let mut versions = self.configured.clone();
        versions.extend(self.overrides.versions.clone());
        versions
    }

    /// Sets a version, durably. Blocks.
    ///
    /// # Errors
    /// [`ChangeError::Full`], [`ChangeError::NotWritten`], [`ChangeError::NotStored`].
    pub fn set(&mut self, broadcast: Broadcast) -> Result<(), ChangeError> {
        self.overrides.set(broadcast)
    }

    /// Removes a version that was set, durably. The version of the configuration applies again. Blocks.
    ///
    /// # Errors
    /// [`ChangeError::NotSet`], [`ChangeError::NotWritten`], [`ChangeError::NotStored`].
    pub fn unset(&mut self, name: &str) -> Result<(), ChangeError> {
        if self.overrides.remove(name)? {
            Ok(())
        } else {
            Err(ChangeError::NotSet { is_configured: self.configured.contains_key(name) })
        }
    }

    /// Returns the versions that were set at run time.
    #[must_use]
    pub fn overrides(&self) -> Versions {
        self.overrides.versions.clone()
    }

    /// Reads the versions that other nodes have set. Blocks.
    ///
    /// # Errors
    /// Fails with a [`StoreError`] if the database cannot be read.
    pub fn refresh(&mut self) -> Result<(), StoreError> {
        self.overrides.refresh()
    }
}

/// Writes the versions that were set into the data directory of a server that is not running.
///
/// # Errors
/// Fails if the file cannot be written.
pub fn write(data_dir: &Path, overrides: &Versions) -> io::Result<()> {
    file::save(&data_dir.join(file::NAME), overrides)
}

#[cfg(test)]
mod tests {
    use super::*;
    use webpush_core::protocol::autopush::broadcasts::BROADCASTS;

    fn versions(pairs: &[(&str, &str)]) -> Versions {
        pairs.iter().map(|(name, version)| ((*name).to_owned(), (*version).to_owned())).collect()
    }

    fn set(sources: &mut BroadcastSources, name: &str, version: &str) -> Result<(), ChangeError> {
        sources.set(Broadcast::new(name, version).unwrap())
    }

    #[test]
    fn set_versions_override_the_configuration_and_survive_restarts() {
        let data_dir = tempfile::tempdir().unwrap();
        let configured = versions(&[("a", "1"), ("b", "1")]);
        let mut sources = BroadcastSources::open(data_dir.path(), configured.clone()).unwrap();
        assert_eq!(sources.effective(), configured);
        set(&mut sources, "a", "\"2\"").unwrap();
        set(&mut sources, "c/d", "it's = 3").unwrap();
        let effective = versions(&[("a", "\"2\""), ("b", "1"), ("c/d", "it's = 3")]);
        assert_eq!(sources.effective(), effective);

        let mut again = BroadcastSources::open(data_dir.path(), configured.clone()).unwrap();
        assert_eq!(again.effective(), effective);
        again.unset("a").unwrap();
        again.unset("c/d").unwrap();
        assert_eq!(again.effective(), configured);
        assert_eq!(
            BroadcastSources::open(data_dir.path(), configured.clone()).unwrap().effective(),
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
    fn the_number_of_broadcasts_is_limited() {
        let data_dir = tempfile::tempdir().unwrap();
        let mut sources = BroadcastSources::open(data_dir.path(), Versions::new()).unwrap();
        sources.overrides.versions =
            (0..BROADCASTS).map(|number| (number.to_string(), "1".to_owned())).collect();
        assert!(matches!(set(&mut sources, "more", "1"), Err(ChangeError::Full)));
        set(&mut sources, "0", "2").unwrap();
        sources.unset("1").unwrap();
        set(&mut sources, "more", "1").unwrap();
    }

    #[test]
    fn a_failed_write_changes_nothing() {
        let data_dir = tempfile::tempdir().unwrap();
        let mut sources = BroadcastSources::open(data_dir.path(), versions(&[("a", "1")])).unwrap();
        drop(data_dir);
        assert!(matches!(set(&mut sources, "a", "2"), Err(ChangeError::NotWritten(_))));
        assert_eq!(sources.effective(), versions(&[("a", "1")]));
    }
}
