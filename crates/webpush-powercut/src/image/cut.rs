//! Syncs and power cuts of an image.

pub use super::content::DataLoss;

use super::names::{NameChange, Names};
use super::{Body, Failure, Image, NameOrder, Node, ROOT};
use std::collections::BTreeMap;
use std::ffi::OsString;
use webpush_store::simulation::Random;

/// The effect of a power cut on changes that are not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CutRules {
    /// For the data of files; none for a choice per file.
    pub data: Option<DataLoss>,
    /// Changes of names survive with this probability, in quarters: 0 to 4.
    ///
    /// With [`NameOrder::Journal`] the oldest ones survive, and their number is random unless this is 0 or 4.
    pub names: u64,
}

impl CutRules {
    /// Nothing survives that was not synced.
    pub const LOSE_ALL: Self = Self { data: Some(DataLoss::All), names: 0 };
    /// Everything survives, as when only the program is killed.
    pub const LOSE_NOTHING: Self = Self { data: Some(DataLoss::Nothing), names: 4 };

    /// Returns random rules.
    pub fn random(random: &mut Random) -> Self {
        let data = match random.below(6) {
            0 => Some(DataLoss::All),
            1 => Some(DataLoss::Nothing),
            2 => Some(DataLoss::Tail),
            3 => Some(DataLoss::Scattered),
            _ => None,
        };
        Self { data, names: random.below(5) }
    }
}

impl Image {
    /// Syncs a file or directory.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn sync(&mut self, node: u64) -> Result<(), Failure> {
        let is_lying = self.is_lying;
        match &mut self.nodes.get_mut(&node).ok_or(Failure::NotFound)?.body {
            _ if is_lying => return Ok(()),
            Body::File(content) => content.sync(),
            Body::Directory(_) => {}
        }
        let order = self.order;
        let directories = self.directories_of(node);
        let changes = std::mem::take(&mut self.unsynced);
        let (synced, unsynced) = changes.into_iter().partition(|change: &NameChange| {
            order == NameOrder::Journal || change.concerns(node) || change.creates(&directories)
        });
        self.unsynced = unsynced;
        if Vec::is_empty(&synced) {
            return Ok(());
        }
        let mut durable = self.durable_names();
        Vec::into_iter(synced).for_each(|change| change.apply(&mut durable));
        for (directory, durable) in durable {
            if let Ok(names) = self.directory_mut(directory) {
                names.durable = durable;
            }
        }
        Ok(())
    }

    /// Fails to sync a file: some of its unsynced changes are lost for good.
    ///
    /// With `evict` readers see that at once; otherwise after the next power cut. Does nothing to a directory.
    pub fn fail_sync(&mut self, node: u64, evict: bool, random: &mut Random) {
        if let Ok(content) = self.content_mut(node) {
            content.fail_sync(evict, random);
        }
    }

    /// Returns the image that survives a power cut, all of it durable.
    #[must_use]
    pub fn cut(&self, rules: CutRules, random: &mut Random) -> Self {
        let mut durable = self.durable_names();
        match self.order {
            NameOrder::Journal => {
                let length = self.unsynced.len();
                let kept = match rules.names {
                    0 => 0,
                    4 => length,
                    _ => random.index(length + 1),
                };
                self.unsynced[..kept].iter().cloned().for_each(|change| change.apply(&mut durable));
            }
            NameOrder::Independent => {
                for change in &self.unsynced {
                    if random.below(4) < rules.names {
                        change.clone().apply(&mut durable);
                    }
                }
            }
        }
        let mut survivor = Self::new(self.capacity, self.order);
        survivor.next = self.next;
        survivor.copy_directory(self, ROOT, &durable, rules, random);
        survivor
    }

    /// Copies what can be reached from a directory.
    fn copy_directory(
        &mut self,
        from: &Self,
        directory: u64,
        durable: &BTreeMap<u64, BTreeMap<OsString, u64>>,
        rules: CutRules,
        random: &mut Random,
    ) {
        let names = durable.get(&directory).cloned().unwrap_or_default();
        for (name, child) in &names {
            let Some(node) = from.nodes.get(child) else { continue };
            if let Some(copy) = self.nodes.get_mut(child) {
                copy.links += 1;
                continue;
            }
            let is_directory = matches!(node.body, Body::Directory(_));
            let body = match &node.body {
                Body::Directory(_) => Body::Directory(Names::default()),
                Body::File(content) => {
                    let loss = rules.data.unwrap_or_else(|| match random.below(4) {
                        0 => DataLoss::All,
                        1 => DataLoss::Nothing,
                        2 => DataLoss::Tail,
                        _ => DataLoss::Scattered,
                    });
                    Body::File(content.cut(loss, from.order == NameOrder::Journal, random))
                }
            };
            let links = if is_directory { 2 } else { 1 };
            let place = (directory, name.clone());
            self.nodes.insert(*child, Node { body, mode: node.mode, links, place });
            if is_directory {
                self.copy_directory(from, *child, durable, rules, random);
            }
        }
        if let Ok(copy) = self.directory_mut(directory) {
            *copy = Names { current: names.clone(), durable: names };
        }
    }

    /// Changes a bit of a file at rest.
    ///
    /// # Errors
    /// See [`Image::read`].
    pub fn flip(&mut self, file: u64, offset: u64, bit: u32) -> Result<(), Failure> {
        self.content_mut(file)?.flip(offset, bit);
        Ok(())
    }

    /// Returns a directory with all above it; nothing for a file.
    fn directories_of(&self, node: u64) -> Vec<u64> {
        let mut found = Vec::new();
        let mut at = node;
        while let Some(Node { body: Body::Directory(_), place, .. }) = self.nodes.get(&at)
            && at != ROOT
        {
            found.push(at);
            at = place.0;
        }
        found
    }

    fn durable_names(&self) -> BTreeMap<u64, BTreeMap<OsString, u64>> {
        let directories = self.nodes.iter().filter_map(|(node, content)| match &content.body {
            Body::Directory(names) => Some((*node, names.durable.clone())),
            Body::File(_) => None,
        });
        directories.collect()
    }
}
