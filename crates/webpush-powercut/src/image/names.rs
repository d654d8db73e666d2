//! The names in a directory, and changes of them.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The names in a directory.
#[derive(Clone, Debug, Default)]
pub(super) struct Names {
    /// As a running program sees them.
    pub(super) current: BTreeMap<OsString, u64>,
    /// As they survive a power cut in any case.
    pub(super) durable: BTreeMap<OsString, u64>,
}

/// A change of names that is not durable. It survives whole or not at all.
#[derive(Clone, Debug)]
pub(super) enum NameChange {
    Add { parent: u64, name: OsString, node: u64 },
    Remove { parent: u64, name: OsString, node: u64 },
    Rename { from: (u64, OsString), to: (u64, OsString), node: u64 },
}

impl NameChange {
    /// Returns true if a sync of the directory makes it durable.
    pub(super) fn concerns(&self, directory: u64) -> bool {
        match self {
            Self::Add { parent, .. } | Self::Remove { parent, .. } => *parent == directory,
            Self::Rename { from, to, .. } => from.0 == directory || to.0 == directory,
        }
    }

    /// Returns true if it is the creation of one of these directories.
    pub(super) fn creates(&self, directories: &[u64]) -> bool {
        matches!(self, Self::Add { node, .. } if directories.contains(node))
    }

    /// Makes it durable. `durable` has the names of each directory.
    pub(super) fn apply(self, durable: &mut BTreeMap<u64, BTreeMap<OsString, u64>>) {
        let mut remove = |parent: u64, name: &OsString, node: u64| {
            let names = durable.entry(parent).or_default();
            // An earlier change that did not survive may have left another file there.
            if names.get(name) == Some(&node) {
                names.remove(name);
            }
        };
        match self {
            Self::Remove { parent, name, node } => remove(parent, &name, node),
            Self::Add { parent, name, node } => {
                durable.entry(parent).or_default().insert(name, node);
            }
            Self::Rename { from, to, node } => {
                remove(from.0, &from.1, node);
                durable.entry(to.0).or_default().insert(to.1, node);
            }
        }
    }
}
