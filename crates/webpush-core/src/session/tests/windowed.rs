//! A session whose agent acknowledges on its own connection, against a small model of inbox, driver and agent.

use super::*;
use crate::session::{FETCH_ENTRIES, SESSION_WINDOW, WAKE_ENTRIES};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How long an acknowledgement is waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// Rows that the model looks at to answer one fetch.
const SCAN_ROWS: usize = 40;
const FLOORS: [Urgency; 4] = [Urgency::VeryLow, Urgency::Low, Urgency::Normal, Urgency::High];

#[derive(Clone, Debug)]
enum Step {
    Commit {
        entries: u8,
        urgency: usize,
        lives_seconds: u16,
        wake: bool,
    },
    /// The store was down: there may be entries that nobody told of.
    Missed,
    /// The driver looks for news, unless it is busy.
    Listen,
    /// The driver reads the page that the session wants.
    Fetch,
    /// The socket takes so many messages.
    Write(u8),
    /// One of those that have come and were not acknowledged.
    Acknowledge(usize),
    /// One that is stored ends in another way.
    Vanish(usize),
    Floor(usize),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_u8..40, 0_usize..4, prop::sample::select(vec![5_u16, 90, 60_000]), prop::bool::weighted(0.9))
            .prop_map(|(entries, urgency, lives_seconds, wake)| Step::Commit { entries, urgency, lives_seconds, wake }),
        1 => Just(Step::Missed),
        4 => Just(Step::Listen),
        6 => Just(Step::Fetch),
        6 => (1_u8..40).prop_map(Step::Write),
        8 => any::<usize>().prop_map(Step::Acknowledge),
        2 => any::<usize>().prop_map(Step::Vanish),
        3 => (0_usize..4).prop_map(Step::Floor),
        3 => (0_u8..40).prop_map(Step::Pass),
    ]
}

struct World {
    session: Session,
    now: Timestamp,
    stored: BTreeMap<u64, Entry>,
    last: u64,
    /// News that the driver has not taken.
    news: Option<InboxUpdate>,
    /// The page that is wanted.
    fetching: Option<u64>,
    /// Handed out and not written.
    queue: VecDeque<OutboundEntry>,
    /// Acknowledged, and not applied to the store.
    settling: Vec<u64>,
    acknowledged: BTreeSet<u64>,
    /// When each that is under way was handed out.
    under_way: BTreeMap<u64, Timestamp>,
    /// Handed out since the min_urgency was lowered last.
    handed_out: Vec<u64>,
    /// Handed out ever.
    ever: BTreeSet<u64>,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            session: Session::windowed(scope(), PATIENCE),
            now: NOW,
            fetching: None,
            stored: BTreeMap::new(),
            last: 0,
            news: None,
            queue: VecDeque::new(),
            settling: Vec::new(),
            acknowledged: BTreeSet::new(),
            under_way: BTreeMap::new(),
            handed_out: Vec::new(),
            ever: BTreeSet::new(),
        };
        world.obey().unwrap();
        world
    }

    /// Tells the session, and does what it wants then, but for the reading of a page.
    fn handle(&mut self, input: Input) -> Result<(), TestCaseError> {
        self.session.handle(input, self.now);
        self.obey()
    }

    fn step(&mut self, step: &Step) -> Result<(), TestCaseError> {
        match step {
            Step::Commit { entries, urgency, lives_seconds, wake } => {
                let urgency = FLOORS[*urgency];
                self.commit(
                    u64::from(*entries),
                    urgency,
                    Duration::from_secs((*lives_seconds).into()),
                    *wake,
                );
                Ok(())
            }
            Step::Missed => {
                self.news.get_or_insert_default().missed = true;
                Ok(())
            }
            Step::Listen => self.listen(),
            Step::Fetch => self.fetch(),
            Step::Write(most) => (0..*most).try_for_each(|_| self.write()),
            Step::Acknowledge(which) => {
                let waiting: Vec<_> = self.ever.difference(&self.acknowledged).copied().collect();
                waiting
                    .get(which % waiting.len().max(1))
                    .map_or(Ok(()), |position| self.acknowledge(*position))
            }
            Step::Vanish(which) => {
                let position = self.stored.keys().nth(which % self.stored.len().max(1)).copied();
                position.map(|position| self.stored.remove(&position));
                Ok(())
            }
            Step::Floor(min_urgency) => self.set_min_urgency(FLOORS[*min_urgency]),
            Step::Pass(seconds) => self.pass(Duration::from_secs((*seconds).into())),
        }
    }

    fn commit(&mut self, entries: u64, urgency: Urgency, lives: Duration, wake: bool) {
        // After an overflow there are none until it is taken.
        let overflowed =
            self.news.as_ref().is_some_and(|news| news.last > Position::START && news.entries.is_empty());
        for _ in 0..entries {
            self.last += 1;
            let expires = self.now.after(lives);
            let entry = stored(self.last, Draft { urgency, accepted: self.now, expires, ..draft(self.last) });
            self.stored.insert(self.last, entry.clone());
            let news = self.news.get_or_insert_default();
            if news.last == Position::START {
                news.previous = Position::new(self.last - 1);
            }
            news.last = Position::new(self.last);
            news.entries.push(entry);
        }
        if let Some(news) = self.news.as_mut().filter(|news| overflowed || news.entries.len() > WAKE_ENTRIES)
        {
            news.entries.clear();
        }
        if !wake {
            // Lost as a whole: a gap that the next news shows.
            self.news = None;
        }
    }

    fn listen(&mut self) -> Result<(), TestCaseError> {
        if self.queue.is_empty()
            && let Some(news) = self.news.take()
        {
            self.handle(Input::Update(news))?;
        }
        Ok(())
    }

    fn set_min_urgency(&mut self, min_urgency: Urgency) -> Result<(), TestCaseError> {
        if min_urgency < self.session.scope().min_urgency {
            self.handed_out.clear();
        }
        self.handle(Input::MinUrgency(min_urgency))
    }

    fn obey(&mut self) -> Result<(), TestCaseError> {
        while let Some(command) = self.session.next_command() {
            match command {
                Command::Fetch { after } => {
                    prop_assert!(self.fetching.is_none(), "one page at a time");
                    self.fetching = Some(after.get());
                }
                Command::Deliver(entry) => self.hand_out(entry)?,
                Command::Settle { entries, .. } => {
                    self.settling.extend(entries.iter().map(|entry| entry.position.get()));
                }
                Command::Finish(end) => prop_assert!(false, "it ended: {end:?}"),
            }
        }
        Ok(())
    }

    /// What was acknowledged is still read once: it is applied after that.
    fn fetch(&mut self) -> Result<(), TestCaseError> {
        let Some(after) = self.fetching.take() else { return Ok(()) };
        let page = self.page(after);
        for position in self.settling.drain(..) {
            self.stored.remove(&position);
        }
        self.handle(Input::Fetched(page))
    }

    fn page(&self, after: u64) -> Page {
        let mut page = Page { seen: Position::new(after), ..Page::default() };
        for (looked_at, (position, entry)) in self.stored.range(after + 1..).enumerate() {
            if looked_at == SCAN_ROWS || page.entries.len() == FETCH_ENTRIES {
                page.more = true;
                break;
            }
            page.seen = Position::new(*position);
            if self.session.scope().admits(entry) && !entry.is_expired(self.now) {
                page.entries.push(entry.clone());
            }
        }
        page
    }

    fn hand_out(&mut self, entry: OutboundEntry) -> Result<(), TestCaseError> {
        let position = entry.entry_ref().position.get();
        let now = self.now;
        self.under_way.retain(|_, since| since.after(PATIENCE) > now);
        prop_assert!(!self.acknowledged.contains(&position), "{position} was acknowledged");
        prop_assert!(!self.under_way.contains_key(&position), "{position} is under way");
        prop_assert!(!self.ever.contains(&position), "{position} comes twice");
        prop_assert!(self.handed_out.last().is_none_or(|last| *last < position), "order of acceptance");
        self.handed_out.push(position);
        self.ever.insert(position);
        self.under_way.insert(position, now);
        prop_assert!(self.under_way.len() <= SESSION_WINDOW, "{} under way", self.under_way.len());
        self.queue.push_back(entry);
        Ok(())
    }

    fn write(&mut self) -> Result<(), TestCaseError> {
        let Some(entry) = self.queue.pop_front() else { return Ok(()) };
        let position = entry.entry_ref().position.get();
        // As the driver decides (`is_still_wanted`).
        if entry.message().is_some_and(|message| message.is_expired(self.now))
            || !self.stored.contains_key(&position)
        {
            self.under_way.remove(&position);
            self.handle(Input::Withheld)
        } else {
            self.handle(Input::Sent { taken: false })
        }
    }

    /// Only what was written can have been read.
    fn acknowledge(&mut self, position: u64) -> Result<(), TestCaseError> {
        if self.queue.iter().any(|entry| entry.entry_ref().position.get() == position) {
            return Ok(());
        }
        self.acknowledged.insert(position);
        self.under_way.remove(&position);
        self.handle(Input::Acknowledged(vec![entry(position).entry_ref()]))
    }

    fn pass(&mut self, time: Duration) -> Result<(), TestCaseError> {
        self.now = self.now.after(time);
        match self.session.next_deadline() {
            Some(deadline) if deadline <= self.now => self.handle(Input::Deadline),
            _ => Ok(()),
        }
    }

    /// Everybody but the agent does what there is to do.
    fn turn(&mut self) -> Result<(), TestCaseError> {
        self.fetch()?;
        (0..FETCH_ENTRIES).try_for_each(|_| self.write())?;
        self.listen()
    }

    /// Everybody does what there is to do, until there is nothing left.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        for _ in 0..10_000 {
            self.turn()?;
            let waiting: Vec<_> = self.ever.difference(&self.acknowledged).copied().collect();
            waiting.into_iter().try_for_each(|position| self.acknowledge(position))?;
            if self.queue.is_empty() && self.fetching.is_none() && self.news.is_none() {
                return Ok(());
            }
        }
        prop_assert!(false, "it never comes to rest");
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Under any order of commits, lost wakes, acknowledgements, floors, writes and time: a bounded number is under way,
    /// what comes is in the order of acceptance until the min_urgency is lowered, nothing comes twice, and in the end all that is
    /// above the min_urgency has come.
    #[test]
    fn order_completeness_and_bounds(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.step(step)?;
        }
        // News of one more shows whatever was lost.
        world.commit(1, Urgency::High, Duration::from_secs(60_000), true);
        world.settle()?;
        let min_urgency = world.session.scope().min_urgency;
        for (position, entry) in &world.stored {
            let Entry::Message(message) = entry else { continue };
            let is_due = message.urgency >= min_urgency && !entry.is_expired(world.now);
            prop_assert!(!is_due || world.ever.contains(position), "{position} never came");
        }
    }
}

#[test]
fn exactly_one_window_is_under_way_until_some_are_acknowledged_or_given_up() {
    let mut world = World::new();
    world.commit(200, Urgency::Normal, Duration::from_secs(3600), true);
    let come = |world: &mut World| {
        (0..10).for_each(|_| world.turn().unwrap());
        world.ever.len()
    };
    assert_eq!(come(&mut world), SESSION_WINDOW);
    world.acknowledge(3).unwrap();
    assert_eq!(come(&mut world), SESSION_WINDOW, "there is no room for a page");
    (10..9 + FETCH_ENTRIES as u64).for_each(|position| world.acknowledge(position).unwrap());
    assert_eq!(come(&mut world), SESSION_WINDOW + FETCH_ENTRIES);
    world.pass(PATIENCE - Duration::from_secs(1)).unwrap();
    assert_eq!(come(&mut world), SESSION_WINDOW + FETCH_ENTRIES);
    world.pass(Duration::from_secs(1)).unwrap();
    assert_eq!(come(&mut world), 2 * SESSION_WINDOW + FETCH_ENTRIES, "what is never answered is given up");
}

#[test]
fn a_floor_that_is_lowered_while_a_page_is_fetched_or_sent_is_not_forgotten() {
    for turns in 0..4 {
        let mut world = World::new();
        world.set_min_urgency(Urgency::High).unwrap();
        world.commit(3, Urgency::Low, Duration::from_secs(3600), true);
        world.commit(1, Urgency::High, Duration::from_secs(3600), true);
        if turns > 0 {
            world.fetch().unwrap();
        }
        if turns > 1 {
            world.write().unwrap();
        }
        if turns > 2 {
            world.listen().unwrap();
        }
        world.set_min_urgency(Urgency::Normal).unwrap();
        world.set_min_urgency(Urgency::VeryLow).unwrap();
        (0..4).for_each(|_| world.turn().unwrap());
        assert_eq!(world.ever.len(), 4, "after {turns} turns");
    }
}

#[test]
fn news_that_is_older_than_a_lowered_floor_does_not_bring_what_was_acknowledged() {
    let mut world = World::new();
    world.set_min_urgency(Urgency::Low).unwrap();
    world.commit(1, Urgency::Low, Duration::from_secs(3600), false);
    world.commit(20, Urgency::Low, Duration::from_secs(3600), true);
    world.fetch().unwrap();
    (0..21).for_each(|_| world.write().unwrap());
    world.acknowledge(21).unwrap();
    world.set_min_urgency(Urgency::VeryLow).unwrap();
    (0..4).for_each(|_| world.turn().unwrap());
    assert_eq!((world.handed_out.len(), world.queue.len()), (0, 0), "all is under way");
}

#[test]
fn a_deadline_that_has_come_is_not_set_again_after_the_clock_went_back() {
    let mut session = Session::windowed(scope(), TIMEOUT);
    commands(&mut session);
    session.handle(Input::Fetched(page(&[1], false)), NOW);
    session.handle(Input::Sent { taken: false }, NOW);
    commands(&mut session);
    let back = NOW.before(Duration::from_secs(900));
    for first in [2_u64, 34] {
        let positions: Vec<u64> = (first..first + 32).filter(|position| *position <= 64).collect();
        session.handle(Input::Update(woken(first - 1, &positions)), back);
        positions.iter().for_each(|_| session.handle(Input::Sent { taken: false }, back));
    }
    session.handle(Input::Update(woken(64, &[65])), back);
    commands(&mut session);
    let due = session.next_deadline().unwrap();
    session.handle(Input::Deadline, due);
    assert_eq!(commands(&mut session), [fetch(64)]);
}
