//! An agent that changes its minimum urgency.

use super::*;

fn urgent(urgency: Urgency, position: u64) -> Entry {
    stored(position, Draft { urgency, ..draft(position) })
}

fn page_of(entries: &[Entry]) -> Page {
    let scanned = entries.last().map_or(Position::START, Entry::position);
    Page { entries: entries.to_vec(), scanned, more: false }
}

fn update_with(previous: u64, entry: &Entry) -> Input {
    let (entries, last) = (vec![entry.clone()], entry.position());
    Input::Update(InboxUpdate { previous: Position::new(previous), last, entries, ..InboxUpdate::default() })
}

fn idle() -> Session {
    let mut session = Session::windowed(scope(), TIMEOUT);
    session.handle(Input::Fetched(Page::default()), NOW);
    commands(&mut session);
    session
}

#[test]
fn lowering_delivers_excluded_entries_but_no_acknowledged_ones() {
    let (low, high) = (urgent(Urgency::Low, 1), urgent(Urgency::High, 2));
    let mut session = idle();
    session.handle(Input::MinUrgency(Urgency::High), NOW);
    session.handle(update_with(0, &low), NOW);
    assert_eq!(commands(&mut session), []);
    session.handle(update_with(1, &high), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(high.clone().into())]);
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Acknowledged(vec![high.entry_ref()]), NOW);
    assert!(matches!(commands(&mut session)[..], [Command::Settle { .. }]));
    session.handle(Input::MinUrgency(Urgency::VeryLow), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
    // The acknowledgement is not committed yet.
    session.handle(Input::Fetched(page_of(&[low.clone(), high])), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(low.into())]);
}

#[test]
fn raising_during_a_fetch_excludes_entries_of_the_page() {
    let low = urgent(Urgency::Low, 1);
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
    RunCommand,
}

fn step() -> impl Strategy<Value = Step> {
    let urgency = || prop::sample::select(&Urgency::ALL[..]);
    prop_oneof![
        urgency().prop_map(Step::Commit),
        urgency().prop_map(Step::MinUrgency),
        Just(Step::RunCommand)
    ]
}

/// Carries out one command. Acknowledgements are never committed.
fn run_command(session: &mut Session, inbox: &[Entry], sent: &mut Vec<Position>) -> bool {
    match session.next_command() {
        Some(Command::Fetch { after }) => {
            let scope = *session.scope();
            let mut behind = inbox.iter().filter(|entry| entry.position() > after);
            let rows: Vec<_> = behind.by_ref().take(3).cloned().collect();
            let (more, scanned) = (behind.next().is_some(), rows.last().map_or(after, Entry::position));
            let entries = rows.into_iter().filter(|entry| scope.admits(entry)).collect();
            session.handle(Input::Fetched(Page { entries, scanned, more }), NOW);
        }
        Some(Command::Deliver(entry)) => {
            sent.push(entry.entry_ref().position);
            session.handle(Input::Sent { confirmed: false }, NOW);
            session.handle(Input::Acknowledged(vec![entry.entry_ref()]), NOW);
        }
        Some(Command::Settle { .. }) => {}
        Some(Command::Finish(_)) | None => return false,
    }
    true
}

proptest! {
    /// No entry is sent twice, and once the minimum urgency is the lowest all entries are sent.
    #[test]
    fn once_each(steps in prop::collection::vec(step(), 0..80)) {
        let mut session = Session::windowed(scope(), TIMEOUT);
        let (mut inbox, mut sent) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Commit(urgency) => {
                    let previous = inbox.len() as u64;
                    let entry = urgent(urgency, previous + 1);
                    inbox.push(entry.clone());
                    session.handle(update_with(previous, &entry), NOW);
                }
                Step::MinUrgency(min_urgency) => session.handle(Input::MinUrgency(min_urgency), NOW),
                Step::RunCommand => { run_command(&mut session, &inbox, &mut sent); }
            }
        }
        session.handle(Input::MinUrgency(Urgency::VeryLow), NOW);
        while run_command(&mut session, &inbox, &mut sent) {
            prop_assert!(sent.len() <= inbox.len(), "an entry was sent twice");
        }
        sent.sort_unstable();
        prop_assert_eq!(sent, inbox.iter().map(Entry::position).collect::<Vec<_>>());
    }
}
