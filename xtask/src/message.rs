//! Sends a message through a running service, with the client commands of the program.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};

use crate::interop::process::{End, Process};
use crate::shell::output;

/// Time limit for a message.
const PATIENCE: Duration = Duration::from_secs(30);

/// An agent with its subscription, and the sender that knows it.
pub(crate) struct Correspondence {
    program: PathBuf,
    origin: String,
    /// The state file of the agent; `send` reads it as well.
    state: PathBuf,
    /// The CA that both trust, if the service has TLS.
    authority: Option<PathBuf>,
}

impl Correspondence {
    /// Subscribes.
    pub(crate) fn begin(
        program: &Path,
        origin: &str,
        directory: &Path,
        authority: Option<&Path>,
    ) -> Result<Self> {
        let state = directory.join("subscription.json");
        let begun = Self {
            program: program.to_owned(),
            origin: origin.to_owned(),
            state,
            authority: authority.map(Path::to_owned),
        };
        output(begun.listen().arg("--no-wait"))?;
        Ok(begun)
    }

    /// Sends to an absent agent: the server must store the message.
    pub(crate) fn send(&self, text: &str) -> Result<()> {
        let mut send = Command::new(&self.program);
        send.arg("send").arg(&self.state).arg(text);
        self.trust(&mut send);
        output(&mut send).map(drop)
    }

    /// Fetches stored messages.
    pub(crate) fn fetch(&self, text: &str) -> Result<()> {
        let received = output(self.listen().arg("--no-wait"))?;
        ensure!(
            received.lines().any(|line| line == text),
            "the message \"{text}\" was not stored; received:\n{received}"
        );
        Ok(())
    }

    /// Sends while the agent listens.
    pub(crate) fn deliver(&self, text: &str) -> Result<()> {
        let mut listen = self.listen();
        listen.args(["--count", "1"]).stderr(Stdio::piped());
        let mut agent = Process::start(listen)?;
        agent.wait_for("subscription", PATIENCE, |line| line.contains("endpoint").then_some(()))?;
        self.send(text)?;
        let mut received = Vec::new();
        match agent.run_to_end(PATIENCE, &mut received)? {
            End::Exited(status) => ensure!(
                status.success() && received.iter().any(|line| line == text),
                "the message \"{text}\" was not delivered; the agent ended with {status} and printed {received:?}"
            ),
            End::Killed => bail!("the message \"{text}\" was not delivered; the agent printed {received:?}"),
        }
        Ok(())
    }

    fn listen(&self) -> Command {
        let mut listen = Command::new(&self.program);
        listen.arg("listen").arg(&self.origin).arg("--state").arg(&self.state);
        self.trust(&mut listen);
        listen
    }

    fn trust(&self, command: &mut Command) {
        if let Some(authority) = &self.authority {
            command.arg("--ca-file").arg(authority);
        }
    }
}

/// Returns a free port.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("cannot listen on this machine")?;
    Ok(listener.local_addr()?.port())
}

/// A port that only root, or a process with the capability, can listen on.
pub(crate) fn free_low_port() -> Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (600..1024).find(free).context("no port below 1024 is free")
}
