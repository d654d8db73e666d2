//! Files and directories in memory, each with a durable and a volatile state.
//!
//! A call changes the volatile state, which is all that a running program sees. A sync makes changes durable. A power
//! cut ([`Image::cut`]) builds the image that survives: the durable state with some of the other changes.
//!
//! ```
//! use webpush_powercut::image::{CutRules, Image, NameOrder, ROOT};
//! use webpush_store::simulation::Random;
//!
//! let mut image = Image::new(1 << 20, NameOrder::Independent);
//! let file = image.create(ROOT, "a".as_ref(), 0o600)?;
//! image.write(file, 0, b"text")?;
//! image.sync(file)?;
//! // The content is durable, but its name is not.
//! let survivor = image.cut(CutRules::LOSE_ALL, &mut Random::new(1));
//! assert!(survivor.lookup(ROOT, "a".as_ref()).is_err());
//! image.sync(ROOT)?;
//! let survivor = image.cut(CutRules::LOSE_ALL, &mut Random::new(1));
//! assert_eq!(survivor.read(survivor.lookup(ROOT, "a".as_ref())?, 0, 9)?, b"text");
//! # Ok::<(), webpush_powercut::image::Failure>(())
//! ```

mod content;
mod cut;
mod names;
mod sparse;
#[cfg(test)]
mod tests;

pub use cut::{CutRules, DataLoss};

use content::Content;
use names::{NameChange, Names};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

/// The root directory.
pub const ROOT: u64 = 1;

/// A call failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// ENOENT.
    NotFound,
    /// EEXIST.
    Exists,
    /// ENOTEMPTY.
    NotEmpty,
    /// ENOTDIR.
    NotDirectory,
    /// EISDIR.
    IsDirectory,
    /// ENOSPC.
    NoSpace,
    /// EIO.
    Io,
    /// EOPNOTSUPP.
    Unsupported,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::NotFound => "no such file or directory",
            Self::Exists => "the name exists",
            Self::NotEmpty => "the directory is not empty",
            Self::NotDirectory => "not a directory",
            Self::IsDirectory => "a directory",
            Self::NoSpace => "no space is left",
            Self::Io => "input/output error",
            Self::Unsupported => "not supported",
        })
    }
}

impl std::error::Error for Failure {}

/// How creations, renames and removals survive that were not synced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameOrder {
    /// In order, as a journal has them: any sync makes all earlier ones durable (ext4, XFS).
    Journal,
    /// Each by itself: only a sync of the directory makes them durable (POSIX).
    ///
    /// Except that the sync of a directory also makes its own creation durable, and those of all above it, which every
    /// file system of Linux does and fjall relies on.
    Independent,
}

/// Attributes of a file or directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attributes {
    /// True for a directory.
    pub is_directory: bool,
    /// Length in bytes.
    pub length: u64,
    /// Allocated bytes.
    pub allocated: u64,
    /// Permission bits.
    pub mode: u16,
    /// Number of names.
    pub links: u32,
}

/// Files and directories.
#[derive(Clone, Debug)]
pub struct Image {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    order: NameOrder,
    /// In bytes.
    capacity: u64,
    /// Changes of names that are not durable, oldest first.
    unsynced: Vec<NameChange>,
    is_lying: bool,
}

#[derive(Clone, Debug)]
struct Node {
    body: Body,
    mode: u16,
    links: u32,
    /// The directory and name that it was last given.
    place: (u64, OsString),
}

#[derive(Clone, Debug)]
enum Body {
    File(Content),
    Directory(Names),
}

impl Image {
    /// Creates an empty image with room for `capacity` bytes.
    #[must_use]
    pub fn new(capacity: u64, order: NameOrder) -> Self {
        let root = Node {
            body: Body::Directory(Names::default()),
            mode: 0o755,
            links: 2,
            place: (ROOT, OsString::new()),
        };
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            order,
            capacity,
            unsynced: Vec::new(),
            is_lying: false,
        }
    }

    /// Changes the number of bytes there is room for.
    pub const fn set_capacity(&mut self, capacity: u64) {
        self.capacity = capacity;
    }

    /// Lets syncs succeed and do nothing, until the power is cut.
    pub const fn set_lying(&mut self) {
        self.is_lying = true;
    }

    /// Changes how unsynced names survive. Only for an image without unsynced changes.
    pub const fn set_order(&mut self, order: NameOrder) {
        self.order = order;
    }

    /// Returns the capacity and the used bytes.
    #[must_use]
    pub fn space(&self) -> (u64, u64) {
        let used = self.nodes.values().filter(|node| node.links > 0).map(|node| match &node.body {
            Body::File(content) => content.allocated(),
            Body::Directory(_) => 0,
        });
        (self.capacity, used.sum())
    }

    /// Returns the file or directory of that name.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::NotDirectory`].
    pub fn lookup(&self, directory: u64, name: &OsStr) -> Result<u64, Failure> {
        self.directory(directory)?.current.get(name).copied().ok_or(Failure::NotFound)
    }

    /// Returns the file or directory at a path below the root.
    ///
    /// # Errors
    /// See [`Image::lookup`].
    pub fn find(&self, path: &str) -> Result<u64, Failure> {
        path.split('/')
            .filter(|name| !name.is_empty())
            .try_fold(ROOT, |at, name| self.lookup(at, name.as_ref()))
    }

    /// Returns the path that a file or directory was last given.
    #[must_use]
    pub fn path(&self, node: u64) -> PathBuf {
        let mut names = Vec::new();
        let mut at = node;
        while let Some(Node { place: (parent, name), .. }) = self.nodes.get(&at)
            && at != ROOT
        {
            names.push(name);
            at = *parent;
        }
        names.into_iter().rev().collect()
    }

    /// Returns the attributes.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn attributes(&self, node: u64) -> Result<Attributes, Failure> {
        let node = self.nodes.get(&node).ok_or(Failure::NotFound)?;
        let (is_directory, length, allocated) = match &node.body {
            Body::File(content) => (false, content.length(), content.allocated()),
            Body::Directory(_) => (true, 0, 0),
        };
        Ok(Attributes { is_directory, length, allocated, mode: node.mode, links: node.links })
    }

    /// Sets the permission bits, which are durable at once.
    ///
    /// # Errors
    /// [`Failure::NotFound`].
    pub fn set_mode(&mut self, node: u64, mode: u16) -> Result<(), Failure> {
        self.nodes.get_mut(&node).ok_or(Failure::NotFound)?.mode = mode;
        Ok(())
    }

    /// Lists a directory.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::NotDirectory`].
    pub fn list(&self, directory: u64) -> Result<Vec<(OsString, u64)>, Failure> {
        let names = &self.directory(directory)?.current;
        Ok(names.iter().map(|(name, node)| (name.clone(), *node)).collect())
    }

    /// Returns all files with their paths and lengths.
    #[must_use]
    pub fn files(&self) -> Vec<(u64, PathBuf, u64)> {
        let files = self.nodes.iter().filter_map(|(node, content)| match &content.body {
            Body::File(file) if content.links > 0 => Some((*node, self.path(*node), file.length())),
            _ => None,
        });
        files.collect()
    }

    /// Creates a file.
    ///
    /// # Errors
    /// [`Failure::Exists`], [`Failure::NotDirectory`], [`Failure::NotFound`].
    pub fn create(&mut self, directory: u64, name: &OsStr, mode: u16) -> Result<u64, Failure> {
        self.add(directory, name, mode, Body::File(Content::default()), 1)
    }

    /// Creates a directory.
    ///
    /// # Errors
    /// See [`Image::create`].
    pub fn make_directory(&mut self, directory: u64, name: &OsStr, mode: u16) -> Result<u64, Failure> {
        self.add(directory, name, mode, Body::Directory(Names::default()), 2)
    }

    fn add(&mut self, parent: u64, name: &OsStr, mode: u16, body: Body, links: u32) -> Result<u64, Failure> {
        let node = self.next;
        let names = self.directory_mut(parent)?;
        if names.current.contains_key(name) {
            return Err(Failure::Exists);
        }
        names.current.insert(name.to_owned(), node);
        self.next += 1;
        self.nodes.insert(node, Node { body, mode, links, place: (parent, name.to_owned()) });
        self.unsynced.push(NameChange::Add { parent, name: name.to_owned(), node });
        Ok(node)
    }

    /// Gives a file another name.
    ///
    /// # Errors
    /// See [`Image::create`]; [`Failure::IsDirectory`].
    pub fn link(&mut self, node: u64, directory: u64, name: &OsStr) -> Result<(), Failure> {
        self.content(node)?;
        let names = self.directory_mut(directory)?;
        if names.current.contains_key(name) {
            return Err(Failure::Exists);
        }
        names.current.insert(name.to_owned(), node);
        self.nodes.get_mut(&node).ok_or(Failure::NotFound)?.links += 1;
        self.unsynced.push(NameChange::Add { parent: directory, name: name.to_owned(), node });
        Ok(())
    }

    /// Removes a name of a file. The file remains for those who have it open.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::IsDirectory`].
    pub fn unlink(&mut self, directory: u64, name: &OsStr) -> Result<(), Failure> {
        self.content(self.lookup(directory, name)?)?;
        self.remove(directory, name)
    }

    /// Removes an empty directory.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::NotDirectory`], [`Failure::NotEmpty`].
    pub fn remove_directory(&mut self, directory: u64, name: &OsStr) -> Result<(), Failure> {
        if !self.directory(self.lookup(directory, name)?)?.current.is_empty() {
            return Err(Failure::NotEmpty);
        }
        self.remove(directory, name)
    }

    fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), Failure> {
        let node = self.directory_mut(parent)?.current.remove(name).ok_or(Failure::NotFound)?;
        self.drop_link(node);
        self.unsynced.push(NameChange::Remove { parent, name: name.to_owned(), node });
        Ok(())
    }

    fn drop_link(&mut self, node: u64) {
        if let Some(node) = self.nodes.get_mut(&node) {
            node.links = match node.body {
                Body::File(_) => node.links.saturating_sub(1),
                Body::Directory(_) => 0,
            };
        }
    }

    /// Renames a file or directory, replacing a file or an empty directory of that name.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::IsDirectory`], [`Failure::NotDirectory`], [`Failure::NotEmpty`].
    pub fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Result<(), Failure> {
        let node = self.lookup(from.0, from.1)?;
        let replaced = self.directory(to.0)?.current.get(to.1).copied();
        if replaced == Some(node) {
            return Ok(());
        }
        if let Some(replaced) = replaced {
            match (self.attributes(node)?.is_directory, self.attributes(replaced)?.is_directory) {
                (true, false) => return Err(Failure::NotDirectory),
                (false, true) => return Err(Failure::IsDirectory),
                (true, true) if !self.directory(replaced)?.current.is_empty() => {
                    return Err(Failure::NotEmpty);
                }
                _ => self.drop_link(replaced),
            }
        }
        self.directory_mut(from.0)?.current.remove(from.1);
        self.directory_mut(to.0)?.current.insert(to.1.to_owned(), node);
        self.nodes.get_mut(&node).ok_or(Failure::NotFound)?.place = (to.0, to.1.to_owned());
        let change =
            NameChange::Rename { from: (from.0, from.1.to_owned()), to: (to.0, to.1.to_owned()), node };
        self.unsynced.push(change);
        Ok(())
    }

    /// Reads up to `length` bytes.
    ///
    /// # Errors
    /// [`Failure::NotFound`], [`Failure::IsDirectory`].
    pub fn read(&self, file: u64, offset: u64, length: usize) -> Result<Vec<u8>, Failure> {
        Ok(self.content(file)?.read(offset, length))
    }

    /// Writes bytes, and extends the file if they end behind it.
    ///
    /// # Errors
    /// [`Failure::NoSpace`], before anything is written; see [`Image::read`].
    pub fn write(&mut self, file: u64, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        self.content(file)?;
        self.require_room(self.content(file)?.growth(offset, bytes.len() as u64))?;
        self.content_mut(file)?.write(offset, bytes);
        Ok(())
    }

    /// Truncates or extends a file.
    ///
    /// # Errors
    /// See [`Image::read`].
    pub fn set_length(&mut self, file: u64, length: u64) -> Result<(), Failure> {
        self.content_mut(file)?.set_length(length);
        Ok(())
    }

    /// Reserves room for a file, and extends it unless `keep_length`.
    ///
    /// # Errors
    /// [`Failure::NoSpace`]; see [`Image::read`].
    pub fn allocate(&mut self, file: u64, end: u64, keep_length: bool) -> Result<(), Failure> {
        let more = end.saturating_sub(self.content(file)?.allocated());
        self.require_room(more)?;
        self.content_mut(file)?.allocate(end, keep_length);
        Ok(())
    }

    fn require_room(&self, more: u64) -> Result<(), Failure> {
        let (capacity, used) = self.space();
        if more > 0 && used + more > capacity { Err(Failure::NoSpace) } else { Ok(()) }
    }

    fn directory(&self, node: u64) -> Result<&Names, Failure> {
        match &self.nodes.get(&node).ok_or(Failure::NotFound)?.body {
            Body::Directory(names) => Ok(names),
            Body::File(_) => Err(Failure::NotDirectory),
        }
    }

    fn directory_mut(&mut self, node: u64) -> Result<&mut Names, Failure> {
        match &mut self.nodes.get_mut(&node).ok_or(Failure::NotFound)?.body {
            Body::Directory(names) => Ok(names),
            Body::File(_) => Err(Failure::NotDirectory),
        }
    }

    fn content(&self, node: u64) -> Result<&Content, Failure> {
        match &self.nodes.get(&node).ok_or(Failure::NotFound)?.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Failure::IsDirectory),
        }
    }

    fn content_mut(&mut self, node: u64) -> Result<&mut Content, Failure> {
        match &mut self.nodes.get_mut(&node).ok_or(Failure::NotFound)?.body {
            Body::File(content) => Ok(content),
            Body::Directory(_) => Err(Failure::IsDirectory),
        }
    }
}
