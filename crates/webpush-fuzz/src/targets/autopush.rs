//! The WebSocket of a Firefox agent: any order of its messages and of events of the service.

use std::sync::Arc;
use std::time::Duration;
use webpush_core::id::{InboxId, Position};
use webpush_core::inbox::Entry;
use webpush_core::message::Draft;
use webpush_core::protocol::autopush::{
    Action, AutopushCommand, AutopushConnection, AutopushInput, AutopushTimeouts, Registration, Versions,
    names,
};
use webpush_core::session;
use webpush_core::time::Timestamp;

use super::sealing::{KEYRING, KEYS, draft};
use crate::input::Input;

pub(super) const TOKENS: &[&[u8]] = &[
    b"\nx{\"messageType\":\"hello\"}",
    b"\nx{\"messageType\":\"hello\",\"uaid\":\"c0ffee0001234567a9abcdef01234567\"}",
    b"\nx{\"messageType\":\"hello\",\"broadcasts\":{\"news\":\"0\"}}",
    b"\nx{\"messageType\":\"register\",\"channelID\":\"c0ffee00-0123-4567-89ab-cdef01234567\",\"key\":\"B\"}",
    b"\nx{\"messageType\":\"unregister\",\"channelID\":\"c0ffee0001234567a9abcdef01234567\",\"code\":200}",
    b"\nx{\"messageType\":\"ack\",\"updates\":[{\"version\":\"x\",\"code\":100}]}",
    b"\nx{\"messageType\":\"nack\",\"version\":\"x\",\"code\":301}",
    b"\nx{\"messageType\":\"urgency\",\"min\":\"high\"}",
    b"\nx{\"messageType\":\"broadcast_subscribe\",\"broadcasts\":{\"x\":\"\"}}",
    b"\nx{\"messageType\":\"ping\"}",
    b"\nx{}",
    b"\np",
    b"\nd",
    b"\ns",
    b"\nt1234567",
    b"\ne",
    b"\na",
    b"\\u0000",
    b"null",
];
/// No event has more commands.
const COMMANDS: usize = 200;
/// Messages in the inbox.
const MESSAGES: usize = 100;

/// A connection and its agent's inbox.
struct Run {
    connection: AutopushConnection,
    /// The messages that were committed, at positions from 1.
    inbox: Vec<InboxMessage>,
    is_closed: bool,
    now: Timestamp,
}

struct InboxMessage {
    draft: Draft,
    was_sent: bool,
    is_settled: bool,
}

/// Feeds a connection line by line: the first byte selects the event, the rest is its text.
pub(super) fn run(input: &[u8]) {
    let now = Timestamp::from_millis(1_000_000_000);
    let versions = Arc::new(Versions::from([("news".to_owned(), "1".to_owned())]));
    let connection = AutopushConnection::new(&AutopushTimeouts::default(), Arc::clone(&versions), now);
    let mut run = Run { connection, inbox: Vec::new(), is_closed: false, now };
    for line in input.split(|byte| *byte == b'\n') {
        let Some((kind, rest)) = line.split_first() else { continue };
        run.event(*kind, rest, &versions);
        let mut commands = 0;
        while let Some(command) = run.connection.next_command() {
            commands += 1;
            assert!(commands < COMMANDS, "the commands of one event do not end");
            run.command(command);
        }
        assert!(run.connection.next_deadline().is_none_or(|_| !run.is_closed), "a closed connection waits");
    }
}

impl Run {
    fn event(&mut self, kind: u8, rest: &[u8], versions: &Arc<Versions>) {
        let input = match kind {
            b'p' => AutopushInput::Ping,
            b'h' => AutopushInput::Activity,
            b's' => AutopushInput::Superseded,
            b'v' => AutopushInput::Broadcasts(Arc::clone(versions)),
            b'd' => AutopushInput::Draining(self.now.after(Duration::from_secs(5))),
            b't' => {
                self.now = self.now.after(Duration::from_secs(rest.len() as u64 * 30));
                AutopushInput::Deadline
            }
            b'e' => return self.commit(&mut Input::new(rest)),
            b'a' => return self.acknowledge(rest.len()),
            _ => match str::from_utf8(rest) {
                Ok(text) => AutopushInput::Text(text, &KEYRING),
                Err(_) => return,
            },
        };
        self.connection.handle(input, self.now);
    }

    /// Commits a message, which the session hears of.
    fn commit(&mut self, input: &mut Input<'_>) {
        if self.connection.session().is_none() || self.inbox.len() == MESSAGES {
            return;
        }
        let previous = Position::new(self.inbox.len() as u64);
        let draft =
            Draft { accepted: self.now, expires: self.now.after(Duration::from_secs(3600)), ..draft(input) };
        self.inbox.push(InboxMessage { draft, was_sent: false, is_settled: false });
        let entries: Vec<_> = self.entries(previous).collect();
        let last = Position::new(self.inbox.len() as u64);
        let update = session::InboxUpdate { previous, last, entries, live: Vec::new(), missed: false };
        self.connection.handle(AutopushInput::Session(session::Input::Update(update)), self.now);
    }

    /// Acknowledges a message that was sent by its version, perhaps again.
    fn acknowledge(&mut self, number: usize) {
        let Some(message) = self.inbox.get(number).filter(|message| message.was_sent) else { return };
        let agent = self.connection.scope().map_or(InboxId::from_bytes([0; 16]), |scope| scope.inbox);
        let position = Position::new(number as u64 + 1);
        let entry = Draft { agent, ..message.draft.clone() }.into_message(position);
        let version = names::version(entry.entry_ref(), KEYS[0], &KEYRING).unwrap();
        let text = format!(r#"{{"messageType":"ack","updates":[{{"version":"{version}"}}]}}"#);
        self.connection.handle(AutopushInput::Text(&text, &KEYRING), self.now);
    }

    fn command(&mut self, command: AutopushCommand) {
        let settles = matches!(command, AutopushCommand::Session(session::Command::Settle { .. }));
        assert!(settles || !self.is_closed, "{command:?} after the close");
        let input = match command {
            AutopushCommand::Action(Action::Send(text)) => {
                let reply: serde_json::Value = serde_json::from_str(&text).expect("a reply is JSON");
                assert!(reply.is_object());
                return;
            }
            AutopushCommand::Action(Action::Identify(agent)) => {
                AutopushInput::Identified(agent.unwrap_or_else(|| names::new_agent([7; 16])))
            }
            AutopushCommand::Action(Action::Register { channel, .. }) => {
                let endpoint = Registration::Endpoint("https://push.example/push/x".to_owned());
                AutopushInput::Registered(channel, endpoint)
            }
            AutopushCommand::Action(Action::Unregister { channel, .. }) => {
                AutopushInput::Unregistered(channel, 200)
            }
            AutopushCommand::Session(session::Command::Fetch { after }) => {
                AutopushInput::Session(session::Input::Fetched(self.page(after)))
            }
            AutopushCommand::Action(Action::Close(_)) => {
                self.is_closed = true;
                return;
            }
            AutopushCommand::Session(session::Command::Deliver(entry)) => {
                let position = entry.entry_ref().position.get();
                let message = &mut self.inbox[usize::try_from(position).unwrap() - 1];
                assert!(!message.is_settled, "a settled message is sent");
                message.was_sent = true;
                AutopushInput::Session(session::Input::Sent { confirmed: false })
            }
            AutopushCommand::Session(session::Command::Settle { entries, .. }) => {
                for entry in entries {
                    let message = &mut self.inbox[usize::try_from(entry.position.get()).unwrap() - 1];
                    assert!(message.was_sent, "a message is settled that was not sent");
                    message.is_settled = true;
                }
                return;
            }
            AutopushCommand::Session(session::Command::Finish(_))
            | AutopushCommand::Action(Action::Ping | Action::ReportError { .. }) => return,
        };
        self.connection.handle(input, self.now);
    }

    /// Returns the entries after a position that were not settled.
    fn entries(&self, after: Position) -> impl Iterator<Item = Entry> {
        let agent = self.connection.scope().map_or(InboxId::from_bytes([0; 16]), |scope| scope.inbox);
        let numbered = self.inbox.iter().zip(1..).filter(move |(_, number)| *number > after.get());
        numbered.filter(|(message, _)| !message.is_settled).map(move |(message, number)| {
            let draft = Draft { agent, ..message.draft.clone() };
            Entry::Message(Arc::new(draft.into_message(Position::new(number))))
        })
    }

    fn page(&self, after: Position) -> session::Page {
        let mut rest = self.entries(after);
        let entries: Vec<Entry> = rest.by_ref().take(session::FETCH_ENTRIES).collect();
        let more = rest.next().is_some();
        let end = Position::new(self.inbox.len() as u64).max(after);
        let scanned = entries.last().filter(|_| more).map_or(end, Entry::position);
        session::Page { entries, scanned, more }
    }
}
