//! Properties under any order of inputs.

use super::*;
use crate::session::{FETCH_ENTRIES, SESSION_LIVE_MESSAGES};
use crate::session::{InboxUpdate, Page};
use proptest::prelude::*;

/// Maximum number of commands after one input: a page, the waiting TTL 0 messages, and a few replies.
const MAX_COMMANDS: usize = FETCH_ENTRIES + SESSION_LIVE_MESSAGES + 4;

#[derive(Clone, Debug)]
enum Step {
    Text(String),
    Acknowledged(u64),
    Ping,
    Activity,
    Identified,
    Registered(bool),
    Unregistered,
    Fetched { entries: u64, more: bool },
    InboxUpdate { entries: u64, live: bool, missed: bool },
    Sent,
    Skipped,
    Gone,
    Broadcasts(u8),
    Superseded,
    Close,
    Draining(u8),
    Wait(u16),
}

fn text() -> impl Strategy<Value = String> {
    let kinds =
        ["hello", "register", "unregister", "ack", "nack", "broadcast_subscribe", "urgency", "ping", "x"];
    let member = prop::sample::select(vec![
        r#""uaid":"c0ffee0001234567a9abcdef01234567""#,
        r#""channelID":"c0ffee00-0123-4567-89ab-cdef01234567""#,
        r#""channelID":"x""#,
        r#""channelID":7"#,
        r#""key":"BN""#,
        r#""broadcasts":{"news":"1","x":"2"}"#,
        r#""updates":[{"version":"x"}]"#,
        r#""min":"high""#,
        r#""min":"very-low""#,
        r#""min":"loud""#,
    ]);
    prop_oneof![
        8 => (prop::sample::select(kinds.to_vec()), prop::collection::vec(member, 0..3)).prop_map(|(kind, members)| {
            let members: String = members.iter().map(|member| format!(",{member}")).collect();
            format!(r#"{{"messageType":"{kind}"{members}}}"#)
        }),
        1 => Just("{}".to_owned()),
        1 => "\\PC{0,20}",
        1 => r#"[{}\[\]":,a-z0-9\\ ]{0,20}"#,
    ]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        12 => text().prop_map(Step::Text),
        3 => (0_u64..80).prop_map(Step::Acknowledged),
        1 => Just(Step::Ping),
        1 => Just(Step::Activity),
        6 => Just(Step::Identified),
        1 => any::<bool>().prop_map(Step::Registered),
        1 => Just(Step::Unregistered),
        6 => (0_u64..33, any::<bool>()).prop_map(|(entries, more)| Step::Fetched { entries, more }),
        4 => (0_u64..33, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(entries, live, missed)| Step::InboxUpdate { entries, live, missed }),
        12 => Just(Step::Sent),
        2 => Just(Step::Skipped),
        1 => Just(Step::Gone),
        1 => any::<u8>().prop_map(Step::Broadcasts),
        1 => Just(Step::Superseded),
        1 => Just(Step::Close),
        1 => any::<u8>().prop_map(Step::Draining),
        3 => any::<u16>().prop_map(Step::Wait),
    ]
}

/// A connection, and the state of its driver.
struct Driver {
    connection: AutopushConnection,
    keyring: Keyring,
    now: Timestamp,
    /// The last position of the inbox.
    last: u64,
}

impl Driver {
    fn new() -> Self {
        Self { connection: open(), keyring: keyring(), now: NOW, last: 0 }
    }

    fn entries(&mut self, number: u64) -> Vec<crate::inbox::Entry> {
        let from = self.last + 1;
        self.last += number;
        (from..=self.last).map(session::tests::entry).collect()
    }

    /// Passes an input and returns the commands.
    fn run(&mut self, step: &Step) -> Vec<AutopushCommand> {
        let channel = || ChannelName::parse(CHANNEL.to_owned()).unwrap();
        let session = match step {
            Step::Text(text) => {
                self.connection.handle(AutopushInput::Text(text, &self.keyring), self.now);
                return commands(&mut self.connection);
            }
            Step::Acknowledged(position) => {
                let text = ack(entry(*position));
                self.connection.handle(AutopushInput::Text(&text, &self.keyring), self.now);
                return commands(&mut self.connection);
            }
            Step::Fetched { entries, more } => {
                let entries = self.entries(*entries);
                session::Input::Fetched(Page { entries, scanned: Position::new(self.last), more: *more })
            }
            Step::InboxUpdate { entries, live, missed } => {
                let previous = Position::new(self.last);
                let entries = self.entries(*entries);
                let live = if *live { vec![session::tests::live()] } else { Vec::new() };
                let last = Position::new(self.last);
                session::Input::Update(InboxUpdate { previous, last, entries, live, missed: *missed })
            }
            Step::Sent => session::Input::Sent { confirmed: false },
            Step::Skipped => session::Input::Skipped,
            Step::Gone => session::Input::Gone,
            Step::Ping => return self.handle(AutopushInput::Ping),
            Step::Activity => return self.handle(AutopushInput::Activity),
            Step::Identified => return self.handle(AutopushInput::Identified(agent())),
            Step::Registered(true) => {
                return self
                    .handle(AutopushInput::Registered(channel(), Registration::Endpoint("/push/x".into())));
            }
            Step::Registered(false) => {
                let refused = Registration::Refused { status: 429, reason: "Too many".into() };
                return self.handle(AutopushInput::Registered(channel(), refused));
            }
            Step::Unregistered => return self.handle(AutopushInput::Unregistered(channel(), 200)),
            Step::Broadcasts(version) => {
                let versions = Versions::from([("news".to_owned(), version.to_string())]);
                return self.handle(AutopushInput::Broadcasts(Arc::new(versions)));
            }
            Step::Superseded => return self.handle(AutopushInput::Superseded),
            Step::Close => return self.handle(AutopushInput::Close(Close::new(1013, "later"))),
            Step::Draining(seconds) => {
                let at = self.now.after(Duration::from_secs((*seconds).into()));
                return self.handle(AutopushInput::Draining(at));
            }
            Step::Wait(seconds) => {
                self.now = self.now.after(Duration::from_secs((*seconds).into()));
                return match self.connection.next_deadline() {
                    Some(deadline) if deadline <= self.now => self.handle(AutopushInput::Deadline),
                    _ => Vec::new(),
                };
            }
        };
        self.handle(AutopushInput::Session(session))
    }

    fn handle(&mut self, input: AutopushInput<'_>) -> Vec<AutopushCommand> {
        self.connection.handle(input, self.now);
        commands(&mut self.connection)
    }
}

proptest! {
    /// Nothing panics, and only settling follows a close.
    ///
    /// Each input leads to a bounded number of commands, and equal inputs to equal commands.
    #[test]
    fn any_input_in_any_order(steps in prop::collection::vec(step(), 0..60)) {
        let (mut one, mut other) = (Driver::new(), Driver::new());
        let mut closed = false;
        for step in &steps {
            let commands = one.run(step);
            prop_assert_eq!(&commands, &other.run(step));
            prop_assert!(commands.len() <= MAX_COMMANDS, "{} commands", commands.len());
            for command in commands {
                let settles = matches!(command, AutopushCommand::Session(session::Command::Settle { .. }));
                prop_assert!(settles || !closed, "{:?} after the close", command);
                closed |= matches!(command, AutopushCommand::Action(Action::Close(_)));
            }
            prop_assert!(!closed || one.connection.next_deadline().is_none());
        }
    }

    /// A deadline that was handled is not returned again, which would make the driver spin.
    #[test]
    fn a_handled_deadline_is_not_repeated(steps in prop::collection::vec(step(), 0..40)) {
        let mut driver = Driver::new();
        for step in &steps {
            driver.run(step);
            for _ in 0..4 {
                let Some(deadline) = driver.connection.next_deadline() else { break };
                if deadline > driver.now {
                    break;
                }
                driver.handle(AutopushInput::Deadline);
            }
            prop_assert!(driver.connection.next_deadline().is_none_or(|deadline| deadline > driver.now));
        }
    }
}
