//! The machine that the service runs on: its data folder, the disk, and what the process may open.

use super::finding::Finding;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use webpush_admin::keys_file;

const FOLDER: &str = "data folder";
const DISK: &str = "disk";
const DESCRIPTORS: &str = "descriptors";

/// Less is soon nothing.
const LITTLE_BYTES: u64 = 1 << 30;
const LITTLE_PERCENT: u64 = 5;
/// Each connection takes one. What systems give a process by default is far below what agents make.
const FEW_DESCRIPTORS: u64 = 65_536;

/// Whether the folder is its owner's alone, and holds the keys.
pub fn folder(path: &Path) -> Finding {
    let shown = path.display();
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(error) => {
            return Finding::bad(
                FOLDER,
                format!("{shown} can't be looked at: {error}"),
                "name it with --data-dir or --config, and run this as root or as the user of the service",
            );
        }
    };
    let open_to_others = |found: &fs::Metadata| found.mode() & 0o077 != 0;
    if open_to_others(&found) {
        return Finding::bad(
            FOLDER,
            format!("{shown} has mode {:o}: other users of this machine can look in", found.mode() & 0o777),
            format!("chmod 700 {shown}"),
        );
    }
    let keys = path.join(keys_file::FILE_NAME);
    match fs::metadata(&keys) {
        Ok(file) if open_to_others(&file) => Finding::bad(
            FOLDER,
            format!("{} has mode {:o}: who reads it can open every URL", keys.display(), file.mode() & 0o777),
            format!("chmod 600 {}", keys.display()),
        ),
        Ok(file) if file.uid() != found.uid() => Finding::bad(
            FOLDER,
            format!("{} belongs to another user than the folder", keys.display()),
            format!("chown -R --reference={shown} {shown}"),
        ),
        Ok(_) => Finding::good(FOLDER, format!("{shown} is for its owner only")),
        Err(error) => Finding::bad(
            FOLDER,
            format!("{} can't be looked at: {error}", keys.display()),
            "start the service once, or put the file back from a backup: without it no URL that was given out works",
        ),
    }
}

/// How much can still be stored.
pub fn disk(path: &Path) -> Finding {
    let Ok(found) = rustix::fs::statvfs(path) else {
        return Finding::skipped(DISK, format!("the disk of {} can't be looked at", path.display()));
    };
    let bytes = found.f_bavail.saturating_mul(found.f_frsize);
    let percent = found.f_bavail.saturating_mul(100) / found.f_blocks.max(1);
    of_disk(bytes, percent)
}

fn of_disk(bytes: u64, percent: u64) -> Finding {
    let found = format!("{} MiB free, {percent} %", bytes >> 20);
    if bytes < LITTLE_BYTES || percent < LITTLE_PERCENT {
        return Finding::warning(
            DISK,
            found,
            "make room: when it is full, messages are refused with 503 until there is some again",
        );
    }
    Finding::good(DISK, found)
}

/// How many connections the service can have, as its metrics say.
pub fn descriptors(metrics: &str) -> Finding {
    let value = |name: &str| {
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|number| number.trim().parse::<u64>().ok())
    };
    let (Some(open), Some(limit)) = (value("webpush_process_open_fds"), value("webpush_process_max_fds"))
    else {
        return Finding::skipped(DESCRIPTORS, "the service does not say how many it may have");
    };
    let found = format!("{open} of {limit} are open");
    if limit < FEW_DESCRIPTORS {
        return Finding::warning(
            DESCRIPTORS,
            found,
            "each connection takes one: set LimitNOFILE=1048576 in the unit, or ulimit -n before the start",
        );
    }
    Finding::good(DESCRIPTORS, found)
}

/// That the service itself could not be asked.
pub fn unanswered(error: &anyhow::Error) -> Finding {
    Finding::warning(
        DESCRIPTORS,
        format!("the service can't be asked: {error:#}"),
        "start it, and name its admin listener with --admin or --config",
    )
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_folder_that_others_can_look_into_is_bad() {
        let folder_ = tempfile::tempdir().unwrap();
        let path = folder_.path();
        let keys = path.join(keys_file::FILE_NAME);
        let set = |path: &Path, mode| fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        set(path, 0o700);
        assert!(folder(path).found.contains("sealing-keys can't be looked at"));
        fs::write(&keys, "").unwrap();
        set(&keys, 0o600);
        assert_eq!(folder(path).verdict, Verdict::Good);
        set(&keys, 0o640);
        assert!(folder(path).advice.unwrap().starts_with("chmod 600 "));
        set(path, 0o755);
        assert!(folder(path).advice.unwrap().starts_with("chmod 700 "));
        assert_eq!(folder(&path.join("none")).verdict, Verdict::Bad);
    }

    #[test]
    fn little_room_is_a_warning() {
        assert_eq!(of_disk(100 << 30, 50).verdict, Verdict::Good);
        assert_eq!(of_disk(100 << 30, 4).verdict, Verdict::Warning);
        assert_eq!(of_disk(1 << 29, 50).verdict, Verdict::Warning);
        assert_ne!(disk(Path::new("/")).verdict, Verdict::Skipped);
    }

    #[test]
    fn few_descriptors_are_a_warning() {
        let of = |limit: &str| {
            descriptors(&format!("# HELP x\nwebpush_process_open_fds 12\nwebpush_process_max_fds {limit}\n"))
        };
        assert_eq!(of("1048576").verdict, Verdict::Good);
        assert_eq!(of("1024").verdict, Verdict::Warning);
        assert_eq!(descriptors("").verdict, Verdict::Skipped);
    }
}
