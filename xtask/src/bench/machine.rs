//! Describes the machine of a measurement.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};

/// One machine at one time.
pub(super) struct Machine {
    pub(super) date: String,
    pub(super) commit: String,
    pub(super) quick: bool,
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    disk: String,
    /// Load average when the run began.
    load: String,
}

impl Machine {
    pub(super) fn look(root: &Path, quick: bool) -> Result<Self> {
        let memory = value_of("/proc/meminfo", "MemTotal")?;
        let kib: u64 = memory.split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default();
        Ok(Self {
            date: said(root, "date", &["-u", "+%Y-%m-%d"])?,
            commit: said(root, "git", &["rev-parse", "--short", "HEAD"])?,
            quick,
            processor: value_of("/proc/cpuinfo", "model name")?,
            cores: thread::available_parallelism().map_or(1, usize::from),
            memory_gib: kib.div_ceil(1024 * 1024),
            kernel: fs::read_to_string("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            disk: said(root, "df", &["--output=source,fstype", super::SCRATCH])?
                .lines()
                .last()
                .map(|line| line.split_whitespace().collect::<Vec<_>>().join(", "))
                .unwrap_or_default(),
            load: fs::read_to_string("/proc/loadavg")?.split(' ').next().unwrap_or_default().to_owned(),
        })
    }

    pub(super) fn described(&self) -> String {
        let Self { processor, cores, memory_gib, kernel, disk, load, .. } = self;
        format!(
            "{processor}, {cores} cores shared by server and load, {memory_gib} GiB, Linux {kernel}, data on {disk}; load \
             average of the machine when it began: {load}"
        )
    }
}

/// `name : value`, the first of that name.
fn value_of(file: &str, name: &str) -> Result<String> {
    let text = fs::read_to_string(file)?;
    let line = text.lines().find(|line| line.starts_with(name));
    let value = line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned());
    value.with_context(|| format!("{file} has no {name}"))
}

fn said(root: &Path, program: &str, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program).args(arguments).current_dir(root).output();
    let output = output.with_context(|| format!("cannot run {program}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
