//! The loop: listen, handle each message, acknowledge it, listen again.

use super::backoff::Backoff;
use super::history::{HandlingProgress, MessageHistory};
use super::message::{execute, print};
use super::resume::Resume;
use super::{DeliveryMethod, ListenArgs};
use crate::cli::exit::{self, Exit, Failure};
use crate::cli::render::terminal;
use std::time::Duration;
use tokio::time::{Instant, sleep};
use webpush_client::connection::Connector;
use webpush_client::error::Fault;
use webpush_client::monitor::{self, Event, IncomingMessage, Monitor, ReceivedMessage, Wait};
use webpush_client::state_file::AgentSubscription;

/// The state of the loop.
pub(super) struct ListenLoop<'a> {
    args: &'a ListenArgs,
    connector: &'a Connector,
    subscribed: &'a AgentSubscription,
    history: MessageHistory,
    resume: Resume,
    acknowledged: u64,
    undecryptable: bool,
}

impl<'a> ListenLoop<'a> {
    pub(super) fn new(
        args: &'a ListenArgs,
        connector: &'a Connector,
        subscribed: &'a AgentSubscription,
    ) -> Self {
        let (history, resume) = (MessageHistory::default(), Resume::default());
        Self { args, connector, subscribed, history, resume, acknowledged: 0, undecryptable: false }
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
                sleep(pause).await;
            }
        }
    }

    /// Makes one monitoring request, which ends with the connection or when `--count` is reached.
    async fn listen_once(&mut self) -> Result<(), Failure> {
        let wait = if self.args.no_wait { Wait::Stored } else { Wait::Forever };
        let after = self.resume.begin();
        let via = match self.args.via {
            DeliveryMethod::Push => monitor::Via::Push,
            DeliveryMethod::Sse => monitor::Via::Events { after: after.as_deref() },
        };
        let mut monitor = Monitor::start(self.connector, &self.subscribed.subscription, wait, via).await?;
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

    /// Handles one message, and returns true if it was acknowledged; otherwise the service redelivers it.
    ///
    /// Fails only if the command must end.
    async fn receive(&mut self, monitor: &mut Monitor, incoming: IncomingMessage) -> Result<bool, Failure> {
        let message = match ReceivedMessage::receive(incoming, &self.subscribed.keys).await {
            Ok(message) => message,
            Err(error) => {
                terminal::warning(&format!("cannot receive a message: {}", error.sentence()));
                return Ok(false);
            }
        };
        let before = self.history.progress(message.url.path());
        if matches!(before, None | Some(HandlingProgress::Printed)) && !self.handle(&message, before).await? {
            return Ok(false);
        }
        if let Err(error) = monitor.acknowledge(&message.url).await {
            let sentence = error.sentence();
            terminal::warning(&format!(
                "cannot acknowledge a message, which will be redelivered: {sentence}"
            ));
            return Ok(false);
        }
        if before != Some(HandlingProgress::Acknowledged) {
            self.history.reached(message.url.path(), HandlingProgress::Acknowledged);
            self.acknowledged += 1;
        }
        Ok(true)
    }

    /// Prints a message and runs the command. Returns true if the message is to be acknowledged.
    async fn handle(
        &mut self,
        message: &ReceivedMessage,
        before: Option<HandlingProgress>,
    ) -> Result<bool, Failure> {
        let path = message.url.path();
        let data = match &message.text {
            Ok(data) => data.as_deref(),
            Err(error) => {
                // Redelivery would not help.
                terminal::warning(&format!("cannot decrypt a message: {error}"));
                self.undecryptable = true;
                self.history.reached(path, HandlingProgress::Handled);
                return Ok(true);
            }
        };
        if before.is_none() {
            print(self.args.json, message, data).map_err(Failure::Output)?;
        }
        if let Some(command) = &self.args.exec
            && let Err(error) = execute(command, data.unwrap_or_default()).await
        {
            terminal::warning(&format!("--exec failed; the message will be redelivered: {error}"));
            self.history.reached(path, HandlingProgress::Printed);
            return Ok(false);
        }
        self.history.reached(path, HandlingProgress::Handled);
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
