//! The memory of the process, and that of the machine or of its cgroup.

use crate::metrics::status_bytes;
use std::fs;
use std::path::{Path, PathBuf};

/// Where cgroups are mounted (cgroups(7)).
const CGROUPS: &str = "/sys/fs/cgroup";

/// Files with a limit of a cgroup of version 2 and 1. "max" is no number, and so no limit.
const UNIFIED: [&str; 2] = ["memory.max", "memory.high"];
const LEGACY: [&str; 1] = ["memory.limit_in_bytes"];

/// Returns the resident memory of the process that is not a cache of files.
#[must_use]
pub fn resident_bytes() -> Option<u64> {
    status_bytes("RssAnon:")
}

/// Returns three quarters of the memory of the machine, or of the smallest limit of its cgroups.
#[must_use]
pub fn default_limit() -> Option<u64> {
    let read = |path: &Path| fs::read_to_string(path).ok();
    let memberships = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let physical = physical_bytes(&read(Path::new("/proc/meminfo")).unwrap_or_default());
    let available = physical.into_iter().chain(cgroup_limit(&memberships, read)).min()?;
    Some(available / 4 * 3)
}

fn physical_bytes(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Returns the smallest limit of the cgroups that a process is in, and of those around them.
fn cgroup_limit(memberships: &str, read: impl Fn(&Path) -> Option<String>) -> Option<u64> {
    let memberships = memberships.lines().filter_map(|line| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let of_memory = controllers.split(',').any(|controller| controller == "memory");
        match (controllers, of_memory) {
            ("", _) => Some((PathBuf::from(CGROUPS), &UNIFIED[..], path)),
            (_, true) => Some((Path::new(CGROUPS).join("memory"), &LEGACY[..], path)),
            (_, false) => None,
        }
    });
    let limits = memberships.flat_map(|(root, files, path)| {
        let groups: Vec<PathBuf> =
            Path::new(path.trim_start_matches('/')).ancestors().map(|group| root.join(group)).collect();
        groups.into_iter().flat_map(|group| files.iter().map(move |file| group.join(file)))
    });
    limits.filter_map(|file| read(&file)?.trim().parse().ok()).min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_memory_of_this_process_and_machine_is_known() {
        let resident = resident_bytes().unwrap();
        assert!(resident > 100_000 && resident < default_limit().unwrap(), "{resident}");
    }

    #[test]
    fn the_smallest_limit_of_a_cgroup_and_those_around_it_counts() {
        let limit = |memberships: &str, files: &[(&str, &str)]| {
            cgroup_limit(memberships, |path| {
                let found = files.iter().find(|(name, _)| Path::new(CGROUPS).join(name) == path);
                found.map(|(_, text)| format!("{text}\n"))
            })
        };
        let unified = "0::/system.slice/webpush-server.service\n";
        let service = "system.slice/webpush-server.service/memory.max";
        assert_eq!(limit(unified, &[(service, "1000"), ("system.slice/memory.max", "max")]), Some(1000));
        assert_eq!(limit(unified, &[(service, "max"), ("system.slice/memory.high", "500")]), Some(500));
        assert_eq!(limit(unified, &[(service, "max")]), None);
        assert_eq!(limit("0::/\n", &[("memory.max", "7")]), Some(7), "in a container");
        let legacy = "5:cpu,cpuacct:/x\n4:memory:/docker/1\n";
        assert_eq!(limit(legacy, &[("memory/docker/1/memory.limit_in_bytes", "9")]), Some(9));
        assert_eq!(limit(legacy, &[("memory/memory.limit_in_bytes", "8")]), Some(8));
        assert_eq!(limit("", &[("memory.max", "7")]), None);
    }

    #[test]
    fn physical_memory_is_read_from_meminfo() {
        assert_eq!(physical_bytes("MemTotal:       4 kB\nMemFree: 1 kB\n"), Some(4096));
        assert_eq!(physical_bytes(""), None);
    }
}
