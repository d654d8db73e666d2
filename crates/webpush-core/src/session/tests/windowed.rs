//! A windowed session with a model of inbox, driver and agent.

use super::*;
use crate::session::{FETCH_ENTRIES, SESSION_WINDOW, UPDATE_ENTRIES};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

const ACKNOWLEDGEMENT_TIMEOUT: Duration = Duration::from_secs(60);
/// Maximum number of rows that the model scans for one page.
const SCAN_ROWS: usize = 40;
const URGENCIES: [Urgency; 4] = [Urgency::VeryLow, Urgency::Low, Urgency::Normal, Urgency::High];

#[derive(Clone, Debug)]
enum Step {
    Commit {
        entries: u8,
        urgency: usize,
        ttl_seconds: u16,
        update: bool,
    },
    /// The store was down.
    Missed,
    /// The driver passes the update on, unless it is busy.
    PassUpdate,
    /// The driver reads a page.
    Fetch,
    /// The driver writes up to N messages.
    Write(u8),
    /// The agent acknowledges a message.
    Acknowledge(usize),
    /// A stored message ends in another way.
    End(usize),
    MinUrgency(usize),
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u8..40, 0_usize..4, prop::sample::select(vec![5_u16, 90, 60_000]), prop::bool::weighted(0.9))
            .prop_map(|(entries, urgency, ttl_seconds, update)| Step::Commit { entries, urgency, ttl_seconds, update }),
        1 => Just(Step::Missed),
        4 => Just(Step::PassUpdate),
        6 => Just(Step::Fetch),
        6 => (1_u8..40).prop_map(Step::Write),
        8 => any::<usize>().prop_map(Step::Acknowledge),
        2 => any::<usize>().prop_map(Step::End),
        3 => (0_usize..4).prop_map(Step::MinUrgency),
        3 => (0_u8..40).prop_map(Step::Wait),
    ]
}

struct World {
    session: Session,
    now: Timestamp,
    stored: BTreeMap<u64, Entry>,
    last: u64,
    /// The update that the driver has not passed on yet.
    update: Option<InboxUpdate>,
    /// The start of the requested page.
    fetching: Option<u64>,
    /// Deliveries that are not written yet.
    queue: VecDeque<OutboundEntry>,
    /// Acknowledged, and not committed yet.
    settling: Vec<u64>,
    acknowledged: BTreeSet<u64>,
    /// Delivery times of the messages in flight.
    in_flight: BTreeMap<u64, Timestamp>,
    /// Delivered since the minimum urgency was last lowered.
    recent: Vec<u64>,
    /// All deliveries.
    delivered: BTreeSet<u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            session: Session::windowed(scope(), ACKNOWLEDGEMENT_TIMEOUT),
            now: NOW,
            fetching: None,
            stored: BTreeMap::new(),
            last: 0,
            update: None,
            queue: VecDeque::new(),
            settling: Vec::new(),
            acknowledged: BTreeSet::new(),
            in_flight: BTreeMap::new(),
            recent: Vec::new(),
            delivered: BTreeSet::new(),
        };
        world.run_commands().unwrap();
        world
    }

    /// Handles an event and carries out the commands, except for fetches.
    fn handle(&mut self, input: Input) -> Result<(), TestCaseError> {
        self.session.handle(input, self.now);
        self.run_commands()
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commit { entries, urgency, ttl_seconds, update } => {
                let urgency = URGENCIES[*urgency];
                self.commit(
                    u64::from(*entries),
                    urgency,
                    Duration::from_secs((*ttl_seconds).into()),
                    *update,
                );
                Ok(())
            }
            Step::Missed => {
                self.update.get_or_insert_default().missed = true;
                Ok(())
            }
            Step::PassUpdate => self.pass_update(),
            Step::Fetch => self.fetch(),
            Step::Write(most) => (0..*most).try_for_each(|_| self.write()),
            Step::Acknowledge(which) => {
                let waiting: Vec<_> = self.delivered.difference(&self.acknowledged).copied().collect();
                waiting
                    .get(which % waiting.len().max(1))
                    .map_or(Ok(()), |position| self.acknowledge(*position))
            }
            Step::End(which) => {
                let position = self.stored.keys().nth(which % self.stored.len().max(1)).copied();
                position.map(|position| self.stored.remove(&position));
                Ok(())
            }
            Step::MinUrgency(min_urgency) => self.set_min_urgency(URGENCIES[*min_urgency]),
            Step::Wait(seconds) => self.wait(Duration::from_secs((*seconds).into())),
        }
    }

    fn commit(&mut self, entries: u64, urgency: Urgency, ttl: Duration, is_notified: bool) {
        // An update that has overflowed stays empty until it is passed on.
        let overflowed = self
            .update
            .as_ref()
            .is_some_and(|update| update.last > Position::START && update.entries.is_empty());
        for _ in 0..entries {
            self.last += 1;
            let expires = self.now.after(ttl);
            let entry = stored(self.last, Draft { urgency, accepted: self.now, expires, ..draft(self.last) });
            self.stored.insert(self.last, entry.clone());
            let update = self.update.get_or_insert_default();
            if update.last == Position::START {
                update.previous = Position::new(self.last - 1);
            }
            update.last = Position::new(self.last);
            update.entries.push(entry);
        }
        let update = self.update.as_mut();
        if let Some(update) = update.filter(|update| overflowed || update.entries.len() > UPDATE_ENTRIES) {
            update.entries.clear();
        }
        if !is_notified {
            self.update = None;
        }
    }

    fn pass_update(&mut self) -> Result<(), TestCaseError> {
        if self.queue.is_empty()
            && let Some(update) = self.update.take()
        {
            self.handle(Input::Update(update))?;
        }
        Ok(())
    }

    fn set_min_urgency(&mut self, min_urgency: Urgency) -> Result<(), TestCaseError> {
        if min_urgency < self.session.scope().min_urgency {
            self.recent.clear();
        }
        self.handle(Input::MinUrgency(min_urgency))
    }

    fn run_commands(&mut self) -> Result<(), TestCaseError> {
        while let Some(command) = self.session.next_command() {
            match command {
                Command::Fetch { after } => {
                    prop_assert!(self.fetching.is_none(), "one page at a time");
                    self.fetching = Some(after.get());
                }
                Command::Deliver(entry) => self.deliver(entry)?,
                Command::Settle { entries, .. } => {
                    self.settling.extend(entries.iter().map(|entry| entry.position.get()));
                }
                Command::Finish(end) => prop_assert!(false, "unexpected end: {end:?}"),
            }
        }
        Ok(())
    }

    /// Reads a page, and commits acknowledgements only after that.
    fn fetch(&mut self) -> Result<(), TestCaseError> {
        let Some(after) = self.fetching.take() else { return Ok(()) };
        let page = self.page(after);
        for position in self.settling.drain(..) {
            self.stored.remove(&position);
        }
        self.handle(Input::Fetched(page))
    }

    fn page(&self, after: u64) -> Page {
        let mut page = Page { scanned: Position::new(after), ..Page::default() };
        for (rows, (position, entry)) in self.stored.range(after + 1..).enumerate() {
            if rows == SCAN_ROWS || page.entries.len() == FETCH_ENTRIES {
                page.more = true;
                break;
            }
            page.scanned = Position::new(*position);
            if self.session.scope().admits(entry) && !entry.is_expired(self.now) {
                page.entries.push(entry.clone());
            }
        }
        page
    }

    fn deliver(&mut self, entry: OutboundEntry) -> Result<(), TestCaseError> {
        let position = entry.entry_ref().position.get();
        let now = self.now;
        self.in_flight.retain(|_, since| since.after(ACKNOWLEDGEMENT_TIMEOUT) > now);
        prop_assert!(!self.acknowledged.contains(&position), "{position} is acknowledged");
        prop_assert!(!self.in_flight.contains_key(&position), "{position} is in flight");
        prop_assert!(!self.delivered.contains(&position), "{position} is delivered twice");
        prop_assert!(self.recent.last().is_none_or(|last| *last < position), "order of acceptance");
        self.recent.push(position);
        self.delivered.insert(position);
        self.in_flight.insert(position, now);
        prop_assert!(self.in_flight.len() <= SESSION_WINDOW, "{} in flight", self.in_flight.len());
        self.queue.push_back(entry);
        Ok(())
    }

    fn write(&mut self) -> Result<(), TestCaseError> {
        let Some(entry) = self.queue.pop_front() else { return Ok(()) };
        let position = entry.entry_ref().position.get();
        // The driver checks this before it writes (`is_still_wanted`).
        if entry.message().is_some_and(|message| message.is_expired(self.now))
            || !self.stored.contains_key(&position)
        {
            self.in_flight.remove(&position);
            self.handle(Input::Skipped)
        } else {
            self.handle(Input::Sent { confirmed: false })
        }
    }

    /// Acknowledges a message, if it was written.
    fn acknowledge(&mut self, position: u64) -> Result<(), TestCaseError> {
        if self.queue.iter().any(|entry| entry.entry_ref().position.get() == position) {
            return Ok(());
        }
        self.acknowledged.insert(position);
        self.in_flight.remove(&position);
        self.handle(Input::Acknowledged(vec![entry(position).entry_ref()]))
    }

    fn wait(&mut self, time: Duration) -> Result<(), TestCaseError> {
        self.now = self.now.after(time);
        match self.session.next_deadline() {
            Some(deadline) if deadline <= self.now => self.handle(Input::Deadline),
            _ => Ok(()),
        }
    }

    /// Runs the driver once.
    fn drive(&mut self) -> Result<(), TestCaseError> {
        self.fetch()?;
        (0..FETCH_ENTRIES).try_for_each(|_| self.write())?;
        self.pass_update()
    }

    /// Runs driver and agent until nothing is left to do.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..10_000 {
            self.drive()?;
            let waiting: Vec<_> = self.delivered.difference(&self.acknowledged).copied().collect();
            waiting.into_iter().try_for_each(|position| self.acknowledge(position))?;
            if self.queue.is_empty() && self.fetching.is_none() && self.update.is_none() {
                return Ok(());
            }
        }
        prop_assert!(false, "the session does not become idle");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Holds under any order of commits, lost updates, acknowledgements, urgencies, writes and time.
    ///
    /// The window is not exceeded, entries are delivered in order of acceptance until the minimum urgency is lowered, none is delivered
    /// twice, and in the end all entries of the minimum urgency are delivered.
    #[test]
    fn order_completeness_and_bounds(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step)?;
        }
        // A further update shows any gap.
        world.commit(1, Urgency::High, Duration::from_secs(60_000), true);
        world.settle()?;
        let min_urgency = world.session.scope().min_urgency;
        for (position, entry) in &world.stored {
            let Entry::Message(message) = entry else { continue };
            let is_due = message.urgency >= min_urgency && !entry.is_expired(world.now);
            prop_assert!(!is_due || world.delivered.contains(position), "{position} was not delivered");
        }
    }
}

#[test]
fn one_window_is_in_flight_until_acknowledgements_or_timeouts() {
    let mut world = World::new();
    world.commit(200, Urgency::Normal, Duration::from_secs(3600), true);
    let delivered = |world: &mut World| {
        (0..10).for_each(|_| world.drive().unwrap());
        world.delivered.len()
    };
    assert_eq!(delivered(&mut world), SESSION_WINDOW);
    world.acknowledge(3).unwrap();
    assert_eq!(delivered(&mut world), SESSION_WINDOW, "no room for a page");
    (10..9 + FETCH_ENTRIES as u64).for_each(|position| world.acknowledge(position).unwrap());
    assert_eq!(delivered(&mut world), SESSION_WINDOW + FETCH_ENTRIES);
    world.wait(ACKNOWLEDGEMENT_TIMEOUT - Duration::from_secs(1)).unwrap();
    assert_eq!(delivered(&mut world), SESSION_WINDOW + FETCH_ENTRIES);
    world.wait(Duration::from_secs(1)).unwrap();
    assert_eq!(delivered(&mut world), 2 * SESSION_WINDOW + FETCH_ENTRIES, "after the timeout");
}

#[test]
fn lowering_the_minimum_urgency_during_a_fetch_or_delivery_is_effective() {
    for steps in 0..4 {
        let mut world = World::new();
        world.set_min_urgency(Urgency::High).unwrap();
        world.commit(3, Urgency::Low, Duration::from_secs(3600), true);
        world.commit(1, Urgency::High, Duration::from_secs(3600), true);
        if steps > 0 {
            world.fetch().unwrap();
        }
        if steps > 1 {
            world.write().unwrap();
        }
        if steps > 2 {
            world.pass_update().unwrap();
        }
        world.set_min_urgency(Urgency::Normal).unwrap();
        world.set_min_urgency(Urgency::VeryLow).unwrap();
        (0..4).for_each(|_| world.drive().unwrap());
        assert_eq!(world.delivered.len(), 4, "after {steps} steps");
    }
}

#[test]
fn an_old_update_after_lowering_does_not_repeat_acknowledged_entries() {
    let mut world = World::new();
    world.set_min_urgency(Urgency::Low).unwrap();
    world.commit(1, Urgency::Low, Duration::from_secs(3600), false);
    world.commit(20, Urgency::Low, Duration::from_secs(3600), true);
    world.fetch().unwrap();
    (0..21).for_each(|_| world.write().unwrap());
    world.acknowledge(21).unwrap();
    world.set_min_urgency(Urgency::VeryLow).unwrap();
    (0..4).for_each(|_| world.drive().unwrap());
    assert_eq!((world.recent.len(), world.queue.len()), (0, 0), "all are in flight");
}

#[test]
fn a_reached_deadline_is_not_repeated_after_the_clock_was_set_back() {
    let mut session = Session::windowed(scope(), TIMEOUT);
    commands(&mut session);
    session.handle(Input::Fetched(page(&[1], false)), NOW);
    session.handle(Input::Sent { confirmed: false }, NOW);
    commands(&mut session);
    let back = NOW.before(Duration::from_secs(900));
    for first in [2_u64, 34] {
        let positions: Vec<u64> = (first..first + 32).filter(|position| *position <= 64).collect();
        session.handle(Input::Update(update(first - 1, &positions)), back);
        positions.iter().for_each(|_| session.handle(Input::Sent { confirmed: false }, back));
    }
    session.handle(Input::Update(update(64, &[65])), back);
    commands(&mut session);
    let due = session.next_deadline().unwrap();
    session.handle(Input::Deadline, due);
    assert_eq!(commands(&mut session), [fetch(64)]);
}

#[test]
fn skipped_messages_leave_their_places_in_the_window() {
    let mut session = Session::windowed(scope(), ACKNOWLEDGEMENT_TIMEOUT);
    let pages = 2 * SESSION_WINDOW / FETCH_ENTRIES;
    let positions: Vec<u64> = (1..=(pages * FETCH_ENTRIES) as u64).collect();
    for positions in positions.chunks(FETCH_ENTRIES) {
        assert!(matches!(session.next_command(), Some(Command::Fetch { .. })));
        session.handle(Input::Fetched(page(positions, true)), NOW);
        while session.next_command().is_some() {}
        positions.iter().for_each(|_| session.handle(Input::Skipped, NOW));
        assert!(!session.is_full());
    }
}
