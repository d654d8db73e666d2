//! Processor time and memory of processes, from proc(5).

use anyhow::Context as _;
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// The kernel's unit of `utime` and `stime` (`USER_HZ`): 10 ms on every Linux.
pub(crate) const TICK: Duration = Duration::from_millis(10);
/// Longest wait for a process to become idle.
const MAX_SETTLING: Duration = Duration::from_secs(60);
/// Processor time per [`LOOK`] up to which a process counts as idle.
const QUIET: Duration = Duration::from_millis(10);
const LOOK: Duration = Duration::from_millis(500);

/// One server, of one process or several.
#[derive(Clone)]
pub struct Process {
    pids: Vec<u32>,
}

/// The processor time of a process up to a point in time.
pub struct Sample {
    user: Duration,
    system: Duration,
    /// By process and thread: the name, and the time in nanoseconds.
    threads: BTreeMap<(u32, u32), (String, Duration)>,
    at: Instant,
}

/// The processor time of a process between two samples.
pub struct CpuUsage {
    /// In total.
    pub total: Duration,
    /// In the kernel, with a resolution of 10 ms.
    system: Duration,
    /// In user and kernel mode, with a resolution of 10 ms.
    ticks: Duration,
    /// By thread name without number; threads that ended between the samples are missing.
    pub by_thread: BTreeMap<String, Duration>,
    /// Wall-clock time between the samples.
    pub time: Duration,
}

/// Memory of a process in KiB.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident memory.
    pub resident: f64,
    /// Heap and stacks. Socket buffers belong to the kernel and are in neither figure.
    pub anonymous: f64,
}

impl Process {
    /// Watches the processes with these IDs; without any, all figures are zero.
    #[must_use]
    pub const fn new(pids: Vec<u32>) -> Self {
        Self { pids }
    }

    /// This program.
    #[must_use]
    pub fn this() -> Self {
        Self::new(vec![std::process::id()])
    }

    /// Samples its processor time.
    ///
    /// # Errors
    /// If it is gone.
    pub fn sample(&self) -> anyhow::Result<Sample> {
        let (mut user, mut system, mut threads) = (Duration::ZERO, Duration::ZERO, BTreeMap::new());
        for pid in &self.pids {
            let stat = read(*pid, "stat")?;
            let [utime, stime] = times(&stat).with_context(|| format!("/proc/{pid}/stat is strange"))?;
            user += utime;
            system += stime;
            for entry in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
                let Some(tid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                    continue;
                };
                threads.extend(thread(&entry.path()).map(|thread| ((*pid, tid), thread)));
            }
        }
        Ok(Sample { user, system, threads, at: Instant::now() })
    }

    /// Returns the processor time since an earlier sample.
    ///
    /// # Errors
    /// If it is gone.
    pub fn usage_since(&self, earlier: &Sample) -> anyhow::Result<CpuUsage> {
        Ok(self.sample()?.since(earlier))
    }

    /// Returns its current memory.
    ///
    /// # Errors
    /// If it is gone.
    pub fn memory(&self) -> anyhow::Result<Memory> {
        let mut memory = Memory { resident: 0.0, anonymous: 0.0 };
        for pid in &self.pids {
            let status = read(*pid, "status")?;
            memory.resident += kib(&status, "VmRSS:")?;
            memory.anonymous += kib(&status, "RssAnon:")?;
        }
        Ok(memory)
    }

    /// Returns the number of its threads.
    ///
    /// # Errors
    /// If it is gone.
    pub fn threads(&self) -> anyhow::Result<usize> {
        self.pids.iter().map(|pid| count(&format!("/proc/{pid}/task"))).sum()
    }

    /// Returns how often its threads have waited; those that have ended are missing.
    ///
    /// # Errors
    /// If it is gone.
    pub fn context_switches(&self) -> anyhow::Result<u64> {
        let mut switches = 0;
        for pid in &self.pids {
            let tasks = fs::read_dir(format!("/proc/{pid}/task")).context("the process is gone")?;
            // A thread may end while the directory is read.
            let statuses =
                tasks.flatten().filter_map(|task| fs::read_to_string(task.path().join("status")).ok());
            for status in statuses {
                let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
                let number = line.and_then(|line| line.trim().parse::<u64>().ok());
                switches += number.context("the kernel does not say voluntary_ctxt_switches")?;
            }
        }
        Ok(switches)
    }

    /// Returns the number of its open descriptors.
    ///
    /// # Errors
    /// If it is gone.
    pub fn descriptors(&self) -> anyhow::Result<usize> {
        self.pids.iter().map(|pid| count(&format!("/proc/{pid}/fd"))).sum()
    }

    /// Returns the number of its open sockets.
    ///
    /// # Errors
    /// If it is gone.
    pub fn sockets(&self) -> anyhow::Result<usize> {
        let mut sockets = 0;
        for pid in &self.pids {
            let directory = fs::read_dir(format!("/proc/{pid}/fd")).context("the process is gone")?;
            // A descriptor may be closed while the directory is read.
            let targets = directory.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
            sockets += targets.filter(|target| target.to_string_lossy().starts_with("socket:")).count();
        }
        Ok(sockets)
    }

    /// Waits until it is idle, for up to a minute, so that earlier work is not measured.
    ///
    /// # Errors
    /// If it is gone.
    pub fn wait_until_quiet(&self) -> anyhow::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < MAX_SETTLING {
            let before = self.sample()?;
            std::thread::sleep(LOOK);
            if self.usage_since(&before)?.total <= QUIET {
                break;
            }
        }
        Ok(())
    }
}

impl Sample {
    /// Returns what was used after an earlier sample.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> CpuUsage {
        let mut by_thread = BTreeMap::new();
        for (id, (name, time)) in &self.threads {
            let before = earlier.threads.get(id).map_or(Duration::ZERO, |(_, time)| *time);
            *by_thread.entry(name.clone()).or_default() += time.saturating_sub(before);
        }
        let user = self.user.saturating_sub(earlier.user);
        let system = self.system.saturating_sub(earlier.system);
        let threads: Duration = by_thread.values().sum();
        // Threads have nanoseconds, but only those that still exist; ticks include all.
        let total = threads.max((user + system).saturating_sub(TICK));
        CpuUsage { total, system, ticks: user + system, by_thread, time: self.at.duration_since(earlier.at) }
    }
}

impl CpuUsage {
    /// Returns the share that was spent in the kernel.
    #[must_use]
    pub fn system_share(&self) -> f64 {
        self.system.as_secs_f64() / self.ticks.max(TICK).as_secs_f64()
    }

    /// Returns it as a percentage of one core.
    #[must_use]
    pub fn percent_of_a_core(&self) -> f64 {
        100.0 * self.total.as_secs_f64() / self.time.as_secs_f64()
    }
}

fn count(directory: &str) -> anyhow::Result<usize> {
    Ok(fs::read_dir(directory).with_context(|| format!("{directory} cannot be read"))?.count())
}

fn read(pid: u32, what: &str) -> anyhow::Result<String> {
    fs::read_to_string(format!("/proc/{pid}/{what}")).with_context(|| format!("process {pid} is gone"))
}

/// Parses `utime` and `stime`, fields 14 and 15.
///
/// The second field, the name in parentheses, may contain anything.
fn times(stat: &str) -> Option<[Duration; 2]> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11).map(|field| field.parse::<u32>().ok());
    Some([TICK * fields.next()??, TICK * fields.next()??])
}

/// Returns name and time of a thread; `None` if it has ended.
fn thread(directory: &std::path::Path) -> Option<(String, Duration)> {
    let name = fs::read_to_string(directory.join("comm")).ok()?;
    let schedule = fs::read_to_string(directory.join("schedstat")).ok()?;
    let nanos = schedule.split_whitespace().next()?.parse().ok()?;
    Some((name_of_kind(&name), Duration::from_nanos(nanos)))
}

/// Returns the common name of threads of one kind: without number, as one word.
fn name_of_kind(name: &str) -> String {
    let name = name.trim().trim_end_matches(|last: char| last.is_ascii_digit() || "-#:".contains(last));
    name.replace(char::is_whitespace, "-")
}

fn kib(status: &str, name: &str) -> anyhow::Result<f64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.with_context(|| format!("the kernel does not say {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_process_may_hold_anything() {
        let stat = "7 (a) b) c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14";
        assert_eq!(times(stat), Some([TICK * 11, TICK * 12]));
        assert_eq!(times("7 (x) S 1"), None);
    }

    #[test]
    fn threads_of_one_kind_are_one() {
        for (name, kind) in
            [("tokio-rt-worker\n", "tokio-rt-worker"), ("fjall:worker#3", "fjall:worker"), ("a b-1", "a-b")]
        {
            assert_eq!(name_of_kind(name), kind);
        }
    }

    #[test]
    fn memory_is_read_by_name() {
        let status = "VmRSS:\t  2048 kB\nRssAnon:\t    1000 kB\n";
        assert!((kib(status, "RssAnon:").unwrap() - 1000.0).abs() < f64::EPSILON);
        assert!(kib(status, "RssShmem:").is_err());
    }

    #[test]
    fn what_this_process_does_is_seen() {
        let process = Process::this();
        let before = process.sample().unwrap();
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(60) {
            std::hint::black_box(nothing());
        }
        let spent = process.usage_since(&before).unwrap();
        assert!(spent.total > Duration::ZERO && spent.time >= Duration::from_millis(60));
        assert!(process.memory().unwrap().anonymous > 0.0);
        assert!(process.threads().unwrap() > 0);
        let switches = process.context_switches().unwrap();
        std::thread::spawn(|| ()).join().unwrap();
        assert!(process.context_switches().unwrap() >= switches);
        let (before, _one_more) = (process.descriptors().unwrap(), fs::File::open("/dev/null").unwrap());
        assert!(before > 0);
        let _socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        assert!((1..=process.descriptors().unwrap()).contains(&process.sockets().unwrap()));
    }

    fn nothing() -> u64 {
        (0..1000).fold(1, |a: u64, b| a.wrapping_mul(b | 1))
    }
}
