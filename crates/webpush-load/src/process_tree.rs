//! Processor time of a process with all of its children, as PostgreSQL has one for each connection.

use crate::process::TICK;
use anyhow::ensure;
use std::collections::HashMap;
use std::fs;
use std::time::Duration;

/// Processes with all of their descendants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessTree {
    roots: Vec<u32>,
}

/// Of a process, by `/proc/PID/stat`.
struct Usage {
    parent: u32,
    /// Its own time, and that of the children that it has waited for.
    time: Duration,
}

impl ProcessTree {
    /// Watches these processes, and what they start.
    #[must_use]
    pub const fn new(roots: Vec<u32>) -> Self {
        Self { roots }
    }

    /// Returns their processor time so far, that of children which have ended included.
    ///
    /// # Errors
    /// If one of the roots is gone.
    pub fn cpu(&self) -> anyhow::Result<Duration> {
        let all = all_processes()?;
        let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
        for (pid, usage) in &all {
            children.entry(usage.parent).or_default().push(*pid);
        }
        let (mut left, mut total) = (self.roots.clone(), Duration::ZERO);
        ensure!(left.iter().all(|root| all.contains_key(root)), "a process of the database is gone");
        while let Some(pid) = left.pop() {
            total += all.get(&pid).map_or(Duration::ZERO, |usage| usage.time);
            left.extend(children.remove(&pid).unwrap_or_default());
        }
        Ok(total)
    }
}

fn all_processes() -> anyhow::Result<HashMap<u32, Usage>> {
    let entries = fs::read_dir("/proc")?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // One that ends meanwhile is counted by its parent.
    let read = |pid: u32| Some((pid, usage(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)?));
    Ok(pids.filter_map(read).collect())
}

/// Parses the parent (field 4), and the times of fields 14 to 17.
///
/// The second field, the name in parentheses, may contain anything.
fn usage(stat: &str) -> Option<Usage> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = fields.get(11..15)?.iter().map(|field| field.parse::<u32>().ok()).sum::<Option<u32>>()?;
    Some(Usage { parent: fields.get(1)?.parse().ok()?, time: TICK * ticks })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_line_of_the_kernel_has_parent_and_times() {
        let read = usage("7 (a) b) S 3 2 3 4 5 6 7 8 9 10 11 12 13 14 20").unwrap();
        assert_eq!((read.parent, read.time), (3, TICK * (11 + 12 + 13 + 14)));
        assert!(usage("7 (x) S 1").is_none());
    }

    #[test]
    fn children_count_while_they_run_and_afterwards() {
        let tree = ProcessTree::new(vec![std::process::id()]);
        let before = tree.cpu().unwrap();
        let script = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done; echo; read line";
        let mut child = Command::new("sh");
        child.args(["-c", script]).stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = child.spawn().unwrap();
        let mut line = [0];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut line).unwrap();
        let running = tree.cpu().unwrap();
        drop(child.stdin.take());
        child.wait().unwrap();
        assert!(running > before);
        assert!(tree.cpu().unwrap() >= running);
        assert!(ProcessTree::new(vec![u32::MAX]).cpu().is_err());
    }
}
