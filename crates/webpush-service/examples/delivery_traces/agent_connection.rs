//! A listening agent or sender: a session of the core, its registration and its queue.

use crate::machine::Machine;
use crate::recorder::{AGENT, Recorder, SENDER, key, key_text};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use webpush_core::id::EntryRef;
use webpush_core::inbox::OutboundEntry;
use webpush_core::session::{Command, Input, Scope, Session, WaitMode};
use webpush_core::time::Timestamp;
use webpush_core::urgency::Urgency;
use webpush_service::queued_entry::QueuedEntry;
use webpush_service::service::Service;
use webpush_service::session_registry::{SessionHandle, TransportKind};
use webpush_store::StoreError;

/// `timeout` and `redelivery` in `model/replay.qnt`.
const TIMEOUT: Duration = Duration::from_secs(60);

/// Kinds of sessions, which differ in their acknowledgements and in their end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A WebSocket: the agent has one, and acknowledges on it.
    Exclusive,
    /// A held GET, whose messages are acknowledged by other requests and sent again.
    Held,
    /// A GET that ends when everything is sent.
    Brief,
    /// A held GET of the sender, whose transport confirms the delivery of receipts.
    Receipts,
}

pub(crate) struct AgentConnection {
    pub(crate) kind: Kind,
    pub(crate) is_over: bool,
    id: usize,
    service: Arc<Service>,
    recorder: Recorder,
    handle: SessionHandle,
    session: Session,
    queue: VecDeque<(EntryRef, QueuedEntry)>,
    /// Sent and not acknowledged.
    sent: Vec<EntryRef>,
    /// The highest position that was handed out.
    newest: u64,
}

impl AgentConnection {
    pub(crate) fn open(
        id: usize,
        kind: Kind,
        node: usize,
        service: &Arc<Service>,
        recorder: &Recorder,
    ) -> Self {
        let inbox = if kind == Kind::Receipts { SENDER } else { AGENT };
        recorder.record(format!(
            "Open({{ session: {id}, inbox: {}, node: {node}, isExclusive: {}, isHeld: {} }})",
            u8::from(inbox == AGENT),
            kind == Kind::Exclusive,
            matches!(kind, Kind::Held | Kind::Receipts),
        ));
        let scope = Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow };
        let register = |transport| service.registry.register(&scope, transport).unwrap();
        let held = || Session::new(scope, WaitMode::Indefinite, Some(TIMEOUT));
        let (handle, session) = match kind {
            Kind::Exclusive => {
                let handle = service.register_exclusive(&scope, TransportKind::Autopush);
                (handle, Session::windowed(scope, TIMEOUT))
            }
            Kind::Held => (register(TransportKind::Rfc8030), held()),
            Kind::Brief => {
                (register(TransportKind::Rfc8030), Session::new(scope, WaitMode::UntilEmpty, None))
            }
            Kind::Receipts => (register(TransportKind::Events), held()),
        };
        let (service, recorder) = (Arc::clone(service), recorder.clone());
        let (queue, sent) = (VecDeque::new(), Vec::new());
        Self { kind, is_over: false, id, service, recorder, handle, session, queue, sent, newest: 0 }
    }

    /// Handles what has happened, and carries out commands until the session waits.
    pub(crate) async fn run(&mut self, machine: &mut Machine) {
        if self.is_over {
            return;
        }
        self.take_wakeup();
        let now = self.service.now();
        if self.session.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.session.handle(Input::Deadline, now);
        }
        if self.carry_out(machine).await.is_err() {
            self.close();
        }
    }

    /// Handles an end at once, and an update once nothing waits to be sent.
    ///
    /// The driver of connections does the same.
    fn take_wakeup(&mut self) {
        let (is_idle, now) = (!self.session.is_sending(), self.service.now());
        let wakeup = self.handle.take_if(|wakeup| wakeup.is_end() || is_idle && wakeup.update.is_some());
        let Some(wakeup) = wakeup else { return };
        if wakeup.superseded {
            self.session.handle(Input::Superseded, now);
        }
        if let Some(update) = wakeup.update {
            self.session.handle(Input::Update(*update), now);
        }
    }

    async fn carry_out(&mut self, machine: &mut Machine) -> Result<(), StoreError> {
        let mut handed_out = Vec::new();
        while let Some(command) = self.session.next_command() {
            let now = self.service.now();
            if let Command::Deliver(OutboundEntry::Stored(entry)) = command {
                handed_out.push(entry.position().get());
                let (reference, outbound) = (entry.entry_ref(), OutboundEntry::Stored(entry));
                self.queue.push_back((reference, QueuedEntry::new(outbound, now)));
                continue;
            }
            self.record_handed_out(std::mem::take(&mut handed_out));
            match command {
                Command::Fetch { after } => {
                    let page = self.service.fetch(None, self.session.scope(), after, now).await?;
                    self.session.handle(Input::Fetched(page), now);
                }
                Command::Settle { entries, durable: false } => machine.settle_soon(&self.service, entries),
                Command::Settle { entries, durable: true } => {
                    self.settle_durably(machine, entries).await?;
                }
                Command::Finish(_) => self.close(),
                Command::Deliver(_) => panic!("the model has no messages that are not stored"),
            }
        }
        self.record_handed_out(handed_out);
        Ok(())
    }

    fn record_handed_out(&mut self, positions: Vec<u64>) {
        let Some(last) = positions.last() else { return };
        let event = if *last > self.newest { "HandOut" } else { "HandOutAgain" };
        self.newest = self.newest.max(*last);
        self.recorder.record(format!("{event}({{ session: {}, positions: {positions:?} }})", self.id));
    }

    async fn settle_durably(&self, machine: &mut Machine, entries: Vec<EntryRef>) -> Result<(), StoreError> {
        machine.settle_durably(&self.service, entries.clone()).await?;
        for entry in entries {
            self.recorder.record(format!("ConfirmEnd({})", key_text(key(&entry))));
        }
        Ok(())
    }

    /// Sends the oldest entry that waits, if it is still wanted. Returns false if none waits.
    pub(crate) async fn send(&mut self, is_confirmed: bool) -> bool {
        if self.is_over {
            return false;
        }
        let Some((entry, queued)) = self.queue.pop_front() else { return false };
        let (id, position) = (self.id, entry.position.get());
        let is_wanted = queued.is_wanted(&self.service).await;
        let event = if is_wanted { "Send" } else { "Skip" };
        self.recorder.record(format!("{event}({{ session: {id}, position: {position} }})"));
        let input = if is_wanted {
            let confirmed = is_confirmed && self.kind == Kind::Receipts;
            if confirmed {
                self.record_acknowledged(&entry);
            } else if !self.sent.contains(&entry) {
                self.sent.push(entry);
            }
            Input::Sent { confirmed }
        } else {
            Input::Skipped
        };
        self.session.handle(input, self.service.now());
        true
    }

    /// Acknowledges some of the messages that the agent got, in any order.
    pub(crate) async fn acknowledge(
        &mut self,
        machine: &mut Machine,
        mut choose: impl FnMut(usize) -> usize,
    ) {
        if self.is_over || self.kind == Kind::Receipts || self.sent.is_empty() {
            return;
        }
        let count = 1 + choose(self.sent.len().min(8));
        let entries: Vec<_> = (0..count).map(|_| self.sent.swap_remove(choose(self.sent.len()))).collect();
        entries.iter().for_each(|entry| self.record_acknowledged(entry));
        let result = if self.kind == Kind::Exclusive {
            self.session.handle(Input::Acknowledged(entries), self.service.now());
            self.carry_out(machine).await
        } else {
            self.settle_durably(machine, entries).await
        };
        if result.is_err() {
            self.close();
        }
    }

    fn record_acknowledged(&self, entry: &EntryRef) {
        let position = entry.position.get();
        self.recorder.record(format!("Acknowledge({{ session: {}, position: {position} }})", self.id));
    }

    /// Lets the session do all that it can, and records that it then has nothing to do.
    pub(crate) async fn become_idle(&mut self, machine: &mut Machine) {
        loop {
            self.run(machine).await;
            if self.queue.is_empty() || self.is_over {
                break;
            }
            while self.send(true).await {}
        }
        machine.settle_now(&self.service);
        if !self.is_over {
            self.recorder.record(format!("Idle({})", self.id));
        }
    }

    /// Returns when a held request has to send entries again.
    pub(crate) fn redelivery(&self) -> Option<Timestamp> {
        self.session.next_deadline().filter(|_| !self.is_over && self.is_held())
    }

    pub(crate) fn is_held(&self) -> bool {
        matches!(self.kind, Kind::Held | Kind::Receipts)
    }

    pub(crate) fn close(&mut self) {
        if !std::mem::replace(&mut self.is_over, true) {
            self.recorder.record(format!("Close({})", self.id));
        }
    }
}
