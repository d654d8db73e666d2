//! The loop: listen, handle each message, acknowledge it, listen again.

use super::backoff::Backoff;
use super::message::{execute, print};
use super::resume::Resume;
use super::seen::{Progress, Seen};
use super::{ListenArgs, Via};
use crate::cli::exit::{self, Exit, Failure};
use crate::cli::render::terminal;
use std::time::{Duration, Instant};
use webpush_client::connection::Connector;
use webpush_client::error::Fault;
use webpush_client::monitor::{self, Event, IncomingMessage, Message, Monitor, Wait};
use webpush_client::state_file::AgentSubscription;

pub(super) struct Listener<'a> {
    args: &'a ListenArgs,
    connector: &'a Connector,
    held: &'a AgentSubscription,
    seen: Seen,
    resume: Resume,
    acknowledged: u64,
    undecryptable: bool,
}

impl<'a> Listener<'a> {
    pub(super) fn new(args: &'a ListenArgs, connector: &'a Connector, held: &'a AgentSubscription) -> Self {
        let (seen, resume) = (Seen::default(), Resume::default());
        Self { args, connector, held, seen, resume, acknowledged: 0, undecryptable: false }
    }

    /// Listens until `--count` is reached or it fails.
    pub(super) async fn run(mut self) -> Result<Exit, Failure> {
        let mut backoff = Backoff::default();
        loop {
            let (started, before) = (Instant::now(), self.acknowledged);
            let ended = self.listen_once().await;
            if self.enough() {
                return Ok(self.exit());
            }
            let (lasted, progress) = (started.elapsed(), self.acknowledged > before);
            let pause = match ended {
                Ok(()) if self.args.no_wait => return Ok(self.exit()),
                Ok(()) => backoff.after_end(lasted, progress),
                Err(Failure::Client(error)) if error.fault() == Fault::Unavailable && !self.args.no_wait => {
                    let pause = backoff.after_failure(lasted, progress);
                    let (sentence, pause_seconds) = (exit::sentence(&error), pause.as_secs());
                    terminal::warning(&format!("{sentence}; trying again in {pause_seconds} s"));
                    pause
                }
                Err(failure) => return Err(failure),
            };
            if pause > Duration::ZERO {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// Makes one monitoring request, until the server or the connection ends it, or `--count` is reached.
    async fn listen_once(&mut self) -> Result<(), Failure> {
        let wait = if self.args.no_wait { Wait::Stored } else { Wait::Forever };
        let after = self.resume.begin();
        let via = match self.args.via {
            Via::Push => monitor::Via::Push,
            Via::Sse => monitor::Via::Events { after: after.as_deref() },
        };
        let mut monitor = Monitor::start(self.connector, &self.held.subscription, wait, via).await?;
        while !self.enough() {
            match monitor.next().await? {
                Event::Ended => break,
                Event::Message(incoming) => {
                    let settled = self.receive(&mut monitor, incoming).await?;
                    self.resume.after(monitor.last_event_id(), settled);
                }
            }
        }
        Ok(())
    }

    /// Handles one message, and returns true if it was acknowledged; otherwise the service sends it again.
    ///
    /// Fails only if the command must end.
    async fn receive(&mut self, monitor: &mut Monitor, incoming: IncomingMessage) -> Result<bool, Failure> {
        let message = match Message::receive(incoming, &self.held.keys).await {
            Ok(message) => message,
            Err(error) => {
                terminal::warning(&format!("cannot receive a message: {}", error.sentence()));
                return Ok(false);
            }
        };
        let before = self.seen.progress(message.url.path());
        if matches!(before, None | Some(Progress::Printed)) && !self.handle(&message, before).await? {
            return Ok(false);
        }
        if let Err(error) = monitor.acknowledge(&message.url).await {
            let sentence = error.sentence();
            terminal::warning(&format!("cannot acknowledge a message, which will come again: {sentence}"));
            return Ok(false);
        }
        if before != Some(Progress::Acknowledged) {
            self.seen.reached(message.url.path(), Progress::Acknowledged);
            self.acknowledged += 1;
        }
        Ok(true)
    }

    /// Prints a message and runs the command. Returns true if the message is to be acknowledged.
    async fn handle(&mut self, message: &Message, before: Option<Progress>) -> Result<bool, Failure> {
        let path = message.url.path();
        let data = match &message.text {
            Ok(data) => data.as_deref(),
            Err(error) => {
                // It will not become readable by coming again.
                terminal::warning(&format!("cannot decrypt a message: {error}"));
                self.undecryptable = true;
                self.seen.reached(path, Progress::Handled);
                return Ok(true);
            }
        };
        if before.is_none() {
            print(self.args.json, message, data).map_err(Failure::Output)?;
        }
        if let Some(command) = &self.args.exec
            && let Err(error) = execute(command, data.unwrap_or_default()).await
        {
            terminal::warning(&format!("--exec failed; the message will come again: {error}"));
            self.seen.reached(path, Progress::Printed);
            return Ok(false);
        }
        self.seen.reached(path, Progress::Handled);
        Ok(true)
    }

    fn enough(&self) -> bool {
        self.args.count.is_some_and(|count| self.acknowledged >= count.get())
    }

    /// Undecryptable messages are a failure only with `--count`.
    fn exit(&self) -> Exit {
        if self.undecryptable && self.args.count.is_some() { Exit::Undecryptable } else { Exit::Success }
    }
}
