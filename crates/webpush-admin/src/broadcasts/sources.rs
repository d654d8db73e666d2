//! Where the versions of broadcasts come from: the configuration, and over it what was set while the service ran.

use super::file;
use std::io;
use std::path::{Path, PathBuf};
use webpush_core::protocol::autopush::broadcasts::BROADCASTS;
use webpush_core::protocol::autopush::{Broadcast, Versions};

/// Both sources.
#[derive(Debug)]
pub struct Sources {
    configured: Versions,
    /// What wins over it. The file has the same.
    set: Versions,
    file: PathBuf,
}

/// Why a broadcast was not changed.
#[derive(Debug)]
pub enum Unchanged {
    /// There are as many as may be.
    Full,
    /// What was not set can't be taken back.
    NotSet {
        /// The configuration has it.
        configured: bool,
    },
    /// It is not known to be on disk.
    NotWritten(io::Error),
}

impl Sources {
    /// What the configuration says, and what the data folder keeps.
    ///
    /// # Errors
    /// When the file in the folder can't be used.
    pub fn open(folder: &Path, configured: Versions) -> anyhow::Result<Self> {
        let file = folder.join(file::NAME);
        Ok(Self { configured, set: file::load(&file)?, file })
    }

    /// Puts another configuration in the place of this one.
    pub fn configure(&mut self, configured: Versions) {
        self.configured = configured;
    }

    /// The versions that agents are told.
    #[must_use]
    pub fn in_force(&self) -> Versions {
        let mut versions = self.configured.clone();
        versions.extend(self.set.clone());
        versions
    }

    /// Sets a version. When this returns it is on disk.
    ///
    /// # Errors
    /// [`Unchanged`].
    pub fn set(&mut self, broadcast: Broadcast) -> Result<(), Unchanged> {
        if self.set.len() >= BROADCASTS && !self.set.contains_key(broadcast.name()) {
            return Err(Unchanged::Full);
        }
        let mut set = self.set.clone();
        broadcast.insert_into(&mut set);
        self.keep(set)
    }

    /// Takes back what was set; then the configuration counts again. When this returns that is on disk.
    ///
    /// # Errors
    /// [`Unchanged`].
    pub fn take_back(&mut self, name: &str) -> Result<(), Unchanged> {
        let mut set = self.set.clone();
        if set.remove(name).is_none() {
            return Err(Unchanged::NotSet { configured: self.configured.contains_key(name) });
        }
        self.keep(set)
    }

    /// What was set, and so is in the folder.
    #[must_use]
    pub fn set_here(&self) -> Versions {
        self.set.clone()
    }

    fn keep(&mut self, set: Versions) -> Result<(), Unchanged> {
        if set != self.set {
            file::save(&self.file, &set).map_err(Unchanged::NotWritten)?;
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

    fn set(sources: &mut Sources, name: &str, version: &str) -> Result<(), Unchanged> {
        sources.set(Broadcast::new(name, version).unwrap())
    }

    #[test]
    fn what_is_set_wins_until_it_is_taken_back_and_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let configured = versions(&[("a", "1"), ("b", "1")]);
        let mut sources = Sources::open(folder.path(), configured.clone()).unwrap();
        assert_eq!(sources.in_force(), configured);
        set(&mut sources, "a", "\"2\"").unwrap();
        set(&mut sources, "c/d", "it's = 3").unwrap();
        let in_force = versions(&[("a", "\"2\""), ("b", "1"), ("c/d", "it's = 3")]);
        assert_eq!(sources.in_force(), in_force);

        let mut again = Sources::open(folder.path(), configured.clone()).unwrap();
        assert_eq!(again.in_force(), in_force);
        again.take_back("a").unwrap();
        again.take_back("c/d").unwrap();
        assert_eq!(again.in_force(), configured);
        assert_eq!(Sources::open(folder.path(), configured.clone()).unwrap().in_force(), configured);
        for (name, is_configured) in [("a", true), ("c/d", false)] {
            let Err(Unchanged::NotSet { configured }) = again.take_back(name) else {
                panic!("{name} was there")
            };
            assert_eq!(configured, is_configured);
        }
    }

    #[test]
    fn there_are_not_too_many() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::open(folder.path(), Versions::new()).unwrap();
        sources.set = (0..BROADCASTS).map(|number| (number.to_string(), "1".to_owned())).collect();
        assert!(matches!(set(&mut sources, "more", "1"), Err(Unchanged::Full)));
        set(&mut sources, "0", "2").unwrap();
        sources.take_back("1").unwrap();
        set(&mut sources, "more", "1").unwrap();
    }

    #[test]
    fn what_cannot_be_written_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = Sources::open(folder.path(), versions(&[("a", "1")])).unwrap();
        drop(folder);
        assert!(matches!(set(&mut sources, "a", "2"), Err(Unchanged::NotWritten(_))));
        assert_eq!(sources.in_force(), versions(&[("a", "1")]));
    }
}
