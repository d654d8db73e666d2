//! The loop that connects a protocol of the core to its transport.
//!
//! ```text
//!                 fetch, settle                 entries, actions
//!   service <---------------------- protocol ----------------------> transport
//!           --- pages, wakeups ---> (core)   <------- events --------
//! ```
//! The protocol decides, the transport owns the socket or the streams of a request, and [`Driver::run`] is the same for
//! all of them.

use super::entry::QueuedEntry;
use super::timer::Timer;
use crate::server::HttpServer;
use pin_project_lite::pin_project;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use tokio::time::Instant;
use webpush_core::id::{EntryRef, Position};
use webpush_core::message::Outcome;
use webpush_core::session::{Command, DeliveryProtocol, End, Input, ProtocolCommand, Queue};
use webpush_service::service::{SentMessage, Service};
use webpush_service::session_registry::{BlockReason, SessionHandle, Wakeup};
use webpush_store::{Durability, Op, StoreError};

type CommandOf<T> = ProtocolCommand<<<T as Transport>::Protocol as DeliveryProtocol>::Action>;

/// What is particular to one transport.
///
/// A call that returns `Break` ends [`Driver::run`] with that output.
pub(super) trait Transport: Sized + Send {
    /// The protocol that is spoken on it.
    type Protocol: DeliveryProtocol<Action: Send> + Send;

    /// An event of the transport, such as a frame that arrived or progress of a body.
    type Event: Send;

    /// The result of [`Driver::run`].
    type Output: Send;

    /// Returns true if another entry can be delivered now.
    fn is_ready(&self) -> bool;

    /// Returns true unless something was begun that must be completed before a deadline may end the session.
    fn can_end(&self) -> bool {
        true
    }

    /// Completes a batch of entries: no other can be delivered now.
    fn flush(&mut self) {}

    /// Waits for an event. The future is dropped if something else happens first.
    fn next_event(&mut self) -> impl Future<Output = Self::Event> + Send;

    /// Handles an event.
    fn handle_event(
        &mut self,
        event: Self::Event,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ControlFlow<Self::Output>> + Send;

    /// Wakeups that are no news of the inbox end a wait as well, for [`handle_wakeup`](Self::handle_wakeup).
    const HANDLES_WAKEUPS: bool = false;

    /// Handles a wakeup of the registry, which may concern more than the inbox.
    fn handle_wakeup(&mut self, _agent: &mut Agent<Self::Protocol>) {}

    /// Delivers an entry, or begins to.
    ///
    /// Each entry ends in one call of [`Agent::sent`] or [`Agent::withheld`], now or with a later event.
    fn deliver(
        &mut self,
        entry: QueuedEntry,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ControlFlow<Self::Output>> + Send;

    /// Performs an action of the protocol, or returns it if that takes waiting.
    fn perform_now(
        &mut self,
        action: <Self::Protocol as DeliveryProtocol>::Action,
        _agent: &mut Agent<Self::Protocol>,
    ) -> Option<<Self::Protocol as DeliveryProtocol>::Action> {
        Some(action)
    }

    /// Performs an action that [`perform_now`](Self::perform_now) returned.
    fn perform(
        &mut self,
        action: <Self::Protocol as DeliveryProtocol>::Action,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ()> + Send;

    /// Ends the stream after [`Command::Finish`], or after a failure of the store: entries stay in the inbox.
    fn end(
        &mut self,
        end: Result<End, StoreError>,
        agent: &mut Agent<Self::Protocol>,
    ) -> impl Future<Output = ControlFlow<Self::Output>> + Send;

    /// Stores a future that is rare and large. A transport whose idle agents must be small puts it on the heap.
    fn store_future<F: Future + Send>(future: F) -> impl Future<Output = F::Output> + Send {
        future
    }
}

/// A connected agent, as far as all transports have it.
pub(super) struct Agent<P> {
    pub(super) server: Arc<HttpServer>,
    pub(super) protocol: P,
    /// `None` until the agent is known, and after its connection was closed.
    pub(super) listener: Option<SessionHandle>,
    /// Entries that the session handed out and the transport has not begun.
    pub(super) queue: Queue<QueuedEntry>,
    timer: Timer,
    /// The source of events that is polled first, so that none starves the others.
    turn: u8,
    /// See [`Transport::is_ready`].
    is_ready: bool,
    /// See [`Transport::can_end`].
    can_end: bool,
    /// See [`Transport::HANDLES_WAKEUPS`].
    handles_wakeups: bool,
}

/// What ends a wait.
enum Next<E> {
    Event(E),
    Wakeup,
    /// An entry can be delivered.
    Entry,
    Deadline,
}

/// Sources that take turns: events of the transport, wakeups, and entries that can be delivered.
const SOURCES: u8 = 3;

/// An agent and its transport.
pub(super) struct Driver<T: Transport> {
    pub(super) agent: Agent<T::Protocol>,
    pub(super) transport: T,
}

impl<T: Transport> Driver<T> {
    /// Runs until the transport breaks with an output.
    pub(super) async fn run(&mut self) -> T::Output {
        loop {
            while let Some(work) = self.next_work() {
                if let ControlFlow::Break(output) = work.await {
                    return output;
                }
            }
            self.prepare();
            let Self { agent, transport } = self;
            let next = Wait { agent, event: transport.next_event() }.await;
            let flow = match next {
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

    /// Carries out the commands that are due.
    pub(super) async fn run_commands(&mut self) -> ControlFlow<T::Output> {
        while let Some(work) = self.next_work() {
            work.await?;
        }
        ControlFlow::Continue(())
    }

    /// Carries out commands up to the next one that takes waiting, and returns that.
    fn next_work(&mut self) -> Option<impl Future<Output = ControlFlow<T::Output>> + Send> {
        loop {
            let command = self.agent.protocol.next_command()?;
            if let Some(command) = self.perform_now(command) {
                return Some(T::store_future(self.perform(command)));
            }
        }
    }

    /// Carries out a command, or returns it if that takes waiting.
    fn perform_now(&mut self, command: CommandOf<T>) -> Option<CommandOf<T>> {
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

    async fn perform(&mut self, command: CommandOf<T>) -> ControlFlow<T::Output> {
        let Self { agent, transport } = self;
        let done = match command {
            ProtocolCommand::Session(Command::Fetch { after }) => agent.fetch(after).await,
            ProtocolCommand::Session(Command::Settle { entries, .. }) => {
                settle(agent.service(), entries).await
            }
            ProtocolCommand::Session(Command::Finish(end)) => {
                return transport.end(Ok(end), agent).await;
            }
            ProtocolCommand::Action(action) => {
                transport.perform(action, agent).await;
                Ok(())
            }
            // `perform_now` has queued it.
            ProtocolCommand::Session(Command::Deliver(_)) => Ok(()),
        };
        match done {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => transport.end(Err(error), agent).await,
        }
    }

    /// Delivers queued entries until the transport takes no more.
    async fn deliver(&mut self) -> ControlFlow<T::Output> {
        while self.transport.is_ready() {
            let Some(entry) = self.agent.queue.pop_front() else { break };
            self.transport.deliver(entry, &mut self.agent).await?;
        }
        ControlFlow::Continue(())
    }

    /// Prepares a wait for the next event.
    fn prepare(&mut self) {
        let Self { agent, transport } = self;
        if !transport.is_ready() || agent.queue.is_empty() {
            transport.flush();
        }
        (agent.is_ready, agent.can_end) = (transport.is_ready(), transport.can_end());
        agent.handles_wakeups = T::HANDLES_WAKEUPS;
        agent.report();
    }
}

pin_project! {
    /// A wait for the next event. Not an `async fn`, whose future would be three times as large.
    struct Wait<'a, P, F> {
        agent: &'a mut Agent<P>,
        #[pin]
        event: F,
    }
}

impl<P: DeliveryProtocol, F: Future> Future for Wait<'_, P, F> {
    type Output = Next<F::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        this.agent.poll_next(this.event, cx)
    }
}

impl<P: DeliveryProtocol> Agent<P> {
    /// Creates an agent; one that is known by its URL has a listener.
    pub(super) fn new(server: Arc<HttpServer>, protocol: P, listener: Option<SessionHandle>) -> Self {
        let (queue, timer) = (Queue::default(), Timer::default());
        Self {
            server,
            protocol,
            listener,
            queue,
            timer,
            turn: 0,
            is_ready: false,
            can_end: true,
            handles_wakeups: false,
        }
    }

    pub(super) fn service(&self) -> &Service {
        &self.server.service
    }

    pub(super) fn handle(&mut self, input: P::Input<'_>) {
        self.protocol.handle(input, self.server.service.now());
    }

    /// The oldest entry was handed over, and its agent will acknowledge it.
    pub(super) fn sent(&mut self, sent: Option<SentMessage>) {
        let now = self.service().now();
        self.service().record_sent(sent, now);
        self.protocol.handle(Input::Sent { confirmed: false }.into(), now);
    }

    /// The oldest entry is no longer wanted, or cannot be sent.
    pub(super) fn withheld(&mut self) {
        self.handle(Input::Skipped.into());
    }

    async fn fetch(&mut self, after: Position) -> Result<(), StoreError> {
        let Some(session) = self.protocol.session() else { return Ok(()) };
        let page = self.server.service.fetch(session.scope(), after, self.service().now()).await?;
        let passed_over = page.entries.is_empty() && page.more;
        self.handle(Input::Fetched(page).into());
        if passed_over {
            // A long inbox with nothing for this session must not hold up the others of its thread.
            tokio::task::yield_now().await;
        }
        Ok(())
    }

    /// Records why messages wait, for those who ask about one.
    fn report(&self) {
        if let (Some(listener), Some(session)) = (&self.listener, self.protocol.session()) {
            let reason = match (session.is_full(), self.is_ready) {
                (true, _) => BlockReason::Window,
                (false, false) => BlockReason::Socket,
                (false, true) => BlockReason::Nothing,
            };
            listener.set_block_reason(reason, session.scope().min_urgency);
        }
    }

    fn poll_next<E>(
        &mut self,
        mut event: Pin<&mut impl Future<Output = E>>,
        cx: &mut Context<'_>,
    ) -> Poll<Next<E>> {
        let can_deliver = self.is_ready && !self.queue.is_empty();
        let can_take = self.protocol.session().is_none_or(|session| !session.is_sending());
        self.turn = (self.turn + 1) % SOURCES;
        for source in 0..SOURCES {
            let poll = match (self.turn + source) % SOURCES {
                0 => event.as_mut().poll(cx).map(Next::Event),
                1 => self.poll_wakeup(can_take, cx).map(|()| Next::Wakeup),
                _ if can_deliver => Poll::Ready(Next::Entry),
                _ => Poll::Pending,
            };
            if poll.is_ready() {
                return poll;
            }
        }
        if self.can_end { self.poll_deadline(can_take, cx).map(|()| Next::Deadline) } else { Poll::Pending }
    }

    /// Takes news of the inbox. While entries are being sent only an end is taken; the registry keeps the rest, and the
    /// event that the transport waits for must not be dropped for it.
    fn poll_wakeup(&mut self, can_take: bool, cx: &mut Context<'_>) -> Poll<()> {
        let Some(listener) = &self.listener else { return Poll::Pending };
        let Wakeup { update, removed, superseded, .. } = loop {
            if can_take || listener.is_removed() || listener.is_superseded() {
                let wakeup = listener.take();
                if wakeup.update.is_some() || wakeup.removed || wakeup.superseded {
                    break wakeup;
                }
            }
            ready!(listener.poll_notified(cx));
            if self.handles_wakeups {
                return Poll::Ready(());
            }
        };
        if superseded {
            self.handle(Input::Superseded.into());
        }
        if removed {
            self.handle(Input::Gone.into());
        }
        if let Some(update) = update {
            self.handle(Input::Update(*update).into());
        }
        Poll::Ready(())
    }

    fn poll_deadline(&mut self, is_idle: bool, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.protocol.next_deadline() else {
            if is_idle {
                self.timer.clear();
            }
            return Poll::Pending;
        };
        let left = self.server.service.now().until(deadline);
        self.timer.poll_until(Instant::now() + left, cx)
    }
}
/// Settles acknowledged entries durably.
///
/// It is awaited, so that an agent that acknowledges without end is slowed down.
async fn settle(service: &Service, entries: Vec<EntryRef>) -> Result<(), StoreError> {
    service.record_acknowledged(&entries);
    let ops = entries.into_iter().map(|entry| Op::Settle(entry, Outcome::Delivered)).collect();
    service.commit(ops, Durability::Durable).await.map(drop)
}

#[cfg(test)]
pub(super) mod tests;
