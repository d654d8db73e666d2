//! The loop that connects a protocol of the core to its transport.
//!
//! ```text
//!                 fetch, settle                 entries, actions
//!   service <---------------------- protocol ----------------------> transport
//!           --- pages, wakeups ---> (core)   <------- events --------
//! ```
//! The protocol makes the decisions, the transport owns the socket or the streams of a request, and [`Driver::run`] is the
//! same for all of them.

use super::agent::{Agent, Next};
use pin_project_lite::pin_project;
use std::future::ready;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use webpush_core::session::{Command, DeliveryProtocol, End, Input, ProtocolCommand};
use webpush_service::client_addr::ClientAddr;
use webpush_service::page_memory::PageShare;
use webpush_service::queued_entry::QueuedEntry;
use webpush_store::StoreError;

type ActionOf<T> = <<T as Transport>::Protocol as DeliveryProtocol>::Action;

/// The part of a connection that differs between transports.
///
/// A method that returns `Break` ends [`Driver::run`] with that output.
pub(super) trait Transport: Sized + Send {
    type Protocol: DeliveryProtocol<Action: Send> + Send;

    /// An event of the transport, such as a frame that arrived.
    type Event: Send;

    type Output: Send;

    /// True to also call [`handle_wakeup`](Self::handle_wakeup) for wakeups without a change to the inbox.
    const HANDLES_WAKEUPS: bool = false;

    /// Returns the client that is charged for work and memory.
    fn client(&self) -> &ClientAddr;

    /// Returns the memory for pages of a connection that has many agents.
    fn page_share(&self) -> Option<&PageShare> {
        None
    }

    /// Returns true if another entry can be delivered now.
    fn is_ready(&self) -> bool;

    /// Returns false while a delivery must be completed before a deadline may end the session.
    fn can_end(&self) -> bool {
        true
    }

    /// Completes a batch of entries: no other can be delivered now.
    fn flush(&mut self) {}

    /// Waits for an event. Must be cancel safe.
    fn next_event(&mut self) -> impl Future<Output = Self::Event> + Send;

    fn handle_event(
        &mut self,
        event: Self::Event,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ControlFlow<Self::Output>> + Send;

    /// Handles a wakeup of the session registry, after the protocol has handled changes to the inbox.
    fn handle_wakeup(&mut self, _agent: &mut Agent<Self::Protocol>) {}

    /// Delivers an entry, or starts to.
    ///
    /// The agent's protocol must get one [`Input::Sent`] or [`Input::Skipped`] for each entry, now or after a later event.
    fn deliver(
        &mut self,
        entry: QueuedEntry,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ControlFlow<Self::Output>> + Send;

    /// Performs an action of the protocol, or returns it if it must be awaited.
    fn perform_now(
        &mut self,
        action: ActionOf<Self>,
        _agent: &mut Agent<Self::Protocol>,
    ) -> Option<ActionOf<Self>> {
        Some(action)
    }

    /// Performs an action that [`perform_now`](Self::perform_now) returned.
    fn perform(
        &mut self,
        _action: ActionOf<Self>,
        _agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ()> + Send {
        ready(())
    }

    /// Ends the stream after [`Command::Finish`], or after an error of the store.
    fn end(
        &mut self,
        end: Result<End, StoreError>,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ControlFlow<Self::Output>> + Send;

    /// Boxes a large future that is rarely needed, if idle agents of this transport must be small.
    fn store_future<F: Future + Send>(future: F) -> impl Future<Output = F::Output> + Send {
        future
    }
}

/// An agent and its transport.
pub(super) struct Driver<T: Transport> {
    pub(super) agent: Agent<T::Protocol>,
    pub(super) transport: T,
}

impl<T: Transport> Driver<T> {
    /// Runs until the transport breaks with an output.
    #[allow(clippy::manual_async_fn, reason = "the future of an `async fn` would store `self` twice")]
    pub(super) fn run(&mut self) -> impl Future<Output = T::Output> + Send {
        async move {
            loop {
                while let Some(work) = self.next_work() {
                    if let ControlFlow::Break(output) = work.await {
                        return output;
                    }
                }
                if !self.may_hold_page() {
                    let end = self.transport.end(Err(StoreError::Busy), &mut self.agent);
                    match T::store_future(end).await {
                        ControlFlow::Break(output) => return output,
                        ControlFlow::Continue(()) => continue,
                    }
                }
                let flow = match self.wait().await {
                    Next::Event(event) => self.transport.handle_event(event, &mut self.agent).await,
                    Next::Entry => T::store_future(self.deliver()).await,
                    Next::Wakeup => {
                        self.transport.handle_wakeup(&mut self.agent);
                        continue;
                    }
                    Next::Deadline => {
                        self.agent.handle(Input::Deadline.into());
                        continue;
                    }
                };
                if let ControlFlow::Break(output) = flow {
                    return output;
                }
            }
        }
    }

    /// Returns false if the agent does not take its page at once, and its network holds too many.
    fn may_hold_page(&mut self) -> bool {
        self.transport.is_ready() || self.charge_page()
    }

    /// Charges the page that waits to the client; false if its network holds too many.
    pub(super) fn charge_page(&mut self) -> bool {
        self.agent.charge_page(self.transport.client())
    }

    /// Waits for something to do.
    fn wait(&mut self) -> Wait<'_, T, impl Future<Output = T::Event> + Send> {
        let Self { agent, transport } = self;
        if !transport.is_ready() || agent.queue.is_empty() {
            transport.flush();
        }
        agent.prepare(transport.is_ready(), transport.can_end());
        Wait { agent, event: transport.next_event() }
    }

    /// Carries out the commands of the protocol.
    pub(super) async fn run_commands(&mut self) -> ControlFlow<T::Output> {
        while let Some(work) = self.next_work() {
            work.await?;
        }
        ControlFlow::Continue(())
    }

    /// Carries out commands up to the first one that must be awaited, and returns its future.
    fn next_work(&mut self) -> Option<impl Future<Output = ControlFlow<T::Output>> + Send> {
        loop {
            let command = self.agent.protocol.next_command()?;
            if let Some(command) = self.perform_now(command) {
                return Some(T::store_future(self.perform(command)));
            }
        }
    }

    /// Carries out a command, or returns it if it must be awaited.
    fn perform_now(&mut self, command: ProtocolCommand<ActionOf<T>>) -> Option<ProtocolCommand<ActionOf<T>>> {
        let Self { agent, transport } = self;
        match command {
            ProtocolCommand::Session(Command::Deliver(entry)) => {
                agent.queue.push_back(QueuedEntry::new(entry, agent.service().now()));
            }
            ProtocolCommand::Session(Command::Settle { entries, durable: false }) => {
                agent.service().settle_soon(entries);
            }
            ProtocolCommand::Session(_) => return Some(command),
            ProtocolCommand::Action(action) => {
                return transport.perform_now(action, agent).map(ProtocolCommand::Action);
            }
        }
        None
    }

    async fn perform(&mut self, command: ProtocolCommand<ActionOf<T>>) -> ControlFlow<T::Output> {
        let Self { agent, transport } = self;
        let result = match command {
            ProtocolCommand::Session(Command::Fetch { after }) => {
                agent.fetch(after, transport.client(), transport.page_share()).await
            }
            ProtocolCommand::Session(Command::Settle { entries, .. }) => {
                agent.service().settle_durably(entries).await
            }
            ProtocolCommand::Session(Command::Finish(end)) => return transport.end(Ok(end), agent).await,
            // `perform_now` has queued it.
            ProtocolCommand::Session(Command::Deliver(_)) => Ok(()),
            ProtocolCommand::Action(action) => {
                transport.perform(action, agent).await;
                Ok(())
            }
        };
        match result {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => transport.end(Err(error), agent).await,
        }
    }

    /// Delivers queued entries until the transport accepts no more.
    async fn deliver(&mut self) -> ControlFlow<T::Output> {
        while self.transport.is_ready() {
            let Some(entry) = self.agent.queue.pop_front() else { break };
            self.transport.deliver(entry, &mut self.agent).await?;
        }
        ControlFlow::Continue(())
    }
}

pin_project! {
    /// Waits for [`Agent::poll_next`]. The future of an `async fn` would be three times as large.
    struct Wait<'a, T: Transport, F> {
        agent: &'a mut Agent<T::Protocol>,
        #[pin]
        event: F,
    }
}

impl<T: Transport, F: Future> Future for Wait<'_, T, F> {
    type Output = Next<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.agent.poll_next(this.event, T::HANDLES_WAKEUPS, cx)
    }
}
