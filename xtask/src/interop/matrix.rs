//! Every user agent with every sender, each pair once.
//!
//! ```text
//! user agent                      sender                              receipts
//! subscribe, gone
//!                                 send 1 for a receipt: 202, stored
//! monitor (held): gets 1 pushed,
//!   decrypts, acknowledges
//!                                 send 2 for a receipt: 202
//!   gets 2 pushed, decrypts,
//!   acknowledges, ends
//!                                                                     204 for 1, 204 for 2, nothing more
//! ```
//!
//! Agents print the JSON of `webpush-server listen --json`, senders that of `send --json`, so those two need no script
//! and the others differ in their command lines only.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::process::{End, Process};
use super::tool::Tool;
use super::{Failure, client_environment};

/// Most of the time of a pair is the startup of half a dozen interpreters.
const PAIRS_AT_ONCE: usize = 2;

const PAIR_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Clone, Copy)]
enum Agent {
    Nghttp,
    Node,
    PythonH2,
    Listen,
}

#[derive(Clone, Copy)]
enum Sender {
    WebPush,
    WebPushAesgcm,
    Pywebpush,
    PywebpushAesgcm,
    Curl,
    Send,
}

#[derive(Clone, Copy)]
pub(super) struct Pair {
    agent: Agent,
    sender: Sender,
}

/// The setting that all pairs share.
pub(super) struct Setting {
    /// Of a server with TLS: web-push supports nothing else.
    pub(super) origin: String,
    pub(super) ca: PathBuf,
    pub(super) binary: PathBuf,
    pub(super) scripts: PathBuf,
    pub(super) python: PathBuf,
    pub(super) scratch: PathBuf,
}

pub(super) type Outcome = Result<Vec<String>, Failure>;

/// Runs pairs side by side and reports each as it ends.
pub(super) fn run(pairs: &[Pair], setting: &Setting, mut report: impl FnMut(Pair, Duration, Outcome)) {
    let next = AtomicUsize::new(0);
    let (sender, outcomes) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..PAIRS_AT_ONCE {
            let (sender, next) = (sender.clone(), &next);
            scope.spawn(move || {
                while let Some(&pair) = pairs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let started = Instant::now();
                    let mut said = Vec::new();
                    let outcome = match play(pair, setting, &mut said) {
                        Ok(()) => Ok(said),
                        Err(error) => Err(Failure { lines: said, error }),
                    };
                    if sender.send((pair, started.elapsed(), outcome)).is_err() {
                        return;
                    }
                }
            });
        }
        drop(sender);
        for (pair, took, outcome) in outcomes {
            report(pair, took, outcome);
        }
    });
}

fn play(pair: Pair, setting: &Setting, said: &mut Vec<String>) -> Result<()> {
    let directory = tempfile::tempdir_in(&setting.scratch).context("cannot make a directory")?;
    let attempt = Attempt {
        pair,
        setting,
        state: directory.path().join("state.json"),
        subscription: directory.path().join("subscription.json"),
        deadline: Instant::now() + PAIR_TIMEOUT,
    };

    let json = attempt.subscribe()?;
    said.push(format!("ok    subscribed: {json}"));

    let stored = attempt.send(&format!("grüß Gott, {}: stored", pair.name()), None)?;
    said.push(format!("ok    sent while nobody listened: {}", stored.message));

    let mut monitor = Process::start(attempt.agent(AgentCommand::Monitor)).context("the agent")?;
    attempt.expect_message(&monitor, &stored).context("the stored message")?;
    said.push("ok    pushed, decrypted and acknowledged".into());

    let live = attempt.send(&format!("grüß Gott, {}: live", pair.name()), Some(&stored.receipt))?;
    attempt.expect_message(&monitor, &live).context("the live message")?;
    said.push(format!("ok    so was, on the same held GET, {}", live.message));
    let rest = attempt.finish(&mut monitor).context("the agent, after both messages")?;
    expect(&rest.iter().filter(|line| line.starts_with('{')).collect::<Vec<_>>(), &vec![], "more messages")?;

    attempt.expect_receipts(&[&stored, &live])?;
    said.push("ok    two receipts and no more".into());
    Ok(())
}

impl Pair {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        Agent::ALL
            .into_iter()
            .flat_map(|agent| Sender::ALL.into_iter().map(move |sender| Self { agent, sender }))
    }

    pub(super) fn name(self) -> String {
        format!("matrix-{}-{}", self.agent.name(), self.sender.name())
    }

    pub(super) fn tools(self) -> impl Iterator<Item = Tool> {
        // Node reads the receipts.
        [Tool::Node].iter().chain(self.agent.tools()).chain(self.sender.tools()).copied()
    }
}

#[derive(Clone, Copy)]
enum AgentCommand {
    Subscribe,
    Monitor,
}

impl Agent {
    const ALL: [Self; 4] = [Self::Nghttp, Self::Node, Self::PythonH2, Self::Listen];

    const fn name(self) -> &'static str {
        match self {
            Self::Nghttp => "nghttp",
            Self::Node => "node",
            Self::PythonH2 => "python-h2",
            Self::Listen => "listen",
        }
    }

    const fn tools(self) -> &'static [Tool] {
        match self {
            Self::Nghttp => &[Tool::Nghttp, Tool::PythonPackages],
            Self::Node => &[Tool::NodePackages],
            Self::PythonH2 => &[Tool::PythonPackages],
            Self::Listen => &[],
        }
    }

    fn command(self, agent_command: AgentCommand, state: &Path, setting: &Setting) -> Command {
        let mut command = match self {
            Self::Nghttp => setting.script(&setting.python, "nghttp/matrix-agent.py"),
            Self::Node => setting.script(Path::new("node"), "node/matrix-agent.mjs"),
            Self::PythonH2 => setting.script(&setting.python, "python/matrix-agent.py"),
            Self::Listen => {
                let mut listen = setting.own("listen");
                match agent_command {
                    AgentCommand::Subscribe => listen.arg("--no-wait"),
                    AgentCommand::Monitor => listen.args(["--count", "2"]),
                };
                listen.arg("--state").arg(state).arg(&setting.origin);
                return listen;
            }
        };
        command.arg(match agent_command {
            AgentCommand::Subscribe => "subscribe",
            AgentCommand::Monitor => "monitor",
        });
        command.arg(state);
        command
    }
}

impl Sender {
    const ALL: [Self; 6] =
        [Self::WebPush, Self::WebPushAesgcm, Self::Pywebpush, Self::PywebpushAesgcm, Self::Curl, Self::Send];

    const fn name(self) -> &'static str {
        match self {
            Self::WebPush => "web-push",
            Self::WebPushAesgcm => "web-push-aesgcm",
            Self::Pywebpush => "pywebpush",
            Self::PywebpushAesgcm => "pywebpush-aesgcm",
            Self::Curl => "curl",
            Self::Send => "send",
        }
    }

    const fn tools(self) -> &'static [Tool] {
        match self {
            Self::WebPush | Self::WebPushAesgcm => &[Tool::NodePackages],
            Self::Pywebpush | Self::PywebpushAesgcm => &[Tool::PythonPackages],
            Self::Curl => &[Tool::Curl, Tool::NodePackages],
            Self::Send => &[],
        }
    }

    const fn coding(self) -> &'static str {
        match self {
            Self::WebPushAesgcm | Self::PywebpushAesgcm => "aesgcm",
            Self::WebPush | Self::Pywebpush | Self::Curl | Self::Send => "aes128gcm",
        }
    }

    /// Returns true if it can name the receipt subscription of an earlier message.
    const fn reuses_receipts(self) -> bool {
        !matches!(self, Self::Send)
    }

    /// `receipts` is a receipt subscription to reuse.
    fn command(self, subscription: &Path, text: &str, receipts: Option<&str>, setting: &Setting) -> Command {
        let mut command = match self {
            Self::WebPush | Self::WebPushAesgcm => {
                let mut node = setting.script(Path::new("node"), "node/matrix-sender.mjs");
                node.arg(self.coding());
                node
            }
            Self::Pywebpush | Self::PywebpushAesgcm => {
                let mut python = setting.script(&setting.python, "python/matrix-sender.py");
                python.arg(self.coding());
                python
            }
            Self::Curl => setting.script(Path::new("bash"), "curl/matrix-sender.sh"),
            Self::Send => {
                let mut send = setting.own("send");
                send.arg("--receipt");
                send
            }
        };
        command.arg(subscription).arg(text).args(receipts.filter(|_| self.reuses_receipts()));
        command
    }
}

impl Setting {
    fn script(&self, interpreter: &Path, path: &str) -> Command {
        let mut command = Command::new(interpreter);
        command.arg(self.scripts.join(path));
        client_environment(&mut command, Some(&self.ca));
        command.env("WEBPUSH_ORIGIN", &self.origin);
        command.stderr(Stdio::piped());
        command
    }

    /// One of the server's own clients.
    fn own(&self, subcommand: &str) -> Command {
        let mut command = Command::new(&self.binary);
        command.args([subcommand, "--json", "--ca-file"]).arg(&self.ca).stderr(Stdio::piped());
        command
    }
}

/// A message as its sender knows it.
struct SentMessage {
    text: String,
    message: String,
    receipt: String,
}

struct Attempt<'a> {
    pair: Pair,
    setting: &'a Setting,
    /// The state file of the agent.
    state: PathBuf,
    /// The subscription for senders.
    subscription: PathBuf,
    deadline: Instant,
}

impl Attempt<'_> {
    fn agent(&self, agent_command: AgentCommand) -> Command {
        self.pair.agent.command(agent_command, &self.state, self.setting)
    }

    fn subscribe(&self) -> Result<String> {
        let lines = self.run(self.agent(AgentCommand::Subscribe)).context("subscribing")?;
        let json = lines
            .iter()
            .find_map(|line| line.strip_prefix("{\"subscription\":")?.strip_suffix('}'))
            .with_context(|| format!("no subscription in {lines:?}"))?;
        std::fs::write(&self.subscription, json).context("cannot write the subscription")?;
        Ok(json.to_owned())
    }

    fn send(&self, text: &str, receipts: Option<&str>) -> Result<SentMessage> {
        let command = self.pair.sender.command(&self.subscription, text, receipts, self.setting);
        let lines = self.run(command).with_context(|| format!("sending {text:?}"))?;
        let line = object(&lines, "message")?;
        expect(&member(line, "status")?, &"202", "status of a send for a receipt")?;
        let (message, receipt) = (member(line, "message")?, member(line, "receipt")?);
        for (url, place) in [(message, "/message/"), (receipt, "/receipt-subscription/")] {
            let wanted = format!("{}{place}", self.setting.origin);
            ensure!(url.starts_with(&wanted), "{url:?} does not begin with {wanted}");
        }
        if let Some(receipts) = receipts.filter(|_| self.pair.sender.reuses_receipts()) {
            expect(&receipt, &receipts, "receipt subscription, which was named in the send")?;
        }
        Ok(SentMessage { text: text.to_owned(), message: message.to_owned(), receipt: receipt.to_owned() })
    }

    /// The next message of the agent must be this one.
    fn expect_message(&self, monitor: &Process, sent: &SentMessage) -> Result<()> {
        let line = monitor.wait_for("message", self.time_left(), |line| {
            line.starts_with("{\"message\":").then(|| line.to_owned())
        })?;
        expect(&member(&line, "message")?, &sent.text.as_str(), "text")?;
        let url = format!("{}{}", self.setting.origin, member(&line, "path")?);
        expect(&url, &sent.message, "URL of the promise")?;
        expect(&member(&line, "encoding")?, &self.pair.sender.coding(), "content coding")
    }

    /// The receipt subscriptions of these messages must have one 204 for each of them, and nothing else.
    fn expect_receipts(&self, messages: &[&SentMessage]) -> Result<()> {
        let mut subscriptions: Vec<&str> = messages.iter().map(|sent| sent.receipt.as_str()).collect();
        subscriptions.dedup();
        let mut reader = self.setting.script(Path::new("node"), "node/matrix-receipts.mjs");
        reader.args(subscriptions);
        let lines = self.run(reader).context("reading the receipts")?;
        let mut receipts = lines
            .iter()
            .map(|line| Ok((member(line, "receipt")?, member(line, "message")?, member(line, "status")?)))
            .collect::<Result<Vec<_>>>()?;
        let mut wanted: Vec<_> =
            messages.iter().map(|sent| (sent.receipt.as_str(), sent.message.as_str(), "204")).collect();
        // The order is that of the acknowledgements, which is the agent's business.
        receipts.sort_unstable();
        wanted.sort_unstable();
        expect(&receipts, &wanted, "receipts")
    }

    fn run(&self, command: Command) -> Result<Vec<String>> {
        self.finish(&mut Process::start(command)?)
    }

    /// Waits for a process to succeed, and returns its output.
    fn finish(&self, process: &mut Process) -> Result<Vec<String>> {
        let mut lines = Vec::new();
        match process.run_to_end(self.time_left(), &mut lines)? {
            End::Exited(status) => ensure!(ExitStatus::success(&status), "{status}: {}", lines.join(" ")),
            End::Killed => bail!("not done {} s after the pair's start: {lines:?}", PAIR_TIMEOUT.as_secs()),
        }
        Ok(lines)
    }

    fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }
}

fn expect<T: PartialEq + std::fmt::Debug>(actual: &T, wanted: &T, what: &str) -> Result<()> {
    ensure!(actual == wanted, "{what}: {actual:?} instead of {wanted:?}");
    Ok(())
}

/// The line that is a JSON object with this member; other lines may surround it.
fn object<'a>(lines: &'a [String], name: &str) -> Result<&'a str> {
    let found = lines.iter().find(|line| line.starts_with('{') && member(line, name).is_ok());
    found.map(String::as_str).with_context(|| format!("no JSON object with {name:?} in {lines:?}"))
}

/// Returns a string or number of one line of JSON.
///
/// The texts and URLs of these scenarios need no escapes.
fn member<'a>(line: &'a str, name: &str) -> Result<&'a str> {
    let value = line.split_once(&format!("\"{name}\":")).map(|(_, rest)| rest);
    let found = value.and_then(|value| match value.strip_prefix('"') {
        Some(string) => string.split_once('"').map(|(string, _)| string),
        None => value.split_once([',', '}']).map(|(number, _)| number).filter(|number| *number != "null"),
    });
    found.with_context(|| format!("no {name:?} in {line}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_are_strings_and_numbers_but_not_null() {
        let line = r#"{"status":202,"message":"http://x/message/1","receipt":null,"ttl":60}"#;
        assert_eq!(member(line, "status").unwrap(), "202");
        assert_eq!(member(line, "message").unwrap(), "http://x/message/1");
        assert_eq!(member(line, "ttl").unwrap(), "60");
        assert!(member(line, "receipt").is_err());
        assert!(member(line, "path").is_err());
    }

    #[test]
    fn each_pair_has_a_name_of_its_own() {
        let names: std::collections::BTreeSet<String> = Pair::all().map(Pair::name).collect();
        assert_eq!(names.len(), Agent::ALL.len() * Sender::ALL.len());
        assert!(names.contains("matrix-python-h2-web-push-aesgcm"), "{names:?}");
    }
}
