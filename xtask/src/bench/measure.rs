//! Runs the commands of rows, each once for all rows that read its figures.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

use super::row::Reading;

/// Time limit for one run of one command.
const PATIENCE: Duration = Duration::from_secs(20 * 60);
const LOOK: Duration = Duration::from_millis(50);
/// Is this program.
const XTASK: &str = "cargo xtask ";
/// Makes the measured server a cluster, which the peer is not.
const ONE_NODE: &str = " --nodes 1";
/// The arguments for the measured server; replaced for the peer.
pub(super) const OURS: &str = "--server target/dist/webpush-server --directory target/bench";

type Output = BTreeMap<String, f64>;

/// The finished runs.
pub(super) struct Runs {
    root: PathBuf,
    quick: bool,
    rounds: usize,
    peer: Option<PathBuf>,
    /// Results by command. A failed one is not repeated.
    outputs: HashMap<String, Result<Output, String>>,
}

impl Runs {
    pub(super) fn new(root: &Path, quick: bool, rounds: usize, peer: Option<PathBuf>) -> Self {
        Self { root: root.to_owned(), quick, rounds, peer, outputs: HashMap::new() }
    }

    pub(super) const fn rounds(&self) -> usize {
        self.rounds
    }

    pub(super) const fn has_peer(&self) -> bool {
        self.peer.is_some()
    }

    /// The figure; of several rounds the median.
    pub(super) fn read(&mut self, reading: &Reading) -> Result<f64> {
        let command = self.command(reading);
        self.figure(&command, reading)
    }

    /// Reads the same figure of autopush-rs, if available; prints a failure and returns `None`.
    pub(super) fn read_of_peer(&mut self, reading: &Reading) -> Option<f64> {
        let directory = self.peer.as_ref()?.display().to_string();
        let command =
            self.command(reading).replace(ONE_NODE, "").replace(OURS, &format!("--peer {directory}"));
        match self.figure(&command, reading) {
            Ok(figure) => Some(figure),
            Err(error) => {
                eprintln!("autopush-rs: {error:#}");
                None
            }
        }
    }

    /// Returns the command with its choices made.
    pub(super) fn command(&self, reading: &Reading) -> String {
        chosen(reading.command, self.quick)
    }

    /// Returns the text of a row with its choices made, as in commands.
    pub(super) fn said(&self, text: &str) -> String {
        chosen(text, self.quick)
    }

    /// Returns true if a row is measured at a smaller size than its goal is for.
    pub(super) fn is_smaller(&self, text: &str) -> bool {
        self.quick && text.contains('{')
    }

    fn figure(&mut self, command: &str, reading: &Reading) -> Result<f64> {
        if !self.outputs.contains_key(command) {
            let rounds = if reading.once { 1 } else { self.rounds };
            let output = self.rounds_of(command, rounds).map_err(|error| format!("{error:#}"));
            self.outputs.insert(command.to_owned(), output);
        }
        match self.outputs.get(command) {
            Some(Ok(output)) => output
                .get(reading.figure)
                .copied()
                .with_context(|| format!("{command} gives no {}", reading.figure)),
            Some(Err(error)) => bail!("{command}: {error}"),
            None => bail!("{command} was not run"),
        }
    }

    fn rounds_of(&self, command: &str, rounds: usize) -> Result<Output> {
        let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for _ in 0..rounds {
            for (name, value) in figures(&run(&self.root, command)?) {
                all.entry(name).or_default().push(value);
            }
        }
        Ok(all.into_iter().filter_map(|(name, values)| Some((name, median(values)?))).collect())
    }
}

/// Takes the first of `{a|b}`, or the second in a quick run.
fn chosen(command: &str, quick: bool) -> String {
    let mut chosen = String::new();
    let mut rest = command;
    while let Some((before, after)) = rest.split_once('{') {
        let (choice, after) = after.split_once('}').unwrap_or((after, ""));
        let (full, short) = choice.split_once('|').unwrap_or((choice, choice));
        chosen.push_str(before);
        chosen.push_str(if quick { short } else { full });
        rest = after;
    }
    chosen + rest
}

/// Runs a command at the root, and returns its output.
fn run(root: &Path, command: &str) -> Result<String> {
    let own = command.strip_prefix(XTASK);
    let mut words = own.unwrap_or(command).split_whitespace();
    let program = match own {
        Some(_) => std::env::current_exe()?,
        None => root.join(words.next().context("an empty command")?),
    };
    let mut child = Command::new(&program)
        .args(words)
        .current_dir(root)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", program.display()))?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let said = thread::spawn(move || read(out.as_mut()));
    let complained = thread::spawn(move || read(err.as_mut()));
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill()?;
            child.wait()?;
            bail!("it did not end in {} minutes", PATIENCE.as_secs() / 60);
        }
        thread::sleep(LOOK);
    };
    let (said, complained) = (said.join().unwrap_or_default(), complained.join().unwrap_or_default());
    ensure!(status.success(), "{}", complained.lines().last().unwrap_or("it failed without a word"));
    Ok(said)
}

fn read(pipe: Option<&mut impl std::io::Read>) -> String {
    let mut text = Vec::new();
    // After an error the output so far is used.
    let _ = pipe.map(|pipe| pipe.read_to_end(&mut text));
    String::from_utf8_lossy(&text).into_owned()
}

/// Parses lines with a name and a number; skips others.
fn figures(text: &str) -> impl Iterator<Item = (String, f64)> {
    text.lines().filter_map(|line| {
        let (name, value) = line.split_once(char::is_whitespace)?;
        Some((name.to_owned(), value.trim().parse().ok()?))
    })
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::row::{once, reading};

    #[test]
    fn a_command_has_a_full_and_a_quick_form() {
        assert_eq!(chosen("a --n {1000|10} {--x|} b", false), "a --n 1000 --x b");
        assert_eq!(chosen("a --n {1000|10} {--x|} b", true), "a --n 10  b");
        assert_eq!(chosen("plain", true), "plain");
    }

    #[test]
    fn figures_are_lines_with_a_name_and_a_number() {
        let found: Vec<_> = figures("a   1.5\nsome words here\nb 2\n\nc x\n").collect();
        assert_eq!(found, [("a".to_owned(), 1.5), ("b".to_owned(), 2.0)]);
        assert_eq!((median(vec![3.0, 1.0, 2.0]), median(vec![])), (Some(2.0), None));
    }

    #[test]
    fn a_command_is_run_once_for_all_its_figures_and_failures_are_said() {
        let mut runs = Runs::new(Path::new("/"), true, 3, None);
        assert!((runs.read(&once("bin/echo a {2|1}", "a")).unwrap() - 1.0).abs() < f64::EPSILON);
        assert!(runs.read(&once("bin/echo a {2|1}", "b")).is_err());
        assert_eq!(runs.outputs.len(), 1);
        let error = runs.read(&reading("bin/ls /no-such-file", "a")).unwrap_err();
        assert!(error.to_string().contains("no-such-file"), "{error}");
        assert!(runs.read_of_peer(&once("bin/echo a 1", "a")).is_none());
    }
}
