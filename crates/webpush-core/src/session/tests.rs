//! Scenarios of a session, and properties under any order of events.

mod confirmed;
mod min_urgency;
mod windowed;

use super::*;
use crate::capability::KeyId;
use crate::encoding::Encoding;
use crate::id::MessageId;
use crate::message::Draft;
use bytes::Bytes;
use proptest::prelude::*;
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const TIMEOUT: Duration = Duration::from_secs(60);

fn inbox() -> InboxId {
    InboxId::from_bytes([1; 16])
}

fn scope() -> Scope {
    Scope { inbox: inbox(), subscription: None, min_urgency: Urgency::VeryLow }
}

/// A draft whose ID is derived from its position.
pub(crate) fn draft(position: u64) -> Draft {
    Draft {
        id: MessageId::from_bytes([u8::try_from(position % 251).unwrap(); 16]),
        agent: inbox(),
        subscription: SubscriptionId::from_bytes([2; 16]),
        accepted: NOW,
        expires: NOW.after(Duration::from_secs(3600)),
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: Bytes::new(),
    }
}

pub(crate) fn entry(position: u64) -> Entry {
    stored(position, draft(position))
}

pub(crate) fn stored(position: u64, draft: Draft) -> Entry {
    Entry::Message(Arc::new(draft.into_message(Position::new(position))))
}

/// A TTL 0 message that is not stored.
pub(crate) fn live() -> OutboundEntry {
    OutboundEntry::Unstored(Arc::new(Draft { expires: NOW, ..draft(0) }))
}

fn page(positions: &[u64], more: bool) -> Page {
    let scanned = Position::new(positions.last().copied().unwrap_or_default());
    Page { entries: positions.iter().map(|p| entry(*p)).collect(), scanned, more }
}

fn update(previous: u64, positions: &[u64]) -> InboxUpdate {
    InboxUpdate {
        previous: Position::new(previous),
        last: Position::new(*positions.last().unwrap()),
        entries: positions.iter().map(|p| entry(*p)).collect(),
        ..InboxUpdate::default()
    }
}

fn indefinite() -> Session {
    Session::new(scope(), WaitMode::Indefinite, Some(TIMEOUT))
}

fn commands(session: &mut Session) -> Vec<Command> {
    std::iter::from_fn(|| session.next_command()).collect()
}

fn fetch(after: u64) -> Command {
    Command::Fetch { after: Position::new(after) }
}

fn deliver(positions: &[u64]) -> Vec<Command> {
    positions.iter().map(|p| Command::Deliver(entry(*p).into())).collect()
}

#[test]
fn r8030_6_g_wait_zero_with_nothing_ends_with_nothing() {
    let mut session = Session::new(scope(), WaitMode::UntilEmpty, Some(TIMEOUT));
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    assert_eq!(commands(&mut session), [Command::Finish(End::Nothing)]);
}

#[test]
fn r8030_6_f_wait_zero_sends_everything_then_ends() {
    let mut session = Session::new(scope(), WaitMode::UntilEmpty, Some(TIMEOUT));
    commands(&mut session);
    session.handle(Input::Fetched(page(&[3, 4], true)), NOW);
    assert_eq!(commands(&mut session), deliver(&[3, 4]));
    session.handle(Input::Sent { confirmed: false }, NOW);
    assert_eq!(commands(&mut session), []);
    session.handle(Input::Sent { confirmed: false }, NOW);
    assert_eq!(commands(&mut session), [fetch(4)]);
    session.handle(Input::Fetched(page(&[9], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[9]));
    session.handle(Input::Sent { confirmed: false }, NOW);
    assert_eq!(commands(&mut session), [Command::Finish(End::Complete)]);
    session.handle(Input::Gone, NOW);
    assert_eq!(commands(&mut session), [], "nothing comes after the end");
}

#[test]
fn a_contiguous_update_is_delivered_without_a_fetch() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    session.handle(Input::Update(update(0, &[5])), NOW);
    assert_eq!(commands(&mut session), deliver(&[5]));
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Update(update(5, &[7, 8])), NOW);
    assert_eq!(commands(&mut session), deliver(&[7, 8]));
}

#[test]
fn an_update_after_a_gap_causes_a_fetch() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    session.handle(Input::Update(update(5, &[6])), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page(&[5, 6], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[5, 6]));
}

#[test]
fn an_update_during_a_fetch_is_sent_once() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Update(update(0, &[5])), NOW);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page(&[5], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[5]));
    session.handle(Input::Update(update(0, &[5])), NOW);
    session.handle(Input::Sent { confirmed: false }, NOW);
    assert_eq!(commands(&mut session), []);
}

#[test]
fn r8030_5_2_d_what_has_expired_is_not_sent() {
    let mut session = indefinite();
    commands(&mut session);
    let late = NOW.after(Duration::from_secs(3600));
    session.handle(Input::Fetched(page(&[1], false)), late);
    session.handle(Input::Update(update(1, &[2])), late);
    assert_eq!(commands(&mut session), []);
}

/// It is offered to the session as well, which would deliver it twice.
#[test]
fn a_stored_ttl_0_message_of_a_node_whose_clock_is_ahead_is_not_fetched() {
    let mut session = indefinite();
    commands(&mut session);
    let ahead = NOW.after(Duration::from_secs(30));
    let stored = stored(1, Draft { accepted: ahead, expires: ahead, ..draft(1) });
    session.handle(Input::Fetched(Page { entries: vec![stored], ..page(&[1], false) }), NOW);
    assert_eq!(commands(&mut session), []);
}

#[test]
fn r8030_5_3_b_a_floor_holds_lower_urgencies_back() {
    let min_urgency = Scope { min_urgency: Urgency::High, ..scope() };
    let mut session = Session::new(min_urgency, WaitMode::Indefinite, None);
    commands(&mut session);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    session.handle(Input::Update(update(0, &[1])), NOW);
    assert_eq!(commands(&mut session), []);
    let high = stored(2, Draft { urgency: Urgency::High, ..draft(2) });
    let update = InboxUpdate { entries: vec![high.clone()], ..update(1, &[2]) };
    session.handle(Input::Update(update), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(high.into())]);
}

#[test]
fn r8030_5_2_e_ttl_zero_reaches_a_busy_session_too() {
    let mut session = indefinite();
    commands(&mut session);
    let live = live();
    let live_update = || InboxUpdate { live: vec![live.clone()], ..InboxUpdate::default() };
    session.handle(Input::Update(live_update()), NOW);
    session.handle(Input::Fetched(page(&[1], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[1]));
    session.handle(Input::Sent { confirmed: false }, NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(live.clone())]);
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Update(live_update()), NOW);
    assert_eq!(commands(&mut session), [Command::Deliver(live)]);
}

#[test]
fn r8030_6_2_c_the_unacknowledged_is_sent_again_after_a_while() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Fetched(page(&[1, 2], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[1, 2]));
    assert_eq!(session.next_deadline(), None, "nothing is due while entries are on their way");
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Sent { confirmed: false }, NOW);
    let due = NOW.after(TIMEOUT);
    assert_eq!(session.next_deadline(), Some(due));
    session.handle(Input::Update(update(2, &[3])), NOW);
    assert_eq!(commands(&mut session), deliver(&[3]));
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Deadline, due);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page(&[2, 3], false)), due);
    assert_eq!(commands(&mut session), deliver(&[2]), "3 was sent after the clock of 1 and 2 had started");
    session.handle(Input::Sent { confirmed: false }, due);
    let next = due.after(TIMEOUT);
    assert_eq!(session.next_deadline(), Some(next));
    session.handle(Input::Deadline, next);
    commands(&mut session);
    session.handle(Input::Fetched(page(&[3], false)), next);
    assert_eq!(commands(&mut session), deliver(&[3]));
}

#[test]
fn r8030_6_h_wait_n_ends_when_its_time_is_up() {
    let until = NOW.after(Duration::from_secs(5));
    let mut session = Session::new(scope(), WaitMode::Until(until), Some(TIMEOUT));
    commands(&mut session);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    assert_eq!(session.next_deadline(), Some(until));
    session.handle(Input::Deadline, until);
    assert_eq!(commands(&mut session), [Command::Finish(End::Nothing)]);
    assert_eq!(session.next_deadline(), None);
}

#[test]
fn r8030_7_3_a_a_removed_subscription_ends_it() {
    let mut session = indefinite();
    session.handle(Input::Gone, NOW);
    assert_eq!(commands(&mut session), [Command::Finish(End::Gone)]);
}

#[test]
fn a_resumed_session_starts_after_the_last_entry_of_the_agent() {
    let after = Position::new(7);
    let mut session = Session::resume(scope(), WaitMode::Indefinite, Some(TIMEOUT), after, NOW);
    assert_eq!(commands(&mut session), [fetch(7)]);
    session.handle(Input::Fetched(page(&[9], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[9]));
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Update(update(9, &[10])), NOW);
    assert_eq!(commands(&mut session), deliver(&[10]));
}

#[test]
fn r8030_6_2_c_what_a_resumed_agent_never_acknowledged_comes_again_when_due() {
    let after = Position::new(7);
    let mut session = Session::resume(scope(), WaitMode::Indefinite, Some(TIMEOUT), after, NOW);
    commands(&mut session);
    session.handle(Input::Fetched(Page { scanned: after, ..Page::default() }), NOW);
    let due = NOW.after(TIMEOUT);
    assert_eq!((commands(&mut session), session.next_deadline()), (vec![], Some(due)));
    session.handle(Input::Deadline, due);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page(&[3], false)), due);
    assert_eq!(commands(&mut session), deliver(&[3]));
}

#[test]
fn resuming_at_the_start_is_like_a_new_session() {
    let mut session = Session::resume(scope(), WaitMode::UntilEmpty, Some(TIMEOUT), Position::START, NOW);
    assert_eq!((session.next_deadline(), commands(&mut session)), (None, vec![fetch(0)]));
}

#[test]
fn r8030_6_2_c_a_session_that_does_not_wait_sends_what_is_before_the_last_entry_of_the_agent() {
    let after = Position::new(7);
    let mut session = Session::resume(scope(), WaitMode::UntilEmpty, Some(TIMEOUT), after, NOW);
    assert_eq!((session.next_deadline(), commands(&mut session)), (None, vec![fetch(0)]));
    session.handle(Input::Fetched(page(&[3, 9], false)), NOW);
    assert_eq!(commands(&mut session), deliver(&[3, 9]));
}

#[test]
fn known_entries_that_were_settled_meanwhile_are_skipped() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Update(update(0, &[5])), NOW);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    assert_eq!(commands(&mut session), [], "the message was settled before it could be read");
    session.handle(Input::Update(update(5, &[6])), NOW);
    assert_eq!(commands(&mut session), deliver(&[6]));
}

#[test]
fn r8030_6_2_c_a_later_message_is_sent_again_although_the_earlier_ones_were_acknowledged() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Fetched(page(&[1], false)), NOW);
    session.handle(Input::Sent { confirmed: false }, NOW);
    session.handle(Input::Update(update(1, &[2])), NOW.after(Duration::from_secs(20)));
    session.handle(Input::Sent { confirmed: false }, NOW.after(Duration::from_secs(20)));
    commands(&mut session);
    let first = NOW.after(TIMEOUT);
    session.handle(Input::Deadline, first);
    session.handle(Input::Fetched(page(&[2], false)), first);
    assert_eq!(commands(&mut session), [fetch(0)], "2 is not due yet");
    let second = first.after(TIMEOUT);
    assert_eq!(session.next_deadline(), Some(second));
    session.handle(Input::Deadline, second);
    session.handle(Input::Fetched(page(&[2], false)), second);
    assert_eq!(commands(&mut session)[1..], deliver(&[2]));
}

#[test]
fn r8030_6_g_what_could_not_be_sent_is_as_if_there_was_nothing() {
    let mut session = Session::new(scope(), WaitMode::UntilEmpty, None);
    commands(&mut session);
    session.handle(Input::Fetched(page(&[1], false)), NOW);
    commands(&mut session);
    session.handle(Input::Skipped, NOW);
    assert_eq!(commands(&mut session), [Command::Finish(End::Nothing)]);
}

#[test]
fn missed_entries_are_fetched() {
    let mut session = indefinite();
    commands(&mut session);
    session.handle(Input::Fetched(page(&[], false)), NOW);
    session.handle(Input::Update(InboxUpdate { missed: true, ..InboxUpdate::default() }), NOW);
    assert_eq!(commands(&mut session), [fetch(0)]);
}

/// A minimal inbox.
#[derive(Default)]
struct Model {
    entries: Vec<Entry>,
    last: u64,
    /// The last position of an update.
    last_update: u64,
}

#[derive(Clone, Debug)]
enum Step {
    Commit {
        entries: u8,
        update: bool,
    },
    Acknowledge(u8),
    /// Acknowledged through another session.
    AcknowledgeElsewhere(u8),
    RunCommand,
    Wait(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (1_u8..5, any::<bool>()).prop_map(|(entries, update)| Step::Commit { entries, update }),
        any::<u8>().prop_map(Step::Acknowledge),
        any::<u8>().prop_map(Step::AcknowledgeElsewhere),
        Just(Step::RunCommand),
        Just(Step::RunCommand),
        (0_u8..100).prop_map(Step::Wait),
    ]
}

proptest! {
    /// Holds under any order of commits, lost updates, acknowledgements and time.
    ///
    /// Entries are sent in order of acceptance, acknowledged ones are not sent again, and an idle session has sent
    /// everything.
    #[test]
    fn order_and_completeness(steps in prop::collection::vec(step(), 0..80), waits in any::<bool>()) {
        let wait_mode = if waits { WaitMode::Indefinite } else { WaitMode::UntilEmpty };
        let mut session = Session::new(scope(), wait_mode, Some(TIMEOUT));
        let mut model = Model::default();
        let mut sent: Vec<Position> = Vec::new();
        let mut acknowledged: Vec<Position> = Vec::new();
        let mut now = NOW;
        let run_command = |session: &mut Session, model: &mut Model, sent: &mut Vec<Position>,
                        acknowledged: &[Position], now: Timestamp| -> Result<bool, TestCaseError> {
            let Some(command) = session.next_command() else { return Ok(false) };
            match command {
                Command::Fetch { after } => {
                    let mut behind = model.entries.iter().filter(|entry| entry.position() > after);
                    let entries: Vec<_> = behind.by_ref().take(2).cloned().collect();
                    let more = behind.next().is_some();
                    let scanned = entries.last().map_or(after, Entry::position);
                    session.handle(Input::Fetched(Page { entries, scanned, more }), now);
                }
                Command::Deliver(entry) => {
                    let position = entry.entry_ref().position;
                    prop_assert!(!acknowledged.contains(&position) || sent.contains(&position));
                    if !sent.contains(&position) {
                        prop_assert!(sent.iter().all(|earlier| *earlier < position), "order of acceptance");
                        sent.push(position);
                    }
                    // Every fourth entry belongs to a protocol without acknowledgements.
                    session.handle(Input::Sent { confirmed: position.get().is_multiple_of(4) }, now);
                }
                Command::Settle { entries: settled, .. } => {
                    model.entries.retain(|entry| !settled.contains(&entry.entry_ref()));
                }
                Command::Finish(_) => return Ok(false),
            }
            Ok(true)
        };
        for step in steps {
            match step {
                Step::Commit { entries, update: is_notified } => {
                    let from = model.last;
                    for position in from + 1..=from + u64::from(entries) {
                        model.entries.push(entry(position));
                    }
                    model.last += u64::from(entries);
                    if is_notified {
                        let positions: Vec<_> = (from + 1..=model.last).collect();
                        session.handle(Input::Update(update(from, &positions)), now);
                        model.last_update = model.last;
                    }
                }
                Step::Acknowledge(which) => {
                    if !sent.is_empty() {
                        let position = sent[usize::from(which) % sent.len()];
                        acknowledged.push(position);
                        model.entries.retain(|entry| entry.position() != position);
                    }
                }
                Step::AcknowledgeElsewhere(which) => {
                    if !model.entries.is_empty() {
                        model.entries.remove(usize::from(which) % model.entries.len());
                    }
                }
                Step::RunCommand => {
                    run_command(&mut session, &mut model, &mut sent, &acknowledged, now)?;
                }
                Step::Wait(seconds) => {
                    now = now.after(Duration::from_secs(u64::from(seconds)));
                    if session.next_deadline().is_some_and(|deadline| deadline <= now) {
                        session.handle(Input::Deadline, now);
                    }
                }
            }
        }
        let mut commands = 0;
        while run_command(&mut session, &mut model, &mut sent, &acknowledged, now)? {
            commands += 1;
            prop_assert!(commands < 10_000, "the session does not become idle");
        }
        let due: Vec<_> =
            model.entries.iter().map(Entry::position).filter(|p| p.get() <= model.last_update).collect();
        if waits {
            for position in due {
                prop_assert!(sent.contains(&position), "{position:?} was never sent");
            }
        }
    }

    /// Unexpected results and repeated updates are harmless.
    #[test]
    fn any_input_in_any_order(inputs in prop::collection::vec((0_u8..6, 0_u64..20, any::<bool>()), 0..60)) {
        let mut session = indefinite();
        for (kind, at, flag) in inputs {
            let input = match kind {
                0 => Input::Fetched(page(&[at, at + 1], flag)),
                1 => Input::Sent { confirmed: true },
                2 => Input::Update(update(at, &[at + 1])),
                3 => Input::Deadline,
                4 if flag => Input::Draining,
                5 if flag => Input::Gone,
                _ => Input::Sent { confirmed: true },
            };
            session.handle(input, NOW);
            prop_assert!(commands(&mut session).len() <= SESSION_LIVE_MESSAGES + 4);
        }
    }
}
