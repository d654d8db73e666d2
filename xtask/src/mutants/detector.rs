//! Runs one program with a mutation, and reads from its output which test has failed.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::tree::VARIABLE;

/// How long a program that is asked to end may take.
const END_PATIENCE: Duration = Duration::from_secs(20);
const END_POLL: Duration = Duration::from_millis(20);

/// How a run of a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum RunEnd {
    Passed,
    /// This test failed, or this seed.
    Failed(String),
    /// The program ended by itself without naming a test.
    Crashed,
    /// The time limit passed. Names the test that was running, if the program has told.
    Hung(Option<String>),
}

/// Runs a program until its first failure, its end, or the time limit.
///
/// `mutation` is the one that is on. Programs that it has started itself are ended with it.
pub(super) fn run(command: &mut Command, mutation: Option<&str>, limit: Duration) -> Result<RunEnd> {
    let deadline = Instant::now() + limit;
    match mutation {
        Some(name) => command.env(VARIABLE, name),
        None => command.env_remove(VARIABLE),
    };
    command.env("RUST_BACKTRACE", "0").process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
    let stdout = child.stdout.take().context("the output is piped")?;
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        // An error ends the output as well.
        for line in BufReader::new(stdout).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    let end = watch(&lines, deadline);
    let end = match end {
        Some(end) => end,
        // Its output has ended.
        None if child.wait()?.success() => RunEnd::Passed,
        None => RunEnd::Crashed,
    };
    end_group(&mut child)?;
    Ok(end)
}

/// Reads lines until one tells of a failure; `None` at their end.
fn watch(lines: &Receiver<String>, deadline: Instant) -> Option<RunEnd> {
    let mut slow = None;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                if let Some(failed) = failure(&line) {
                    return Some(RunEnd::Failed(failed.to_owned()));
                }
                if let Some(name) = slow_test(&line) {
                    slow = Some(name.to_owned());
                }
            }
            Err(RecvTimeoutError::Timeout) => return Some(RunEnd::Hung(slow)),
            Err(RecvTimeoutError::Disconnected) => return None,
        }
    }
}

/// Returns the test, or the seed of the simulation, that has failed according to a line.
fn failure(line: &str) -> Option<&str> {
    if let Some(line) = line.strip_suffix(" ... FAILED") {
        let name = line.rsplit_once("test ").map_or(line, |(_, name)| name);
        return Some(name.strip_suffix(" - should panic").unwrap_or(name));
    }
    // A line of the simulation: seed 17: rule: text
    let digits = line.strip_prefix("seed ")?.find(|c: char| !c.is_ascii_digit())?;
    let (seed, rest) = line.split_at("seed ".len() + digits);
    (digits > 0 && rest.starts_with(": ")).then_some(seed)
}

fn slow_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.split_once(" has been running for over ").map(|(name, _)| name)
}

/// Ends a program with those that it has started: in order if they do so soon, else at once.
fn end_group(child: &mut Child) -> Result<()> {
    let group = format!("-{}", child.id());
    let signal = |name: &str| {
        // The group may be gone.
        let mut kill = Command::new("kill");
        kill.args([name, "--", &group]).stdout(Stdio::null()).stderr(Stdio::null());
        kill.status().context("cannot run kill")
    };
    let mut is_there = signal("-TERM")?.success();
    let deadline = Instant::now() + END_PATIENCE;
    while is_there && Instant::now() < deadline {
        // Reaps the program, which would otherwise count as there.
        child.try_wait()?;
        std::thread::sleep(END_POLL);
        is_there = signal("-0")?.success();
    }
    if is_there {
        signal("-KILL")?;
    }
    child.wait()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str, limit: Duration) -> RunEnd {
        run(Command::new("sh").args(["-c", text]), Some("a-bug"), limit).unwrap()
    }

    #[test]
    fn the_first_failure_ends_a_run() {
        let long = Duration::from_secs(60);
        assert_eq!(script("echo test a ... ok", long), RunEnd::Passed);
        let failed = |name: &str| RunEnd::Failed(name.to_owned());
        assert_eq!(script("echo test a::b ... FAILED; exec sleep 1000", long), failed("a::b"));
        assert_eq!(script("echo test $WEBPUSH_MUTATION ... FAILED", long), failed("a-bug"));
        assert_eq!(script("sleep 1000 & echo test x ... FAILED; wait", long), failed("x"));
        assert_eq!(script("exit 3", long), RunEnd::Crashed);
        assert_eq!(script("kill -ABRT $$", long), RunEnd::Crashed);
        let slow = "echo test a has been running for over 60 seconds; exec sleep 1000";
        assert_eq!(script(slow, Duration::from_millis(500)), RunEnd::Hung(Some("a".to_owned())));
    }

    #[test]
    fn failures_are_read_from_lines() {
        assert_eq!(failure("test a::b ... ok"), None);
        assert_eq!(failure("test a - should panic ... FAILED"), Some("a"));
        assert_eq!(failure("seed 17: lost: message 3 got 201 and was never delivered"), Some("seed 17"));
        assert_eq!(failure("seed 4 passed"), None);
        assert_eq!(failure("repeat it: webpush-sim --seed 4 --trace"), None);
        assert_eq!(failure("100 seeds in 30.0 s: 1 seeds failed"), None);
    }
}
