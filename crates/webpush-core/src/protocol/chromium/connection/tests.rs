//! Scenarios of agent and service.

mod any_order;

use super::super::protobuf::{push_bytes, push_integer};
use super::*;
use crate::base64url;
use crate::capability::KeyId;
use crate::capability::testing::RustCrypto;
use crate::id::{ChannelId, MessageId, Position, SubscriptionId};
use crate::session::tests::{draft, live as unstored, stored};
use crate::session::{Command, Page};
use crate::subscription::{ChromiumApp, SenderKey};
use std::sync::Arc;

const NOW: Timestamp = Timestamp::from_millis(1_000_000);
const TIMEOUTS: McsTimeouts = McsTimeouts {
    login: Duration::from_secs(30),
    heartbeat: Duration::from_secs(360),
    pong: Duration::from_secs(60),
    acknowledgement: Duration::from_secs(60),
};

/// The device whose inbox the tests of sessions use: its credentials are eight ones each.
fn device() -> InboxId {
    InboxId::from_bytes([1; 16])
}

fn keyring() -> Keyring {
    Keyring::new::<RustCrypto>(&[(KeyId(1), [1; 32])]).unwrap()
}

fn open() -> McsConnection {
    McsConnection::new(&TIMEOUTS, NOW)
}

fn after(seconds: u64) -> Timestamp {
    NOW.after(Duration::from_secs(seconds))
}

/// A login of the device, which names the messages that it has received.
fn login(received: &[String]) -> Vec<u8> {
    let mut body = Vec::new();
    let number = u64::from_be_bytes([1; 8]).to_string();
    for (field, text) in [(1, "chrome-156"), (2, "mcs.android.com"), (3, &number), (4, &number), (5, &number)]
    {
        push_bytes(&mut body, field, text.as_bytes());
    }
    received.iter().for_each(|id| push_bytes(&mut body, 10, id.as_bytes()));
    body
}

/// A heartbeat ping, ack or stream ack that acknowledges `frames` frames.
fn counted(field: u64, frames: u64) -> Vec<u8> {
    let mut body = Vec::new();
    push_integer(&mut body, field, frames);
    body
}

fn hear(connection: &mut McsConnection, tag: u8, body: &[u8], now: Timestamp) -> Vec<McsCommand> {
    connection.handle(McsInput::Frame(McsFrame { tag, body }, &keyring()), now);
    commands(connection)
}

fn commands(connection: &mut McsConnection) -> Vec<McsCommand> {
    std::iter::from_fn(|| connection.next_command()).collect()
}

fn live() -> McsConnection {
    let mut connection = open();
    hear(&mut connection, 2, &login(&[]), NOW);
    connection.handle(McsInput::Identified(device()), NOW);
    commands(&mut connection);
    connection.handle(session::Input::Fetched(Page::default()).into(), NOW);
    assert_eq!(commands(&mut connection), []);
    connection
}

fn entry(position: u64) -> EntryRef {
    session::tests::entry(position).entry_ref()
}

fn id(entry: EntryRef) -> String {
    keyring().message_token(entry, KeyId(1)).unwrap()
}

fn subscription(protocol: Protocol) -> Subscription {
    let sender = Some(SenderKey([4; 65]));
    let id = SubscriptionId::from_bytes([2; 16]);
    Subscription { agent: device(), id, created: NOW, key: KeyId(1), sender, protocol }
}

fn chromium() -> Subscription {
    let app = ChromiumApp::new("org.chromium.linux", "wp:x").unwrap();
    subscription(Protocol::Chromium(ChannelId::from_bytes([3; 16]), Arc::new(app)))
}

/// Delivers stored messages at these positions, and returns the number of frames.
fn deliver(connection: &mut McsConnection, positions: &[u64]) -> usize {
    let entries: Vec<_> = positions.iter().map(|position| session::tests::entry(*position)).collect();
    let update = session::InboxUpdate {
        previous: Position::new(positions[0] - 1),
        last: Position::new(*positions.last().unwrap()),
        entries,
        ..Default::default()
    };
    connection.handle(session::Input::Update(update).into(), NOW);
    let mut frames = 0;
    for command in commands(connection) {
        let McsCommand::Session(Command::Deliver(entry)) = command else { panic!("{command:?}") };
        let frame = connection.message(&entry, &chromium(), &keyring(), NOW).unwrap();
        let id = id(entry.entry_ref());
        assert!(frame.windows(id.len()).any(|part| part == id.as_bytes()), "the persistent ID");
        connection.handle(session::Input::Sent { confirmed: false }.into(), NOW);
        frames += 1;
    }
    frames
}

fn settle(entries: Vec<EntryRef>, durable: bool) -> McsCommand {
    McsCommand::Session(Command::Settle { entries, durable })
}

fn send(frame: Vec<u8>) -> McsCommand {
    McsCommand::Action(McsAction::Send(frame))
}

fn close(reason: McsClose) -> McsCommand {
    McsCommand::Action(McsAction::Close(reason))
}

#[test]
fn the_response_to_a_login_precedes_the_inbox() {
    let mut connection = open();
    let logging_in = McsCommand::Action(McsAction::Login { agent: device(), received: vec![] });
    assert_eq!(hear(&mut connection, 2, &login(&[]), NOW), [logging_in]);
    connection.handle(McsInput::Identified(device()), NOW);
    let response = [&[VERSION], &stanza::logged_in(TIMEOUTS.heartbeat, NOW)[..]].concat();
    let fetch = McsCommand::Session(Command::Fetch { after: Position::START });
    assert_eq!(commands(&mut connection), [send(response), fetch]);
}

#[test]
fn a_login_acknowledges_messages_of_its_own_inbox_only() {
    let elsewhere = EntryRef { inbox: InboxId::from_bytes([9; 16]), ..entry(4) };
    let received = [id(entry(3)), id(elsewhere), "unknown".to_owned(), id(entry(5))];
    let logging_in = McsAction::Login { agent: device(), received: vec![entry(3), entry(5)] };
    assert_eq!(hear(&mut open(), 2, &login(&received), NOW), [McsCommand::Action(logging_in)]);
}

#[test]
fn the_login_must_be_the_first_frame_and_the_only_one() {
    for (tag, body) in [(0, vec![]), (7, vec![]), (8, vec![]), (9, vec![]), (2, vec![])] {
        assert_eq!(hear(&mut open(), tag, &body, NOW), [close(McsClose::Violation)], "{tag}");
    }
    let again = hear(&mut live(), 2, &login(&[]), NOW);
    assert_eq!(again, [send(stanza::close()), close(McsClose::Violation)]);
}

#[test]
fn a_refused_login_is_answered_with_an_error() {
    let mut connection = open();
    hear(&mut connection, 2, &login(&[]), NOW);
    connection.handle(McsInput::Refused("unknown device"), NOW);
    let refusal = [&[VERSION], &stanza::login_refused("unknown device")[..]].concat();
    assert_eq!(commands(&mut connection), [send(refusal), close(McsClose::Refused)]);
    assert_eq!(connection.next_deadline(), None);
}

#[test]
fn a_stream_acknowledgement_settles_all_messages_up_to_its_frame() {
    let mut connection = live();
    // The login response is frame 1, so these are 2, 3 and 4.
    assert_eq!(deliver(&mut connection, &[1, 2, 3]), 3);
    assert_eq!(hear(&mut connection, 7, &counted(10, 1), NOW), []);
    assert_eq!(hear(&mut connection, 7, &counted(10, 3), NOW), [settle(vec![entry(1), entry(2)], false)]);
    assert_eq!(hear(&mut connection, 7, &counted(10, 3), NOW), [], "once");
    // A heartbeat acknowledges as well. Its answer is frame 5.
    let reply = send(stanza::heartbeat_ack(5));
    assert_eq!(hear(&mut connection, 0, &counted(2, 4), NOW), [reply, settle(vec![entry(3)], false)]);
    deliver(&mut connection, &[4]);
    assert_eq!(hear(&mut connection, 7, &counted(10, 5), NOW), [], "that was the heartbeat");
    assert_eq!(hear(&mut connection, 7, &counted(10, 6), NOW), [settle(vec![entry(4)], false)]);
}

#[test]
fn a_selective_acknowledgement_settles_the_messages_that_it_names() {
    let mut connection = live();
    deliver(&mut connection, &[1, 2]);
    let (mut ids, mut extension, mut body) = (Vec::new(), Vec::new(), Vec::new());
    let elsewhere = EntryRef { inbox: InboxId::from_bytes([9; 16]), ..entry(4) };
    [id(entry(2)), id(elsewhere)].iter().for_each(|id| push_bytes(&mut ids, 1, id.as_bytes()));
    push_integer(&mut extension, 1, 12);
    push_bytes(&mut extension, 2, &ids);
    push_bytes(&mut body, 7, &extension);
    assert_eq!(hear(&mut connection, 7, &body, NOW), [settle(vec![entry(2)], false)]);
}

#[test]
fn messages_say_how_many_frames_of_the_agent_have_arrived() {
    let mut connection = live();
    hear(&mut connection, 1, &[], NOW);
    let mut frame = |received| {
        let entry = stored(1, draft(1)).into();
        let frame = connection.message(&entry, &chromium(), &keyring(), NOW).unwrap();
        frame.windows(2).any(|part| part == [11 << 3, received])
    };
    assert!(frame(2), "the login and a heartbeat");
}

#[test]
fn only_stored_messages_of_chromium_have_a_persistent_id() {
    let mut connection = live();
    let key = base64url::encode([4; 65]);
    let frame = connection.message(&unstored(), &chromium(), &keyring(), NOW).unwrap();
    assert!(frame.windows(key.len()).any(|part| part == key.as_bytes()), "the sender");
    assert_eq!(hear(&mut connection, 7, &counted(10, 2), NOW), [], "nothing to settle");
    for protocol in [Protocol::Rfc8030, Protocol::Legacy, Protocol::Autopush(ChannelId::from_bytes([3; 16]))]
    {
        let entry = stored(1, draft(1)).into();
        assert_eq!(connection.message(&entry, &subscription(protocol), &keyring(), NOW), None);
    }
}

#[test]
fn messages_for_other_services_are_acknowledged_and_ignored() {
    assert_eq!(hear(&mut live(), 8, b"\x1a\x01x\x2a\x01y", NOW), [send(stanza::stream_ack(2))]);
    assert_eq!(hear(&mut live(), 10, b"", NOW), []);
}

#[test]
fn a_silent_agent_gets_a_heartbeat_and_is_then_closed() {
    let mut connection = live();
    // The agent was told 360 s.
    assert_eq!(connection.next_deadline(), Some(after(420)));
    connection.handle(session::Input::Deadline.into(), after(420));
    assert_eq!(commands(&mut connection), [send(stanza::heartbeat_ping(1))]);
    hear(&mut connection, 1, &[], after(425));
    connection.handle(session::Input::Deadline.into(), after(845));
    assert_eq!(commands(&mut connection), [send(stanza::heartbeat_ping(2))]);
    connection.handle(session::Input::Deadline.into(), after(905));
    assert_eq!(commands(&mut connection), [send(stanza::close()), close(McsClose::Silent)]);
}

#[test]
fn an_agent_that_does_not_log_in_is_closed() {
    let mut connection = open();
    assert_eq!(connection.next_deadline(), Some(after(30)));
    connection.handle(session::Input::Deadline.into(), after(30));
    assert_eq!(commands(&mut connection), [close(McsClose::Violation)]);
}

#[test]
fn acknowledgements_during_a_close_still_count() {
    for (input, reason) in [
        (McsInput::Close, McsClose::Service),
        (session::Input::Superseded.into(), McsClose::Superseded),
        (session::Input::Gone.into(), McsClose::Removed),
    ] {
        let mut connection = live();
        deliver(&mut connection, &[1]);
        connection.handle(input, NOW);
        assert_eq!(commands(&mut connection), [send(stanza::close()), close(reason)]);
        assert_eq!(hear(&mut connection, 7, &counted(10, 2), NOW), [settle(vec![entry(1)], false)]);
        assert_eq!(hear(&mut connection, 0, &[], NOW), [], "nothing is sent");
    }
    assert_eq!(hear(&mut live(), 4, &[], NOW), [close(McsClose::Agent)]);
}

#[test]
fn a_connection_ends_when_the_service_shuts_down() {
    let mut connection = live();
    connection.handle(McsInput::Draining(after(3)), NOW);
    assert_eq!(connection.next_deadline(), Some(after(3)));
    connection.handle(session::Input::Deadline.into(), after(3));
    assert_eq!(commands(&mut connection), [send(stanza::close()), close(McsClose::Service)]);
}

#[test]
fn few_unacknowledged_frames_are_remembered() {
    let mut connection = live();
    for position in 1..=UNACKNOWLEDGED_FRAMES as u64 + 5 {
        let entry = stored(position, draft(position)).into();
        connection.message(&entry, &chromium(), &keyring(), NOW).unwrap();
    }
    assert_eq!(connection.unacknowledged.len(), UNACKNOWLEDGED_FRAMES);
    let all = counted(10, i32::MAX.unsigned_abs().into());
    let settled = hear(&mut connection, 7, &all, NOW);
    let [McsCommand::Session(Command::Settle { entries, .. })] = &settled[..] else { panic!("{settled:?}") };
    assert_eq!(entries.first().map(|entry| entry.position), Some(Position::new(6)));
    assert_eq!(entries[0].message, MessageId::from_bytes([6; 16]));
}
