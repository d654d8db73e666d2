use super::*;
use crate::system::SystemEntropy;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use webpush_core::capability::KeyId;
use webpush_core::encoding::Encoding;
use webpush_core::env::Clock;
use webpush_core::id::MessageId;
use webpush_core::message::{Draft, Message};
use webpush_core::session::UPDATE_ENTRIES;
use webpush_core::time::Timestamp;
use webpush_store::{AppendResult, MESSAGE_NOTICE_SESSION_AGE};

fn draft() -> Draft {
    Draft {
        id: MessageId::from_bytes([3; 16]),
        agent: InboxId::from_bytes([1; 16]),
        subscription: SubscriptionId::from_bytes([2; 16]),
        accepted: Timestamp::default(),
        expires: Timestamp::NEVER,
        urgency: Urgency::Normal,
        topic: None,
        encoding: Encoding::default(),
        key: KeyId(1),
        receipt: None,
        body: bytes::Bytes::new(),
    }
}

fn message(position: u64) -> Arc<Message> {
    Arc::new(draft().into_message(Position::new(position)))
}

fn live() -> OutboundEntry {
    OutboundEntry::Unstored(Arc::new(draft()))
}

fn commit(registry: &SessionRegistry, position: u64, replaced: Option<u64>) {
    let replaced = replaced.map(|position| message(position).entry_ref());
    registry.announce(&[Applied::Appended(AppendResult {
        message: message(position),
        replaced,
        dropped: Vec::new(),
        receipts: Vec::new(),
        receipts_dropped: 0,
    })]);
}

fn register(registry: &Arc<SessionRegistry>) -> SessionHandle {
    let inbox = InboxId::from_bytes([1; 16]);
    registry
        .register(&Scope { inbox, subscription: None, min_urgency: Urgency::VeryLow }, TransportKind::Rfc8030)
        .unwrap()
}

fn take(session: &SessionHandle) -> Wakeup {
    session.take_if(|_| true).unwrap()
}

fn positions(wakeup: &Wakeup) -> (u64, u64, Vec<u64>) {
    let update = wakeup.update.as_ref().unwrap();
    let entries = update.entries.iter().map(|entry| entry.position().get()).collect();
    (update.previous.get(), update.last.get(), entries)
}

#[test]
fn a_wakeup_carries_the_position_before_it() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let session = register(&registry);
    commit(&registry, 4, None);
    commit(&registry, 6, None);
    assert_eq!(positions(&take(&session)), (0, 6, vec![4, 6]));
    commit(&registry, 9, None);
    assert_eq!(positions(&take(&session)), (6, 9, vec![9]));
    assert!(take(&session).update.is_none());
}

#[test]
fn entries_of_other_nodes_and_out_of_order_lead_to_a_read() {
    let registry = shared(&Arc::default());
    let session = register(&registry);
    commit(&registry, 4, None);
    commit(&registry, 5, None);
    let wakeup = take(&session);
    assert_eq!(positions(&wakeup), (3, 5, vec![4, 5]));
    assert!(!wakeup.update.unwrap().missed);
    commit(&registry, 8, None);
    assert_eq!(positions(&take(&session)), (7, 8, vec![8]), "the session has not read to 7");
    for (first, second) in [(10, 12), (15, 14)] {
        commit(&registry, first, None);
        commit(&registry, second, None);
        let update = take(&session).update.unwrap();
        assert_eq!((update.missed, update.last.get()), (true, first.max(second)));
    }
}

#[test]
fn a_session_takes_a_message_of_another_node_if_it_surely_has_not_had_it() {
    let clock = Arc::<TestClock>::default();
    let registry = shared(&clock);
    let scope =
        Scope { inbox: InboxId::from_bytes([1; 16]), subscription: None, min_urgency: Urgency::VeryLow };
    let session = registry.register_exclusive(&scope, TransportKind::Autopush);
    let other = registry.register(&scope, TransportKind::Events).unwrap();
    clock.pass(MESSAGE_NOTICE_SESSION_AGE - Duration::from_millis(1));
    registry.announce_from_elsewhere(&message(7));
    for session in [&session, &other] {
        let update = take(session).update.unwrap();
        assert_eq!((update.missed, update.entries.len()), (true, 0));
    }
    clock.pass(Duration::from_millis(1));
    registry.announce_from_elsewhere(&message(8));
    let wakeup = take(&session);
    assert_eq!(positions(&wakeup), (7, 8, vec![8]));
    assert!(!wakeup.update.unwrap().missed);
    assert!(take(&other).update.unwrap().missed, "an agent may have several of these");
    registry.announce_from_elsewhere(&message(9));
    registry.announce_unread(InboxId::from_bytes([1; 16]));
    assert!(take(&session).update.unwrap().missed);
}

/// Time that passes only if a test says so.
#[derive(Default)]
struct TestClock(AtomicU64);

impl TestClock {
    fn pass(&self, time: Duration) {
        self.0.fetch_add(time.as_millis().try_into().unwrap(), Ordering::Relaxed);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp::default()
    }

    fn monotonic(&self) -> MonotonicTime {
        MonotonicTime::since_start(Duration::from_millis(self.0.load(Ordering::Relaxed)))
    }
}

/// Returns the registry of a node of several.
fn shared(clock: &Arc<TestClock>) -> Arc<SessionRegistry> {
    let env = Env::new(Arc::clone(clock) as _, Arc::new(SystemEntropy));
    Arc::new(SessionRegistry::new(Arc::new(Traces::disabled()), Some(env)))
}

#[test]
fn r8030_5_4_b_a_waiting_message_that_was_replaced_is_not_handed_over() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let session = register(&registry);
    commit(&registry, 4, None);
    commit(&registry, 5, Some(4));
    assert_eq!(positions(&take(&session)), (0, 5, vec![5]));
}

#[test]
fn an_overflow_lasts_until_the_wakeup_is_taken() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let session = register(&registry);
    let many = u64::try_from(UPDATE_ENTRIES).unwrap() + 1;
    (1..=many).for_each(|position| commit(&registry, position, None));
    commit(&registry, many + 1, Some(many));
    assert_eq!(positions(&take(&session)), (0, many + 1, vec![]));
    commit(&registry, many + 2, None);
    assert_eq!(positions(&take(&session)), (many + 1, many + 2, vec![many + 2]));
}

#[test]
fn r8030_5_2_e_an_offer_says_whether_anybody_listens() {
    let registry: Arc<SessionRegistry> = Arc::default();
    assert_eq!(registry.offer(&live()).sessions, 0);
    let (one, two) = (register(&registry), register(&registry));
    assert_eq!(registry.offer(&live()).sessions, 2);
    assert_eq!(take(&one).update.unwrap().live.len(), 1);
    drop(two);
    assert_eq!(registry.offer(&live()).sessions, 1);
    drop(one);
    assert!(registry.shards.iter().all(|shard| lock(shard).is_empty()));
    assert_eq!(
        (registry.session_count(TransportKind::Rfc8030), registry.opened_count(TransportKind::Rfc8030)),
        (0, 2)
    );
}

#[test]
fn a_reconnecting_agent_supersedes_only_its_own_websocket() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let scope =
        Scope { inbox: InboxId::from_bytes([1; 16]), subscription: None, min_urgency: Urgency::VeryLow };
    let push = registry.register(&scope, TransportKind::Rfc8030).unwrap();
    let first = registry.register_exclusive(&scope, TransportKind::Autopush);
    let second = registry.register_exclusive(&scope, TransportKind::Autopush);
    let is_superseded = |session: &SessionHandle| session.take_if(|wakeup| wakeup.superseded).is_some();
    assert!(is_superseded(&first) && !is_superseded(&second) && !is_superseded(&push));
    drop(first);
    assert_eq!(registry.offer(&live()).sessions, 2);
}

#[test]
fn r8030_7_3_a_only_sessions_of_what_was_removed_end() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let inbox = InboxId::from_bytes([1; 16]);
    let only = |n| Scope {
        inbox,
        subscription: Some(SubscriptionId::from_bytes([n; 16])),
        min_urgency: Urgency::VeryLow,
    };
    let register_for = |n| registry.register(&only(n), TransportKind::Rfc8030).unwrap();
    let (removed, kept, set) = (register_for(2), register_for(3), register(&registry));
    registry.end_sessions(inbox, Some(SubscriptionId::from_bytes([2; 16])));
    let is_removed = |session: &SessionHandle| session.take_if(|wakeup| wakeup.removed).is_some();
    assert!(is_removed(&removed) && !is_removed(&kept) && !is_removed(&set));
    registry.end_sessions(inbox, None);
    assert!(is_removed(&kept) && is_removed(&set));
}

#[test]
fn availability_depends_on_urgency_and_block_reason() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let inbox = InboxId::from_bytes([1; 16]);
    assert_eq!(registry.availability(inbox, Urgency::High), Availability::NoSession);
    let scope = Scope { inbox, subscription: None, min_urgency: Urgency::Normal };
    let first = registry.register(&scope, TransportKind::Rfc8030).unwrap();
    assert_eq!(registry.availability(inbox, Urgency::Low), Availability::BelowMinUrgency(Urgency::Normal));
    assert_eq!(registry.availability(inbox, Urgency::Normal), Availability::Session(BlockReason::Nothing));
    let second = registry.register_exclusive(&scope, TransportKind::Autopush);
    for reason in [BlockReason::Window, BlockReason::Socket, BlockReason::Nothing] {
        second.set_block_reason(reason, Urgency::Low);
        assert_eq!(registry.availability(inbox, Urgency::Low), Availability::Session(reason));
    }
    drop((first, second));
    assert_eq!(registry.availability(inbox, Urgency::High), Availability::NoSession);
}

#[test]
fn transports_are_in_order() {
    for (number, transport) in TransportKind::ALL.into_iter().enumerate() {
        assert_eq!(transport as usize, number);
    }
}

/// A2: thousands of listeners of one inbox multiplied its messages.
#[test]
fn the_sessions_of_an_inbox_are_bounded() {
    let registry = Arc::new(SessionRegistry::default());
    let scope =
        Scope { inbox: InboxId::from_bytes([7; 16]), subscription: None, min_urgency: Urgency::VeryLow };
    let register = || registry.register(&scope, TransportKind::Events);
    let open: Vec<_> = std::iter::from_fn(|| register().ok()).collect();
    assert_eq!(open.len(), INBOX_SESSIONS);
    assert!(matches!(register(), Err(Problem::TooManyRequests { limit: LimitKind::Sessions, .. })));
    assert!(
        registry.register_exclusive(&scope, TransportKind::Autopush).take_if(|_| true).is_some(),
        "a WebSocket takes the place of the one before"
    );
    drop(open);
    assert!(register().is_ok());
    assert_eq!(registry.session_count(TransportKind::Events), 0);
}

#[test]
fn a_message_that_was_dropped_at_once_is_not_announced() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let session = register(&registry);
    let (message, replaced) = (message(4), None);
    let (dropped, receipts, receipts_dropped) = (vec![message.entry_ref()], Vec::new(), 0);
    registry.announce(&[Applied::Appended(AppendResult {
        message,
        replaced,
        dropped,
        receipts,
        receipts_dropped,
    })]);
    assert!(take(&session).update.is_none());
}

#[test]
fn a_notification_between_two_polls_is_not_lost() {
    let registry: Arc<SessionRegistry> = Arc::default();
    let session = register(&registry);
    let mut cx = Context::from_waker(Waker::noop());
    assert!(session.poll_notified(&mut cx).is_pending());
    registry.announce_gap();
    assert!(session.poll_notified(&mut cx).is_ready());
    assert!(session.poll_notified(&mut cx).is_pending());
}
