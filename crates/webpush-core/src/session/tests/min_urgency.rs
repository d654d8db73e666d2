//! A min_urgency of urgency that the agent moves while it listens.

use super::*;

fn of(urgency: Urgency, position: u64) -> Entry {
    stored(position, Draft { urgency, ..draft(position) })
}

fn page_of(entries: &[Entry]) -> Page {
    let seen = entries.last().map_or(Position::START, Entry::position);
    Page { entries: entries.to_vec(), seen, more: false }
}

fn news(previous: u64, entry: &Entry) -> Input {
    let (entries, last) = (vec![entry.clone()], entry.position());
    Input::Update(InboxUpdate { previous: Position::new(previous), last, entries, ..InboxUpdate::default() })
}

fn quiet() -> Session {
    let mut session = Session::windowed(scope(), TIMEOUT);
    session.handle(Input::Fetched(Page::default()), NOW);
    commands(&mut session);
    session
}

#[test]
fn a_lowered_floor_brings_what_was_passed_over_and_not_what_was_acknowledged() {
    let (low, high) = (of(Urgency::Low, 1), of(Urgency::High, 2));
    let mut session = quiet();
    session.handle(Input::MinUrgency(Urgency::High), NOW);
    session.handle(news(0, &low), NOW);
    assert_eq!(commands(&mut session), []);
    session.handle(news(1, &high), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(high.clone().into())]);
    session.handle(Input::Sent { taken: false }, NOW);
    session.handle(Input::Acknowledged(vec![high.entry_ref()]), NOW);
    assert!(matches!(commands(&mut session)[..], [Command::Settle { .. }]));
    session.handle(Input::MinUrgency(Urgency::VeryLow), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
    // The acknowledgement is not applied yet.
    session.handle(Input::Fetched(page_of(&[low.clone(), high])), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(low.into())]);
}

#[test]
fn what_a_page_brings_for_a_floor_that_was_raised_since_waits() {
    let low = of(Urgency::Low, 1);
    let mut session = Session::windowed(scope(), TIMEOUT);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::MinUrgency(Urgency::High), NOW);
    session.handle(Input::Fetched(page_of(std::slice::from_ref(&low))), NOW);
    assert_eq!(commands(&mut session), []);
    session.handle(Input::MinUrgency(Urgency::Low), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page_of(std::slice::from_ref(&low))), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(low.into())]);
}

#[derive(Clone, Debug)]
enum Step {
    Commit(Urgency),
    MinUrgency(Urgency),
    Turn,
}

fn step() -> impl Strategy<Value = Step> {
    let urgency = || prop::sample::select(&Urgency::ALL[..]);
    prop_oneof![urgency().prop_map(Step::Commit), urgency().prop_map(Step::MinUrgency), Just(Step::Turn)]
}

/// Carries out one command. The store of this agent never gets to apply an acknowledgement.
fn turn(session: &mut Session, inbox: &[Entry], sent: &mut Vec<Position>) -> bool {
    match session.next_command() {
        Some(Command::Fetch { after }) => {
            let scope = *session.scope();
            let mut behind = inbox.iter().filter(|entry| entry.position() > after);
            let looked_at: Vec<_> = behind.by_ref().take(3).cloned().collect();
            let (more, seen) = (behind.next().is_some(), looked_at.last().map_or(after, Entry::position));
            let entries = looked_at.into_iter().filter(|entry| scope.admits(entry)).collect();
            session.handle(Input::Fetched(Page { entries, seen, more }), NOW);
        }
        Some(Command::Deliver(entry)) => {
            sent.push(entry.entry_ref().position);
            session.handle(Input::Sent { taken: false }, NOW);
            session.handle(Input::Acknowledged(vec![entry.entry_ref()]), NOW);
        }
        Some(Command::Settle { .. }) => {}
        Some(Command::Finish(_)) | None => return false,
    }
    true
}

proptest! {
    /// Wherever the min_urgency moves and when: nothing comes twice, and with the lowest min_urgency everything has come.
    #[test]
    fn once_each(steps in prop::collection::vec(step(), 0..80)) {
        let mut session = Session::windowed(scope(), TIMEOUT);
        let (mut inbox, mut sent) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Commit(urgency) => {
                    let previous = inbox.len() as u64;
                    let entry = of(urgency, previous + 1);
                    inbox.push(entry.clone());
                    session.handle(news(previous, &entry), NOW);
                }
                Step::MinUrgency(min_urgency) => session.handle(Input::MinUrgency(min_urgency), NOW),
                Step::Turn => { turn(&mut session, &inbox, &mut sent); }
            }
        }
        session.handle(Input::MinUrgency(Urgency::VeryLow), NOW);
        while turn(&mut session, &inbox, &mut sent) {
            prop_assert!(sent.len() <= inbox.len(), "something came twice");
        }
        sent.sort_unstable();
        prop_assert_eq!(sent, inbox.iter().map(Entry::position).collect::<Vec<_>>());
    }
}
