//! A systemd unit, as far as running its program by hand needs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::shell::output;

/// Maximum exposure by `systemd-analyze security`, out of 10.
const MAX_EXPOSURE: f64 = 2.0;

pub(super) struct Unit {
    path: PathBuf,
    /// Key and value, in their order.
    lines: Vec<(String, String)>,
}

impl Unit {
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        Ok(Self { path: path.to_owned(), lines: parse(&text) })
    }

    /// All values of a key, in their order.
    pub(super) fn all(&self, key: &str) -> impl Iterator<Item = &str> {
        self.lines.iter().filter(move |(name, _)| name == key).map(|(_, value)| value.as_str())
    }

    /// Returns the last value of a key, which is effective.
    pub(super) fn one(&self, key: &str) -> Result<&str> {
        let found = self.all(key).last();
        found.with_context(|| format!("{} says nothing of {key}=", self.path.display()))
    }

    /// Fails if the unit does not confine the service: its own user, access to its own files only.
    pub(super) fn check(&self) -> Result<()> {
        output(Command::new("systemd-analyze").arg("verify").arg(&self.path))?;
        let exposure = self.exposure()?;
        println!("  exposure by systemd-analyze security: {exposure}, less than {MAX_EXPOSURE} is allowed");
        ensure!(exposure < MAX_EXPOSURE, "the unit exposes {exposure}, and {MAX_EXPOSURE} is too much");
        for (key, value) in
            [("DynamicUser", "yes"), ("MemoryDenyWriteExecute", "yes"), ("ProtectSystem", "strict")]
        {
            ensure!(self.one(key)? == value, "the unit must say {key}={value}");
        }
        Ok(())
    }

    fn exposure(&self) -> Result<f64> {
        let mut analyze = Command::new("systemd-analyze");
        let said = output(analyze.args(["security", "--offline=true", "--no-pager"]).arg(&self.path))?;
        let found = said.lines().find_map(|line| line.split_once("Overall exposure level for "));
        let score = found.and_then(|(_, rest)| rest.split_whitespace().nth(1));
        let score = score.with_context(|| format!("systemd-analyze says no exposure:\n{said}"))?;
        score.parse().with_context(|| format!("not an exposure: {score}"))
    }

    /// The system calls that its filter lets through.
    pub(super) fn system_calls(&self) -> Result<BTreeSet<String>> {
        let mut allowed = BTreeSet::new();
        for value in self.all("SystemCallFilter") {
            let (removes, names) = value.strip_prefix('~').map_or((false, value), |names| (true, names));
            for name in names.split_whitespace() {
                let calls =
                    if name.starts_with('@') { group(name)? } else { BTreeSet::from([name.to_owned()]) };
                if removes {
                    allowed.retain(|call| !calls.contains(call));
                } else {
                    allowed.extend(calls);
                }
            }
        }
        ensure!(!allowed.is_empty(), "the unit has no SystemCallFilter=");
        // Always allowed, and not part of the groups.
        allowed.extend(group("@default")?);
        Ok(allowed)
    }
}

/// The calls of a group, with those of the groups in it.
fn group(name: &str) -> Result<BTreeSet<String>> {
    let mut calls = BTreeSet::new();
    let said = output(Command::new("systemd-analyze").args(["syscall-filter", "--no-pager", name]))?;
    for line in said.lines().skip(1).map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if line == name {
            bail!("{name} holds itself");
        } else if line.starts_with('@') {
            calls.extend(group(line)?);
        } else {
            calls.insert(line.to_owned());
        }
    }
    Ok(calls)
}

fn parse(text: &str) -> Vec<(String, String)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';', '[']));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim().to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_value_counts_and_comments_do_not() {
        let lines = parse("[Service]\n#User=root\nType=exec\nType = notify\nExecStart=/usr/bin/x --a=b\n");
        let unit = Unit { path: PathBuf::from("x.service"), lines };
        assert_eq!(unit.one("Type").unwrap(), "notify");
        assert_eq!(unit.one("ExecStart").unwrap(), "/usr/bin/x --a=b");
        assert!(unit.one("User").unwrap_err().to_string().contains("User="));
    }
}
