//! Properties under any order of inputs.

use super::*;
use crate::session::{FETCH_ENTRIES, SESSION_LIVE_MESSAGES};
use proptest::prelude::*;

/// Maximum number of commands after one input: a page, the waiting TTL 0 messages, and a few replies.
const MAX_COMMANDS: usize = FETCH_ENTRIES + SESSION_LIVE_MESSAGES + 4;

#[derive(Clone, Debug)]
enum Step {
    Login(bool),
    Frame(u8, Vec<u8>),
    Received(u8, u8),
    Identified,
    Refused,
    Fetched(u64, bool),
    Update(u64),
    Sent,
    Skipped,
    Gone,
    Superseded,
    Close,
    Draining(u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => any::<bool>().prop_map(Step::Login),
        2 => (0_u8..12, prop::collection::vec(any::<u8>(), 0..6)).prop_map(|(tag, body)| Step::Frame(tag, body)),
        8 => (prop::sample::select(vec![0_u8, 1, 7, 8]), any::<u8>())
            .prop_map(|(tag, frames)| Step::Received(tag, frames)),
        6 => Just(Step::Identified),
        1 => Just(Step::Refused),
        6 => (0_u64..33, any::<bool>()).prop_map(|(entries, more)| Step::Fetched(entries, more)),
        4 => (1_u64..33).prop_map(Step::Update),
        12 => Just(Step::Sent),
        2 => Just(Step::Skipped),
        1 => Just(Step::Gone),
        1 => Just(Step::Superseded),
        1 => Just(Step::Close),
        1 => any::<u8>().prop_map(Step::Draining),
        3 => any::<u16>().prop_map(Step::Wait),
    ]
}

/// A connection, and the state of its driver.
struct Driver {
    connection: McsConnection,
    now: Timestamp,
    /// The last position of the inbox.
    last: u64,
    /// Entries that were handed out.
    queue: std::collections::VecDeque<OutboundEntry>,
}

impl Driver {
    fn new() -> Self {
        Self { connection: open(), now: NOW, last: 0, queue: Default::default() }
    }

    fn entries(&mut self, number: u64) -> Vec<crate::inbox::Entry> {
        let from = self.last + 1;
        self.last += number;
        (from..=self.last).map(session::tests::entry).collect()
    }

    /// Passes an input and returns the commands.
    fn run(&mut self, step: &Step) -> Vec<McsCommand> {
        let ring = keyring();
        let (tag, body);
        let input = match step {
            Step::Login(acknowledges) => {
                let received = if *acknowledges { vec![id(entry(1))] } else { vec![] };
                (tag, body) = (2, login(&received));
                McsInput::Frame(McsFrame { tag, body: &body }, &ring)
            }
            Step::Frame(tag, body) => McsInput::Frame(McsFrame { tag: *tag, body }, &ring),
            Step::Received(kind, frames) => {
                let field = match kind {
                    7 => 10,
                    8 => 11,
                    _ => 2,
                };
                (tag, body) = (*kind, counted(field, (*frames).into()));
                McsInput::Frame(McsFrame { tag, body: &body }, &ring)
            }
            Step::Identified => McsInput::Identified(device()),
            Step::Refused => McsInput::Refused("no"),
            Step::Fetched(entries, more) => {
                let entries = self.entries(*entries);
                session::Input::Fetched(Page { entries, scanned: Position::new(self.last), more: *more })
                    .into()
            }
            Step::Update(entries) => {
                let previous = Position::new(self.last);
                let entries = self.entries(*entries);
                let last = Position::new(self.last);
                let update = session::InboxUpdate { previous, last, entries, ..Default::default() };
                session::Input::Update(update).into()
            }
            Step::Sent => {
                if let Some(entry) = self.queue.pop_front() {
                    self.connection.message(&entry, &chromium(), &ring, self.now);
                }
                session::Input::Sent { confirmed: false }.into()
            }
            Step::Skipped => {
                self.queue.pop_front();
                session::Input::Skipped.into()
            }
            Step::Gone => session::Input::Gone.into(),
            Step::Superseded => session::Input::Superseded.into(),
            Step::Close => McsInput::Close,
            Step::Draining(seconds) => {
                McsInput::Draining(self.now.after(Duration::from_secs((*seconds).into())))
            }
            Step::Wait(seconds) => {
                self.now = self.now.after(Duration::from_secs((*seconds).into()));
                match self.connection.next_deadline() {
                    Some(deadline) if deadline <= self.now => session::Input::Deadline.into(),
                    _ => return Vec::new(),
                }
            }
        };
        self.connection.handle(input, self.now);
        let commands = commands(&mut self.connection);
        for command in &commands {
            if let McsCommand::Session(Command::Deliver(entry)) = command {
                self.queue.push_back(entry.clone());
            }
        }
        commands
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
                let settles = matches!(command, McsCommand::Session(Command::Settle { .. }));
                prop_assert!(settles || !closed, "{:?} after the close", command);
                closed |= matches!(command, McsCommand::Action(McsAction::Close(_)));
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
                driver.connection.handle(session::Input::Deadline.into(), driver.now);
                commands(&mut driver.connection);
            }
            prop_assert!(driver.connection.next_deadline().is_none_or(|deadline| deadline > driver.now));
        }
    }
}
