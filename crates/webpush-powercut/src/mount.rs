//! A [`Disk`] as a file system of this machine (FUSE).
//!
//! The kernel caches nothing of it: files are opened for direct I/O, and names and attributes expire at once. So the
//! disk sees each call. Locks are those of the kernel, and end with the process that holds them. The disk is mounted
//! directly, which only root may do.

use crate::disk::Disk;
use crate::fault::CallClass;
use crate::image::{Attributes, Failure};
use anyhow::Context as _;
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData,
    ReplyDirectory, ReplyEmpty, ReplyEntry, ReplyOpen, ReplyStatfs, ReplyWrite, Request, SessionACL,
    TimeOrNow, WriteFlags,
};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// Threads that serve calls, so that a slow call does not hold up the others.
const THREADS: usize = 4;
/// The kernel keeps neither names nor attributes.
const NO_CACHE: Duration = Duration::ZERO;
const BLOCK: u32 = 4096;
/// `FALLOC_FL_KEEP_SIZE`.
const KEEP_SIZE: i32 = 1;

/// The user and the group of all files.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Owner {
    /// User ID.
    pub user: u32,
    /// Group ID.
    pub group: u32,
}

impl Owner {
    /// Files belong to root.
    pub const ROOT: Self = Self { user: 0, group: 0 };
}

/// A mounted disk. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct Mount(Option<BackgroundSession>);

impl Mount {
    /// Mounts a disk at an empty directory, for programs of root.
    ///
    /// # Errors
    /// Fails if there is no `/dev/fuse`, or this process may not mount.
    pub fn new(disk: Arc<Disk>, at: &Path) -> anyhow::Result<Self> {
        Self::for_owner(disk, at, Owner::ROOT)
    }

    /// Mounts a disk at an empty directory, whose files belong to one user; everyone may use them.
    ///
    /// # Errors
    /// See [`Mount::new`].
    pub fn for_owner(disk: Arc<Disk>, at: &Path, owner: Owner) -> anyhow::Result<Self> {
        let mut config = Config::default();
        if owner != Owner::ROOT {
            config.acl = SessionACL::All;
        }
        let name = MountOption::FSName("webpush-powercut".to_owned());
        config.mount_options = vec![name, MountOption::NoAtime, MountOption::NoDev, MountOption::NoSuid];
        config.n_threads = Some(THREADS);
        let session = fuser::spawn_mount(Calls { disk, owner, listings: Mutex::default() }, at, &config)
            .with_context(|| {
                format!(
                    "cannot mount a FUSE file system at {}: this needs root, /dev/fuse and the capability \
                     CAP_SYS_ADMIN",
                    at.display()
                )
            })?;
        Ok(Self(Some(session)))
    }

    /// Unmounts it, and waits until no call is left. The disk must be switched off, or unused.
    ///
    /// # Errors
    /// Fails if the kernel does.
    pub fn unmount(mut self) -> io::Result<()> {
        self.0.take().map_or(Ok(()), BackgroundSession::umount_and_join)
    }
}

/// Calls of the kernel.
#[derive(Debug)]
struct Calls {
    disk: Arc<Disk>,
    owner: Owner,
    /// Listings of open directories, so that removals do not shift them.
    listings: Mutex<Listings>,
}

/// The names in open directories, by handle.
#[derive(Debug, Default)]
struct Listings {
    last_handle: u64,
    open: BTreeMap<u64, Vec<(OsString, u64)>>,
}

impl Calls {
    fn attributes(&self, node: u64) -> Result<FileAttr, Failure> {
        let attributes = self.disk.call(CallClass::Read, node, |image| image.attributes(node))?;
        Ok(to_file_attributes(self.owner, node, attributes))
    }
}

fn to_file_attributes(owner: Owner, node: u64, attributes: Attributes) -> FileAttr {
    let time = SystemTime::UNIX_EPOCH;
    FileAttr {
        ino: INodeNo(node),
        size: attributes.length,
        blocks: attributes.allocated.div_ceil(512),
        atime: time,
        mtime: time,
        ctime: time,
        crtime: time,
        kind: if attributes.is_directory { FileType::Directory } else { FileType::RegularFile },
        perm: attributes.mode,
        nlink: attributes.links,
        uid: owner.user,
        gid: owner.group,
        rdev: 0,
        blksize: BLOCK,
        flags: 0,
    }
}

fn to_errno(failure: Failure) -> Errno {
    match failure {
        Failure::NotFound => Errno::ENOENT,
        Failure::Exists => Errno::EEXIST,
        Failure::NotEmpty => Errno::ENOTEMPTY,
        Failure::NotDirectory => Errno::ENOTDIR,
        Failure::IsDirectory => Errno::EISDIR,
        Failure::NoSpace => Errno::ENOSPC,
        Failure::Io => Errno::EIO,
        Failure::Unsupported => Errno::EOPNOTSUPP,
    }
}

fn reply_empty(result: Result<(), Failure>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(failure) => reply.error(to_errno(failure)),
    }
}

fn reply_entry(result: Result<FileAttr, Failure>, reply: ReplyEntry) {
    match result {
        Ok(attributes) => reply.entry(&NO_CACHE, &attributes, Generation(0)),
        Err(failure) => reply.error(to_errno(failure)),
    }
}

const fn permissions(mode: u32, umask: u32) -> u16 {
    (mode & !umask & 0o7777) as u16
}

impl Filesystem for Calls {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.disk.call(CallClass::Read, parent.0, |image| {
            let node = image.lookup(parent.0, name)?;
            Ok(to_file_attributes(self.owner, node, image.attributes(node)?))
        });
        reply_entry(found, reply);
    }

    fn getattr(&self, _: &Request, node: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(node.0) {
            Ok(attributes) => reply.attr(&NO_CACHE, &attributes),
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn setattr(
        &self,
        _: &Request,
        node: INodeNo,
        mode: Option<u32>,
        _uid: Option<u32>,
        _gid: Option<u32>,
        size: Option<u64>,
        _atime: Option<TimeOrNow>,
        _mtime: Option<TimeOrNow>,
        _ctime: Option<SystemTime>,
        _handle: Option<FileHandle>,
        _crtime: Option<SystemTime>,
        _chgtime: Option<SystemTime>,
        _bkuptime: Option<SystemTime>,
        _flags: Option<fuser::BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let class = if size.is_some() { CallClass::Write } else { CallClass::Read };
        let set = self.disk.call(class, node.0, |image| {
            if let Some(mode) = mode {
                image.set_mode(node.0, permissions(mode, 0))?;
            }
            if let Some(size) = size {
                image.set_length(node.0, size)?;
            }
            Ok(to_file_attributes(self.owner, node.0, image.attributes(node.0)?))
        });
        match set {
            Ok(attributes) => reply.attr(&NO_CACHE, &attributes),
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, mode: u32, umask: u32, reply: ReplyEntry) {
        let made = self.disk.call(CallClass::Name, parent.0, |image| {
            let node = image.make_directory(parent.0, name, permissions(mode, umask))?;
            Ok(to_file_attributes(self.owner, node, image.attributes(node)?))
        });
        reply_entry(made, reply);
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed = self.disk.call(CallClass::Name, parent.0, |image| image.unlink(parent.0, name));
        reply_empty(removed, reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        let removed =
            self.disk.call(CallClass::Name, parent.0, |image| image.remove_directory(parent.0, name));
        reply_empty(removed, reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        new_parent: INodeNo,
        new_name: &OsStr,
        flags: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.disk.call(CallClass::Name, parent.0, |image| {
            if flags.intersects(RenameFlags::RENAME_EXCHANGE | RenameFlags::RENAME_WHITEOUT) {
                return Err(Failure::Unsupported);
            }
            if flags.contains(RenameFlags::RENAME_NOREPLACE) && image.lookup(new_parent.0, new_name).is_ok() {
                return Err(Failure::Exists);
            }
            image.rename((parent.0, name), (new_parent.0, new_name))
        });
        reply_empty(renamed, reply);
    }

    fn link(&self, _: &Request, node: INodeNo, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let linked = self.disk.call(CallClass::Name, parent.0, |image| {
            image.link(node.0, parent.0, name)?;
            Ok(to_file_attributes(self.owner, node.0, image.attributes(node.0)?))
        });
        reply_entry(linked, reply);
    }

    fn open(&self, _: &Request, node: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.attributes(node.0) {
            Ok(_) => reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO),
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        mode: u32,
        umask: u32,
        _flags: i32,
        reply: ReplyCreate,
    ) {
        let created = self.disk.call(CallClass::Name, parent.0, |image| {
            let node = image.create(parent.0, name, permissions(mode, umask))?;
            Ok(to_file_attributes(self.owner, node, image.attributes(node)?))
        });
        match created {
            Ok(attributes) => reply.created(
                &NO_CACHE,
                &attributes,
                Generation(0),
                FileHandle(0),
                FopenFlags::FOPEN_DIRECT_IO,
            ),
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn read(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let read = self.disk.call(CallClass::Read, node.0, |image| image.read(node.0, offset, size as usize));
        match read {
            Ok(bytes) => reply.data(&bytes),
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn write(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let written = self.disk.call(CallClass::Write, node.0, |image| image.write(node.0, offset, data));
        match written {
            Ok(()) => reply.written(u32::try_from(data.len()).unwrap_or(u32::MAX)),
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(&self, _: &Request, node: INodeNo, _: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply_empty(self.disk.call(CallClass::Sync, node.0, |image| image.sync(node.0)), reply);
    }

    fn fsyncdir(&self, _: &Request, node: INodeNo, _: FileHandle, _datasync: bool, reply: ReplyEmpty) {
        reply_empty(self.disk.call(CallClass::Sync, node.0, |image| image.sync(node.0)), reply);
    }

    fn fallocate(
        &self,
        _: &Request,
        node: INodeNo,
        _: FileHandle,
        offset: u64,
        length: u64,
        mode: i32,
        reply: ReplyEmpty,
    ) {
        let allocated = self.disk.call(CallClass::Allocate, node.0, |image| match mode {
            0 | KEEP_SIZE => image.allocate(node.0, offset + length, mode == KEEP_SIZE),
            _ => Err(Failure::Unsupported),
        });
        reply_empty(allocated, reply);
    }

    fn opendir(&self, _: &Request, node: INodeNo, _: OpenFlags, reply: ReplyOpen) {
        match self.disk.call(CallClass::Read, node.0, |image| image.list(node.0)) {
            Ok(names) => {
                let mut listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
                listings.last_handle += 1;
                let handle = listings.last_handle;
                listings.open.insert(handle, names);
                reply.opened(FileHandle(handle), FopenFlags::empty());
            }
            Err(failure) => reply.error(to_errno(failure)),
        }
    }

    fn readdir(&self, _: &Request, _: INodeNo, handle: FileHandle, offset: u64, mut reply: ReplyDirectory) {
        let listings = self.listings.lock().unwrap_or_else(PoisonError::into_inner);
        let names = listings.open.get(&handle.0).map_or(&[][..], Vec::as_slice);
        let begin = usize::try_from(offset).unwrap_or(usize::MAX);
        for (number, (name, node)) in names.iter().enumerate().skip(begin) {
            let is_directory = self.disk.edit(|image| image.attributes(*node)).is_ok_and(|a| a.is_directory);
            let kind = if is_directory { FileType::Directory } else { FileType::RegularFile };
            if reply.add(INodeNo(*node), number as u64 + 1, kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn releasedir(&self, _: &Request, _: INodeNo, handle: FileHandle, _: OpenFlags, reply: ReplyEmpty) {
        self.listings.lock().unwrap_or_else(PoisonError::into_inner).open.remove(&handle.0);
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let (capacity, used) = self.disk.edit(|image| image.space());
        let blocks = capacity / u64::from(BLOCK);
        let free = capacity.saturating_sub(used) / u64::from(BLOCK);
        reply.statfs(blocks, free, free, 1 << 20, 1 << 20, BLOCK, 255, BLOCK);
    }
}
