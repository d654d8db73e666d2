//! What no order of inputs may break.

use super::*;
use crate::session::{FETCH_ENTRIES, SESSION_LIVE_MESSAGES};
use crate::session::{InboxUpdate, Page};
use proptest::prelude::*;

/// More commands than any one input can lead to: a page or what waited of TTL 0, and something to say.
const MOST_COMMANDS: usize = FETCH_ENTRIES + SESSION_LIVE_MESSAGES + 4;

#[derive(Clone, Debug)]
enum Happens {
    Text(String),
    Acknowledged(u64),
    Pinged,
    Heard,
    Identified,
    Registered(bool),
    Unregistered,
    Fetched { entries: u64, more: bool },
    InboxUpdate { entries: u64, live: bool, missed: bool },
    Sent,
    Withheld,
    Gone,
    Broadcasts(u8),
    Superseded,
    Refused,
    Draining(u8),
    Passes(u16),
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

fn happens() -> impl Strategy<Value = Happens> {
    prop_oneof![
        12 => text().prop_map(Happens::Text),
        3 => (0_u64..80).prop_map(Happens::Acknowledged),
        1 => Just(Happens::Pinged),
        1 => Just(Happens::Heard),
        6 => Just(Happens::Identified),
        1 => any::<bool>().prop_map(Happens::Registered),
        1 => Just(Happens::Unregistered),
        6 => (0_u64..33, any::<bool>()).prop_map(|(entries, more)| Happens::Fetched { entries, more }),
        4 => (0_u64..33, any::<bool>(), prop::bool::weighted(0.1))
            .prop_map(|(entries, live, missed)| Happens::InboxUpdate { entries, live, missed }),
        12 => Just(Happens::Sent),
        2 => Just(Happens::Withheld),
        1 => Just(Happens::Gone),
        1 => any::<u8>().prop_map(Happens::Broadcasts),
        1 => Just(Happens::Superseded),
        1 => Just(Happens::Refused),
        1 => any::<u8>().prop_map(Happens::Draining),
        3 => any::<u16>().prop_map(Happens::Passes),
    ]
}

/// A dialogue, and what it takes to tell it what happens.
struct BroadcastUpdate {
    dialogue: AutopushConnection,
    keyring: Keyring,
    now: Timestamp,
    /// The last position of the inbox.
    last: u64,
}

impl BroadcastUpdate {
    fn new() -> Self {
        Self { dialogue: opened(), keyring: keyring(), now: NOW, last: 0 }
    }

    fn entries(&mut self, number: u64) -> Vec<crate::inbox::Entry> {
        let from = self.last + 1;
        self.last += number;
        (from..=self.last).map(session::tests::entry).collect()
    }

    /// Tells it, and returns what it wants done then.
    fn tell(&mut self, happens: &Happens) -> Vec<Command> {
        let channel = || ChannelName::parse(CHANNEL.to_owned()).unwrap();
        let session = match happens {
            Happens::Text(text) => {
                self.dialogue.handle(Input::Text(text, &self.keyring), self.now);
                return commands(&mut self.dialogue);
            }
            Happens::Acknowledged(position) => {
                let text = ack(entry(*position));
                self.dialogue.handle(Input::Text(&text, &self.keyring), self.now);
                return commands(&mut self.dialogue);
            }
            Happens::Fetched { entries, more } => {
                let entries = self.entries(*entries);
                session::Input::Fetched(Page { entries, seen: Position::new(self.last), more: *more })
            }
            Happens::InboxUpdate { entries, live, missed } => {
                let previous = Position::new(self.last);
                let entries = self.entries(*entries);
                let live = if *live { vec![session::tests::live()] } else { Vec::new() };
                let last = Position::new(self.last);
                session::Input::Update(InboxUpdate { previous, last, entries, live, missed: *missed })
            }
            Happens::Sent => session::Input::Sent { taken: false },
            Happens::Withheld => session::Input::Withheld,
            Happens::Gone => session::Input::Gone,
            Happens::Pinged => return self.handle(Input::Pinged),
            Happens::Heard => return self.handle(Input::Heard),
            Happens::Identified => return self.handle(Input::Identified(agent())),
            Happens::Registered(true) => {
                return self.handle(Input::Registered(channel(), Registration::Endpoint("/push/x".into())));
            }
            Happens::Registered(false) => {
                let refused = Registration::Refused { status: 429, why: "Too many".into() };
                return self.handle(Input::Registered(channel(), refused));
            }
            Happens::Unregistered => return self.handle(Input::Unregistered(channel(), 200)),
            Happens::Broadcasts(version) => {
                let versions = Versions::from([("news".to_owned(), version.to_string())]);
                return self.handle(Input::Broadcasts(Arc::new(versions)));
            }
            Happens::Superseded => return self.handle(Input::Superseded),
            Happens::Refused => return self.handle(Input::Refused(Close::new(1013, "later"))),
            Happens::Draining(seconds) => {
                let at = self.now.after(Duration::from_secs((*seconds).into()));
                return self.handle(Input::Draining(at));
            }
            Happens::Passes(seconds) => {
                self.now = self.now.after(Duration::from_secs((*seconds).into()));
                return match self.dialogue.next_deadline() {
                    Some(deadline) if deadline <= self.now => self.handle(Input::Deadline),
                    _ => Vec::new(),
                };
            }
        };
        self.handle(Input::Session(session))
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Command> {
        self.dialogue.handle(input, self.now);
        commands(&mut self.dialogue)
    }
}

proptest! {
    /// Whatever happens: nothing panics, each input leads to a bounded number of commands, the same inputs to the same
    /// ones, there is one close at most, and after it only settling.
    #[test]
    fn any_input_in_any_order(all in prop::collection::vec(happens(), 0..60)) {
        let (mut one, mut other) = (BroadcastUpdate::new(), BroadcastUpdate::new());
        let mut closed = false;
        for happens in &all {
            let commands = one.tell(happens);
            prop_assert_eq!(&commands, &other.tell(happens));
            prop_assert!(commands.len() <= MOST_COMMANDS, "{} commands", commands.len());
            for command in commands {
                let settles = matches!(command, Command::Session(session::Command::Settle { .. }));
                prop_assert!(settles || !closed, "{:?} after the close", command);
                closed |= matches!(command, Command::Action(Action::Close(_)));
            }
            prop_assert!(!closed || one.dialogue.next_deadline().is_none());
        }
    }

    /// BroadcastUpdate of a deadline at its time, it does not ask for the same time again: no driver spins.
    #[test]
    fn a_deadline_that_was_told_is_over(all in prop::collection::vec(happens(), 0..40)) {
        let mut told = BroadcastUpdate::new();
        for happens in &all {
            told.tell(happens);
            for _ in 0..4 {
                let Some(deadline) = told.dialogue.next_deadline() else { break };
                if deadline > told.now {
                    break;
                }
                told.handle(Input::Deadline);
            }
            prop_assert!(told.dialogue.next_deadline().is_none_or(|deadline| deadline > told.now));
        }
    }
}
