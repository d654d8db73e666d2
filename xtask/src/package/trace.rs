//! Checks the system calls of a program against its unit.
//!
//! There is no systemd to enforce the unit: strace refuses system calls outside the filter as the kernel would, and the
//! rest is checked in its record.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Result, ensure};

use super::unit::Unit;

/// Marks a call in the record of strace that it refused.
const REFUSED: &str = "(INJECTED)";

/// The option of strace that refuses whatever the unit's filter does.
pub(super) fn refusal(unit: &Unit) -> Result<String> {
    let calls = unit.system_calls()?;
    // The question mark: calls that this machine, or this strace, does not know.
    let calls: Vec<String> = calls.iter().map(|call| format!("?{call}")).collect();
    Ok(format!("inject=!{}:error=EPERM", calls.join(",")))
}

/// Fails with every action that the unit does not allow; `own` are the writable directories.
pub(super) fn check(unit: &Unit, record: &str, own: &[&Path]) -> Result<()> {
    let families: Vec<&str> = unit.one("RestrictAddressFamilies")?.split_whitespace().collect();
    let own: Vec<&str> = own.iter().filter_map(|directory| directory.to_str()).collect();
    let breaches: BTreeSet<&str> = record.lines().filter(|line| is_breach(line, &families, &own)).collect();
    let calls = record.lines().filter_map(call_of).collect::<BTreeSet<_>>();
    println!("  {} different system calls, {} of them against the unit", calls.len(), breaches.len());
    ensure!(calls.len() > 20, "strace recorded too little to accept by: {calls:?}");
    let shown = breaches.into_iter().collect::<Vec<_>>();
    ensure!(shown.is_empty(), "the program does what its unit forbids:\n{}", shown.join("\n"));
    Ok(())
}

/// Returns the call in a line of the trace, unless it is the second half of one or a signal.
fn call_of(line: &str) -> Option<&str> {
    let (_, said) = line.split_once(' ')?;
    let (name, _) = said.trim_start().split_once('(')?;
    name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_').then_some(name)
}

fn is_breach(line: &str, families: &[&str], own: &[&str]) -> bool {
    if line.contains(REFUSED) {
        return true;
    }
    match call_of(line) {
        Some("mmap") => line.contains("PROT_WRITE") && line.contains("PROT_EXEC"),
        Some("mprotect" | "pkey_mprotect") => line.contains("PROT_EXEC"),
        Some("socket") => !families.iter().any(|family| line.contains(&format!("socket({family},"))),
        Some("open" | "openat" | "creat" | "mkdir" | "unlink" | "rename") => {
            let writes = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
            let changes = writes || !line.contains("open");
            let path = line.split('"').nth(1).unwrap_or_default();
            changes && path.starts_with('/') && !own.iter().any(|directory| path.starts_with(directory))
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_unit_forbids_is_seen() {
        let accept = |line| is_breach(line, &["AF_INET", "AF_UNIX"], &["/var/lib/x", "/dev/null"]);
        for line in [
            "12 reboot(LINUX_REBOOT_MAGIC1) = -1 EPERM (Operation not permitted) (INJECTED)",
            "12 mmap(NULL, 4096, PROT_READ|PROT_WRITE|PROT_EXEC, MAP_PRIVATE, -1, 0) = 0x7f",
            "12 mprotect(0x7f, 4096, PROT_READ|PROT_EXEC) = 0",
            "12 socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) = 3",
            "12 openat(AT_FDCWD, \"/etc/x\", O_WRONLY|O_CREAT, 0600) = 3",
            "12 mkdir(\"/srv/x\", 0700) = 0",
        ] {
            assert!(accept(line), "{line}");
        }
        for line in [
            "12 mmap(NULL, 4096, PROT_READ|PROT_EXEC, MAP_PRIVATE, 3, 0) = 0x7f",
            "12 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3",
            "12 openat(AT_FDCWD, \"/etc/x\", O_RDONLY|O_CLOEXEC) = 3",
            "12 openat(AT_FDCWD, \"/var/lib/x/store\", O_RDWR|O_CREAT, 0600) = 3",
            "12 --- SIGTERM {si_signo=SIGTERM} ---",
        ] {
            assert!(!accept(line), "{line}");
        }
        assert_eq!(call_of("12 <... futex resumed>) = 0"), None);
        assert_eq!(call_of("12 futex(0x7f, FUTEX_WAIT) = 0"), Some("futex"));
    }
}
