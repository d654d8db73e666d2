//! The loop: listen, deal with each message, acknowledge it, listen again.

use super::backoff::Backoff;
use super::message::{execute, print};
use super::resume::Resume;
use super::seen::{Progress, Seen};
use super::{ListenArgs, Via};
use crate::cli::exit::{Exit, Failure};
use crate::cli::terminal;
use std::time::{Duration, Instant};
use webpush_client::connection::Connector;
use webpush_client::error::ClientError;
use webpush_client::monitor::{self, Arriving, Event, Message, Monitor, Wait};
use webpush_client::state_file::HeldSubscription;

pub(super) struct Listener<'a> {
    args: &'a ListenArgs,
    connector: &'a Connector,
    held: &'a HeldSubscription,
    seen: Seen,
    resume: Resume,
    acknowledged: u64,
    undecryptable: bool,
}

impl<'a> Listener<'a> {
    pub(super) fn new(args: &'a ListenArgs, connector: &'a Connector, held: &'a HeldSubscription) -> Self {
        let (seen, resume) = (Seen::default(), Resume::default());
        Self { args, connector, held, seen, resume, acknowledged: 0, undecryptable: false }
    }

    /// Listens until it is enough or cannot go on.
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
                Err(Failure::Client(ClientError::Unavailable(sentence))) if !self.args.no_wait => {
                    let pause = backoff.after_failure(lasted, progress);
                    terminal::warning(&format!("{sentence}; trying again in {} s", pause.as_secs()));
                    pause
                }
                Err(failure) => return Err(failure),
            };
            if pause > Duration::ZERO {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// One monitoring request, until the server or the connection ends it, or it is enough.
    async fn listen_once(&mut self) -> Result<(), Failure> {
        let wait = if self.args.no_wait { Wait::Stored } else { Wait::BlockReason };
        let after = self.resume.begin();
        let via = match self.args.via {
            Via::Push => monitor::Via::Push,
            Via::Sse => monitor::Via::Events { after: after.as_deref() },
        };
        let mut monitor = Monitor::start(self.connector, &self.held.subscription, wait, via).await?;
        while !self.enough() {
            match monitor.next().await? {
                Event::Ended => break,
                Event::Message(arriving) => {
                    let settled = self.take(&mut monitor, arriving).await?;
                    self.resume.after(monitor.last_event_id(), settled);
                }
            }
        }
        Ok(())
    }

    /// Deals with one message; says whether it was acknowledged. Only what ends the verb is an error; otherwise the
    /// service sends it again.
    async fn take(&mut self, monitor: &mut Monitor, arriving: Arriving) -> Result<bool, Failure> {
        let message = match Message::receive(arriving, &self.held.keys).await {
            Ok(message) => message,
            Err(error) => {
                terminal::warning(&format!("a message did not arrive: {error}"));
                return Ok(false);
            }
        };
        let before = self.seen.progress(message.url.path());
        if matches!(before, None | Some(Progress::Printed)) && !self.handle(&message, before).await? {
            return Ok(false);
        }
        if let Err(error) = monitor.acknowledge(&message.url).await {
            terminal::warning(&format!("a message was not acknowledged and will come again: {error}"));
            return Ok(false);
        }
        if before != Some(Progress::Acknowledged) {
            self.seen.reached(message.url.path(), Progress::Acknowledged);
            self.acknowledged += 1;
        }
        Ok(true)
    }

    /// Prints a message and runs the command; says whether it is to be acknowledged.
    async fn handle(&mut self, message: &Message, before: Option<Progress>) -> Result<bool, Failure> {
        let path = message.url.path();
        let data = match &message.text {
            Ok(data) => data.as_deref(),
            Err(error) => {
                // It will not become readable by coming again.
                terminal::warning(&format!("a message cannot be decrypted: {error}"));
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
            terminal::warning(&format!("a message is not acknowledged and will come again: {error}"));
            self.seen.reached(path, Progress::Printed);
            return Ok(false);
        }
        self.seen.reached(path, Progress::Handled);
        Ok(true)
    }

    fn enough(&self) -> bool {
        self.args.count.is_some_and(|count| self.acknowledged >= count.get())
    }

    /// Messages that nobody can read are a failure only for who asked for a number of them.
    fn exit(&self) -> Exit {
        if self.undecryptable && self.args.count.is_some() { Exit::Undecryptable } else { Exit::Success }
    }
}
